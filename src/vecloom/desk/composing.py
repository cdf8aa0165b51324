"""Writing digests: who is due, which papers, and the mail, put into the outbox in one transaction with what it delivers."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from vecloom.desk import letters, mail, matching, periods, subscriptions, tokens
from vecloom.desk.items import Item, Library, sync
from vecloom.desk.mail import Sender
from vecloom.desk.matching import Match, Matcher
from vecloom.desk.report import Report
from vecloom.desk.state import Desk
from vecloom.desk.subscriptions import Subscription
from vecloom.errors import FilterError, FilterTimeError


@dataclass(frozen=True)
class Composed:
    """A digest before it is in the outbox: for whom, which papers, the whole mail, or why there is none."""

    subscription: Subscription
    recipient: str
    matches: list[Match]
    content: bytes
    trouble: str = ""


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
        except (FilterError, FilterTimeError) as error:
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
        try:
            matches = choose(desk, matcher, one)
        except (FilterError, FilterTimeError) as error:
            found.append(Composed(one, email, [], b"", error.what))
            continue
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
    return mail.Entry(item.title, byline, item.url, mail.shortened(text), match.reason)


def _people(item: Item) -> str:
    people = mail.one_line(item.authors).split("; ")
    return ", ".join(people) if len(people) <= 6 else f"{', '.join(people[:5])} and {len(people) - 5} more"
