"""Digests: composed once for each subscription and period, and brought to the mail server once.

Composing is one transaction: the digest's row (one for each subscription and period), its deliveries (one for each reader and
item, ever) and its mail in the outbox. Sending marks the mail before its content leaves and after the server took it. So after
a crash at any moment

- no digest is composed again, and no item goes into another mail of the same reader;
- a mail that had not begun to leave is sent; one that had been taken is not;
- one that was on its way when the crash came is sent again to the byte, with the same Message-ID. SMTP has no way to ask whether
  the first copy was taken. Receivers that drop a second copy of a Message-ID show one; others may show two. The gap lasts
  from the first byte of the content to one commit on this disk after the server's last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vecloom.desk import letters
from vecloom.desk.composing import Composed, compose, preview
from vecloom.desk.items import Library, sync
from vecloom.desk.mail import Sender
from vecloom.desk.report import Report
from vecloom.desk.sending import Transport, deliver, expire
from vecloom.desk.state import Desk
from vecloom.errors import StoreBusyError


def run(desk: Desk, library: Library, sender: Sender, transport: Transport, now: int) -> Report:
    """Bring the desk in step with the indexes, compose what is due, and send all that waits.

    Raises:
        StoreBusyError: another run is at it.
        MailError: the mail server cannot be used; what waits is sent by the next run.
    """
    with _alone(desk):
        report = Report(items=sync(desk, library, now))
        letters.recover(desk)
        expire(desk, now, report)
        compose(desk, library, sender, now, report)
        deliver(desk, transport, now, report)
    return report


def outbox(desk: Desk, transport: Transport, now: int) -> Report:
    """Send what waits, and compose nothing: for confirmation and login mails, which should not wait for the next ``run``.

    Raises:
        StoreBusyError: another run is at it.
        MailError: the mail server cannot be used; what waits is sent by the next run.
    """
    with _alone(desk):
        report = Report()
        letters.recover(desk)
        expire(desk, now, report)
        deliver(desk, transport, now, report)
    return report


@contextmanager
def _alone(desk: Desk) -> Iterator[None]:
    """One run at a time; the system frees the lock when its holder dies."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(f"{desk.path}.sending.lock", timeout=0):
            yield
    except Timeout as error:
        raise StoreBusyError(f"Another run sends the digests of {desk.path}.", "Wait until it ends.") from error


def history(desk: Desk, number: int) -> list[dict[str, Any]]:
    """A subscription's digests, the newest first: period, state, papers, when sent, last error."""
    query = """
      SELECT period_key, state, attempts, error, sent_at, message_id,
        (SELECT count(*) FROM delivery WHERE digest_id = digest.id) AS papers
      FROM digest JOIN letter ON letter.id = letter_id WHERE subscription_id = ? ORDER BY digest.id DESC"""
    return [dict(row) for row in desk.db.execute(query, (number,))]


__all__ = ["Composed", "Report", "Transport", "compose", "deliver", "expire", "history", "outbox", "preview", "run"]
