"""Bringing the outbox to the mail server: each mail marked before its content leaves and after it was taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Protocol, Self

from vecloom.desk import letters
from vecloom.desk.report import Report
from vecloom.desk.smtp import LostError, RefusedError
from vecloom.desk.state import Desk
from vecloom.errors import MailError

PAUSE_AFTER = 3  # permanent refusals in a row
DOUBT_LASTS = 7 * 86_400  # seconds after its period that a mail of unknown fate is tried
LOST_IN_A_ROW = 3  # connections; then the server is left alone until the next run


class Transport(Protocol):
    """What brings a mail to the server: ``vecloom.desk.smtp.Smtp``."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End."""
        ...

    def send(self, recipient: str, content: bytes, before_content: Callable[[], None]) -> None:
        """Hand one mail over."""
        ...


def expire(desk: Desk, now: int, report: Report) -> None:
    """Give up mails whose time is over and that surely did not arrive; their papers can come in the next digest.

    A doubtful one is tried for a week more. Then it is given up for good: its papers may have arrived, and come no more.
    """
    with desk.transaction() as db:
        given_up = "UPDATE letter SET state = 'failed' WHERE state = 'queued' AND doubtful AND expires_at <= ?"
        report.failed += db.execute(given_up, (now - DOUBT_LASTS,)).rowcount
    query = "SELECT id FROM letter WHERE state = 'queued' AND NOT doubtful AND expires_at <= ?"
    for (number,) in desk.db.execute(query, (now,)).fetchall():
        with desk.transaction() as db:
            _release(db, number)
            letters.finish(db, number, "dropped", "its time was over")
        report.dropped += 1


def _release(db: sqlite3.Connection, letter: int) -> None:
    """The papers of a digest that did not arrive are as if nobody had chosen them."""
    row = db.execute("SELECT id, subscription_id, since_item FROM digest WHERE letter_id = ?", (letter,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM delivery WHERE digest_id = ?", (row["id"],))
        values = (row["since_item"], row["subscription_id"])
        db.execute("UPDATE subscription SET seen_item = min(seen_item, ?) WHERE id = ?", values)


def deliver(desk: Desk, transport: Transport, now: int, report: Report) -> None:
    """Send what waits, oldest first.

    Raises:
        MailError: the mail server cannot be used; what waits is sent by the next run.
    """
    lost = 0
    with transport:
        for number in letters.waiting(desk, now):
            letter = letters.get(desk, number)
            if letter is None or _unwanted(desk, letter, report):
                continue
            try:
                _attempt(desk, transport, letter, now, report)
                lost = 0
            except LostError as error:
                lost += 1
                if lost == LOST_IN_A_ROW:
                    raise MailError(
                        f"The mail server hangs up: {error}.", "What waits is sent by the next run."
                    ) from error


def _attempt(desk: Desk, transport: Transport, letter: letters.Letter, now: int, report: Report) -> None:
    try:
        _hand_over(desk, transport, letter)
    except RefusedError as error:
        if error.permanent:
            _refused(desk, letter, str(error), report)
        else:
            letters.later(desk, letter, str(error), now)
            report.later += 1
        return
    except LostError as error:
        record = letters.doubtful if error.doubtful else letters.later
        record(desk, letter, str(error), now)
        report.later += 1
        raise
    with desk.transaction() as db:
        letters.sent(db, letter.id, now)
        db.execute(f"UPDATE subscription SET failures = 0 WHERE id IN ({_OF_LETTER})", (letter.id,))
    report.sent += 1


def _hand_over(desk: Desk, transport: Transport, letter: letters.Letter) -> None:
    def mark() -> None:
        letters.sending(desk, letter.id)

    try:
        transport.send(letter.recipient, letter.content, mark)
    except LostError as error:
        if error.doubtful:
            raise
        transport.send(letter.recipient, letter.content, mark)  # nothing had left: an idle server may have hung up


_OF_LETTER = "SELECT subscription_id FROM digest WHERE letter_id = ?"


def _refused(desk: Desk, letter: letters.Letter, error: str, report: Report) -> None:
    with desk.transaction() as db:
        if not letter.doubtful:  # an earlier attempt may have arrived
            _release(db, letter.id)
        letters.finish(db, letter.id, "failed", error)
        db.execute(f"UPDATE subscription SET failures = failures + 1 WHERE id IN ({_OF_LETTER})", (letter.id,))
        stop = f"UPDATE subscription SET active = 0 WHERE active AND failures >= ? AND id IN ({_OF_LETTER})"
        report.paused += db.execute(stop, (PAUSE_AFTER, letter.id)).rowcount
    report.failed += 1
    report.notes.append(f"{letter.recipient}: {error}")


def _unwanted(desk: Desk, letter: letters.Letter, report: Report) -> bool:
    """Drop a digest whose reader stopped it after it was composed."""
    query = f"SELECT active FROM subscription WHERE id IN ({_OF_LETTER})"
    row = desk.db.execute(query, (letter.id,)).fetchone()
    if letter.kind != "digest" or (row is not None and row["active"]):
        return False
    with desk.transaction() as db:
        if not letter.doubtful:
            _release(db, letter.id)
        letters.finish(db, letter.id, "dropped", "unsubscribed")
    report.dropped += 1
    return True
