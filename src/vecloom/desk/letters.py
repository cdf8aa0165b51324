"""The outbox: mails as they were composed, and how far each of them got.

    queued -> sending -> sent          the server took it
                 |---> queued          it said "later" (4xx): again after a while
                 |---> failed          it said "never" (5xx)
    queued -> dropped                  nobody wants it any more, or its time is over

``sending`` is committed after the server has agreed to take the content and before the first byte of it leaves. Whatever ends the
attempt there (a crash, a lost connection) leaves a letter that may have arrived: it is ``doubtful``, and is sent again as it is,
under the same Message-ID.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from vecloom.desk.state import Desk

FIRST_PAUSE = 300  # seconds after the first "later"; doubled each time
LONGEST_PAUSE = 4 * 3600


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that waits."""

    id: int
    reader_id: int
    kind: str
    recipient: str
    content: bytes
    doubtful: bool
    attempts: int
    expires_at: int


def queue(
    db: sqlite3.Connection,
    reader_id: int,
    kind: str,
    message_id: str,
    recipient: str,
    content: bytes,
    now: int,
    expires_at: int,
) -> int:
    """Put a mail into the outbox, in the transaction of what it tells; its number."""
    done = db.execute(
        "INSERT INTO letter (reader_id, kind, message_id, recipient, content, next_at, expires_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (reader_id, kind, message_id, recipient, content, now, expires_at, now),
    )
    return int(done.lastrowid or 0)


def recover(desk: Desk) -> int:
    """After a crash: what was being sent is doubtful, and waits again; how many. Only for the one process that sends."""
    with desk.transaction() as db:
        return db.execute("UPDATE letter SET state = 'queued', doubtful = 1 WHERE state = 'sending'").rowcount


def waiting(desk: Desk, now: int) -> list[int]:
    """Numbers of the letters whose turn it is, in the order in which they were written."""
    query = "SELECT id FROM letter WHERE state = 'queued' AND next_at <= ? ORDER BY id"
    return [row[0] for row in desk.db.execute(query, (now,))]


def get(desk: Desk, number: int) -> Letter | None:
    """A letter that waits; None where it does not any more."""
    query = """
      SELECT id, reader_id, kind, recipient, content, doubtful, attempts, expires_at
      FROM letter WHERE id = ? AND state = 'queued'"""
    row = desk.db.execute(query, (number,)).fetchone()
    return Letter(**{**dict(row), "doubtful": bool(row["doubtful"])}) if row else None


def sending(desk: Desk, number: int) -> None:
    """From here on it may arrive."""
    _set(desk, number, "state = 'sending', attempts = attempts + 1")


def sent(db: sqlite3.Connection, number: int, now: int) -> None:
    """The server took it."""
    values = (now, number)
    db.execute("UPDATE letter SET state = 'sent', sent_at = ?, error = '', doubtful = 0 WHERE id = ?", values)


def doubtful(desk: Desk, letter: Letter, error: str, now: int) -> None:
    """The connection ended before the server's word on the content."""
    with desk.transaction() as db:
        _later(db, letter, error, now, doubtful=True)


def later(desk: Desk, letter: Letter, error: str, now: int) -> None:
    """The server asked to come again."""
    with desk.transaction() as db:
        _later(db, letter, error, now, doubtful=letter.doubtful)


def finish(db: sqlite3.Connection, number: int, state: str, error: str) -> None:
    """It will not be sent: ``failed`` or ``dropped``."""
    db.execute("UPDATE letter SET state = ?, error = ? WHERE id = ?", (state, error, number))


def pause(attempts: int) -> int:
    """Seconds to wait after so many attempts.

    >>> [pause(n) for n in (1, 2, 3, 9)]
    [300, 600, 1200, 14400]
    """
    return min(FIRST_PAUSE << min(attempts - 1, 20), LONGEST_PAUSE)


def _later(db: sqlite3.Connection, letter: Letter, error: str, now: int, *, doubtful: bool) -> None:
    attempts = letter.attempts + 1
    db.execute(
        "UPDATE letter SET state = 'queued', attempts = ?, doubtful = ?, error = ?, next_at = ? WHERE id = ?",
        (attempts, doubtful, error, now + pause(attempts), letter.id),
    )


def _set(desk: Desk, number: int, what: str) -> None:
    with desk.transaction() as db:
        db.execute(f"UPDATE letter SET {what} WHERE id = ?", (number,))
