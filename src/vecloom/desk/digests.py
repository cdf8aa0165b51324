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

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from vecloom.desk import letters, mail, matching, periods, subscriptions, tokens
from vecloom.desk.items import Item, Library, sync
from vecloom.desk.mail import Sender
from vecloom.desk.matching import Match, Matcher
from vecloom.desk.smtp import LostError, RefusedError
from vecloom.desk.state import Desk
from vecloom.desk.subscriptions import Subscription
from vecloom.errors import FilterError, MailError, StoreBusyError

PAUSE_AFTER = 3  # permanent refusals in a row
DOUBT_LASTS = 7 * 86_400  # seconds after its period that a mail of unknown fate is tried
LOST_IN_A_ROW = 3  # connections; then the server is left alone until the next run

log = logging.getLogger(__name__)


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


@dataclass
class Report:
    """What a run did.

    Attributes:
        items: new items that it found in the indexes.
        due: subscriptions whose time had come.
        composed: digests written.
        sent: mails that the server took, confirmations and logins among them.
        later: mails that wait for another attempt.
        failed: mails that the server will not take.
        dropped: mails whose time or reader was gone.
        paused: subscriptions stopped after repeated refusals.
        notes: sentences on what went wrong.
    """

    items: int = 0
    due: int = 0
    composed: int = 0
    sent: int = 0
    later: int = 0
    failed: int = 0
    dropped: int = 0
    paused: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Composed:
    """A digest before it is in the outbox: for whom, which papers, and the whole mail."""

    subscription: Subscription
    recipient: str
    matches: list[Match]
    content: bytes


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


@contextmanager
def _alone(desk: Desk) -> Iterator[None]:
    """One run at a time; the system frees the lock when its holder dies."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(f"{desk.path}.sending.lock", timeout=0):
            yield
    except Timeout as error:
        raise StoreBusyError(f"Another run sends the digests of {desk.path}.", "Wait until it ends.") from error


# ---- composing --------------------------------------------------------------------------------------------------------


def due(desk: Desk, now: int) -> list[tuple[Subscription, str, periods.Span]]:
    """Subscriptions whose period has no digest yet, with the address and the period, the oldest first."""
    query = f"""
      SELECT {subscriptions.COLUMNS}, email FROM subscription JOIN reader ON reader.id = reader_id
      WHERE active AND confirmed_at IS NOT NULL AND email IS NOT NULL ORDER BY subscription.id"""
    done = {tuple(row) for row in desk.db.execute("SELECT subscription_id, period_key FROM digest")}
    found = []
    for row in desk.db.execute(query):
        one = subscriptions.from_row(row)
        span = periods.current(one.period, one.hour, one.timezone, now)
        if (one.id, span.key) not in done:
            found.append((one, str(row["email"]), span))
    return found


def compose(desk: Desk, library: Library, sender: Sender, now: int, report: Report) -> None:
    """Write the digests that are due into the outbox, each in one transaction."""
    waiting = due(desk, now)
    report.due = len(waiting)
    absent = {one.index_name for one, _, _ in waiting} - set(library)
    report.notes += [f"{name} was not given; its subscriptions wait." for name in sorted(absent)]
    asked = [entry for entry in waiting if entry[0].index_name in library]
    if not asked:
        return
    matcher = matching.matcher(desk, library, [one for one, _, _ in asked], now)
    for one, email, span in asked:
        try:
            matches = choose(desk, matcher, one)
        except FilterError as error:
            report.notes.append(f"Subscription {one.id}: {error.what}")
            continue
        content = write(desk, sender, matcher, one, email, matches, span.key, now) if matches else b""
        report.composed += _commit(desk, sender, matcher, Composed(one, email, matches, content), span, now)


def choose(desk: Desk, matcher: Matcher, one: Subscription) -> list[Match]:
    """The papers of the next digest: the best that this reader never got."""
    query = "SELECT item_id FROM delivery WHERE reader_id = ?"
    got = {row[0] for row in desk.db.execute(query, (one.reader_id,))}
    return [match for match in matcher.select(one) if match.item.id not in got][: one.max_items]


def _commit(desk: Desk, sender: Sender, matcher: Matcher, made: Composed, span: periods.Span, now: int) -> int:
    one = made.subscription
    with desk.transaction() as db:
        if not _still(db, one):
            return 0
        db.execute("UPDATE subscription SET seen_item = max(seen_item, ?) WHERE id = ?", (matcher.last_item, one.id))
        if not made.matches:
            return 0
        name = message_name(desk, one, span.key, now)
        letter = letters.queue(
            db, one.reader_id, "digest", sender.message_id(name), made.recipient, made.content, now, span.end
        )
        done = db.execute(
            "INSERT INTO digest (subscription_id, period_key, letter_id, since_item, at) VALUES (?, ?, ?, ?, ?)",
            (one.id, span.key, letter, one.seen_item, now),
        )
        db.executemany(
            "INSERT INTO delivery (reader_id, item_id, digest_id) VALUES (?, ?, ?)",
            ((one.reader_id, match.item.id, done.lastrowid) for match in made.matches),
        )
    return 1


def _still(db: sqlite3.Connection, one: Subscription) -> bool:
    """Whether it is as it was when the papers were chosen; a reader may have stopped it meanwhile."""
    row = db.execute("SELECT seen_item FROM subscription WHERE id = ? AND active", (one.id,)).fetchone()
    return row is not None and row["seen_item"] == one.seen_item


def message_name(desk: Desk, one: Subscription, period_key: str, now: int) -> str:
    """The left side of a digest's Message-ID: the same for a subscription and a period, and not to be guessed."""
    return f"digest.{one.id}.{period_key}.{tokens.mac(desk, now, 'message', one.id, period_key)}"


def preview(desk: Desk, library: Library, sender: Sender, now: int, number: int | None = None) -> list[Composed]:
    """What the next digests would be if all were due now; nothing is written but the new items.

    Args:
        desk: the desk.
        library: the indexes.
        sender: who sends.
        now: seconds since 1970.
        number: of one subscription; all where None.
    """
    sync(desk, library, now)
    chosen = subscriptions.every(desk) if number is None else [subscriptions.get(desk, number)]
    asked = [one for one in chosen if one.index_name in library]
    matcher = matching.matcher(desk, library, asked, now)
    found = []
    for one in asked:
        row = desk.db.execute("SELECT email FROM reader WHERE id = ?", (one.reader_id,)).fetchone()
        email = row["email"] or sender.address
        matches = choose(desk, matcher, one)
        content = write(desk, sender, matcher, one, email, matches, "preview", now) if matches else b""
        found.append(Composed(one, email, matches, content))
    return found


def write(
    desk: Desk,
    sender: Sender,
    matcher: Matcher,
    one: Subscription,
    email: str,
    matches: list[Match],
    period_key: str,
    now: int,
) -> bytes:
    """The mail of a digest."""
    return mail.digest(
        sender,
        email,
        heading=heading(one, len(matches)),
        about=f"You get this {one.period}, because you subscribed to {ABOUT[one.kind].format(one.query)} in {one.index_name}.",
        entries=[_entry(match, matcher.text(match.item)) for match in matches],
        token=subscriptions.unsubscribe_token(desk, one.id, now),
        list_name=f"subscription-{one.id}",
        message_id=sender.message_id(message_name(desk, one, period_key, now)),
        now=now,
    )


ABOUT = {
    "query": "“{}”",
    "tag": "papers like those that you tagged “{}”",
    "for_you": "papers like those that you kept",
    "trending": "what is trending",
}


def heading(one: Subscription, count: int) -> str:
    """The subject: "3 new papers: text embedding"."""
    return f"{count} new paper{'' if count == 1 else 's'}: {one.name}"


def _entry(match: Match, text: str) -> mail.Entry:
    item = match.item
    date = datetime.fromtimestamp(item.published_at, UTC).date().isoformat() if item.published_at is not None else ""
    byline = " · ".join(filter(None, [_people(item), date]))
    return mail.Entry(mail.one_line(item.title), byline, item.url, mail.shortened(text), mail.one_line(match.reason))


def _people(item: Item) -> str:
    people = mail.one_line(item.authors).split("; ")
    return ", ".join(people) if len(people) <= 6 else f"{', '.join(people[:5])} and {len(people) - 5} more"


# ---- sending ----------------------------------------------------------------------------------------------------------


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


def history(desk: Desk, number: int) -> list[dict[str, Any]]:
    """A subscription's digests, the newest first: period, state, papers, when sent, last error."""
    query = """
      SELECT period_key, state, attempts, error, sent_at, message_id,
        (SELECT count(*) FROM delivery WHERE digest_id = digest.id) AS papers
      FROM digest JOIN letter ON letter.id = letter_id WHERE subscription_id = ? ORDER BY digest.id DESC"""
    return [dict(row) for row in desk.db.execute(query, (number,))]
