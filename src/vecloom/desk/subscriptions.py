"""Subscriptions: what a reader wants to be told of, how often, and how sure.

Kinds: ``query`` (papers that answer a saved query), ``tag`` (papers like those with a tag of the reader), ``for_you`` (like all
that the reader kept) and ``trending``. ``threshold`` is compared with what the kind ranks by: for ``vector`` and ``hybrid`` the
cosine of the query and a paper's best chunk, for ``keyword`` its BM25 score, for ``trending`` the trending score, for ``tag``
and ``for_you`` the decision value. ``active`` says whether mails are sent; the feed goes on without.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from vecloom.desk import tokens
from vecloom.desk.periods import DAYS, Period, zone
from vecloom.desk.state import Desk
from vecloom.errors import DeskError, UsageError
from vecloom.search.results import Mode

Kind: TypeAlias = Literal["query", "tag", "for_you", "trending"]
THRESHOLDS: dict[str, float] = {"query": 0.35, "tag": 0.0, "for_you": 0.0, "trending": 0.0}
"""Where nothing else is said. 0.35: below it, cosines of the bundled model tell little; 0 is an SVM's border."""
DAY = 86_400
MOST = 100
"""Subscriptions of one reader: each is a search at every digest."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of the table; see the module."""

    id: int
    reader_id: int
    kind: Kind
    index_name: str
    query: str
    mode: Mode
    filters: str
    threshold: float
    max_items: int
    period: Period
    hour: int
    timezone: str
    active: bool
    failures: int
    seen_item: int
    created_at: int

    @property
    def name(self) -> str:
        """What people call it."""
        return {"for_you": "for you", "trending": "trending"}.get(self.kind, self.query)


COLUMNS = ", ".join(f"subscription.{field.name}" for field in fields(Subscription))


def subscribe(
    desk: Desk,
    reader_id: int,
    index_name: str,
    kind: Kind,
    query: str = "",
    *,
    now: int,
    mode: Mode = "vector",
    filters: str = "",
    threshold: float | None = None,
    max_items: int = 10,
    period: Period = "daily",
    hour: int = 8,
    timezone: str = "UTC",
) -> Subscription:
    """Make a subscription; the papers of the last period count as news.

    Raises:
        UsageError: a value cannot be, there is no such reader, or the reader has ``MOST`` subscriptions.
    """
    query = " ".join(query.split())
    wrong = {
        f"a kind {kind!r}": kind not in get_args(Kind),
        f"a mode {mode!r}": mode not in get_args(Mode),
        f"a period {period!r}": period not in DAYS,
        f"{max_items} papers in a mail": not 1 <= max_items <= 100,
        f"{hour} as an hour": not 0 <= hour <= 23,
        f"{threshold} as a threshold": threshold is not None and not -1e6 < threshold < 1e6,
        f"a {kind} subscription without a query or tag": kind in ("query", "tag") and not query,
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise UsageError(f"There cannot be {what}.", "See: vecloom subscribe --help")
    zone(timezone)
    least = THRESHOLDS[kind] if threshold is None else threshold
    given = (reader_id, kind, index_name, query, mode, filters, least, max_items, period, hour, timezone)
    with desk.transaction() as db:
        if db.execute("SELECT 1 FROM reader WHERE id = ?", (reader_id,)).fetchone() is None:
            raise UsageError(f"The desk has no reader {reader_id}.", "Name one that is there.")
        have = db.execute("SELECT count(*) FROM subscription WHERE reader_id = ?", (reader_id,)).fetchone()[0]
        if have >= MOST:
            raise UsageError(f"You have {have} subscriptions, and more are not kept.", "Remove one first.")
        since = now - DAYS[period] * DAY
        old = "SELECT coalesce(min(id), (SELECT coalesce(max(id), 0) + 1 FROM item)) - 1 FROM item WHERE added_at >= ?"
        seen = db.execute(f"{old} AND index_name = ?", (since, index_name)).fetchone()[0]
        done = db.execute(
            "INSERT INTO subscription (reader_id, kind, index_name, query, mode, filters, threshold, max_items, period, hour,"
            " timezone, seen_item, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*given, seen, now),
        )
    return get(desk, int(done.lastrowid or 0))


def get(desk: Desk, number: int) -> Subscription:
    """A subscription by number.

    Raises:
        DeskError: there is none.
    """
    row = desk.db.execute(f"SELECT {COLUMNS} FROM subscription WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise DeskError(f"The desk has no subscription {number}.", "Name one of: vecloom subscribe INDEX --list")
    return from_row(row)


def from_row(row: Any) -> Subscription:
    """A subscription from a row that begins with ``COLUMNS``."""
    values: dict[str, Any] = dict(zip((field.name for field in fields(Subscription)), tuple(row), strict=False))
    return Subscription(**{**values, "active": bool(values["active"])})


def of_reader(desk: Desk, reader_id: int) -> list[Subscription]:
    """A reader's subscriptions, the oldest first."""
    rows = desk.db.execute(f"SELECT {COLUMNS} FROM subscription WHERE reader_id = ? ORDER BY id", (reader_id,))
    return [from_row(row) for row in rows]


def every(desk: Desk) -> list[Subscription]:
    """All subscriptions, the oldest first."""
    return [from_row(row) for row in desk.db.execute(f"SELECT {COLUMNS} FROM subscription ORDER BY id")]


def set_active(desk: Desk, number: int, active: bool) -> None:
    """Stop the mails of a subscription, or let them go on; its refusals are forgotten."""
    with desk.transaction() as db:
        db.execute("UPDATE subscription SET active = ?, failures = 0 WHERE id = ?", (active, number))


def remove(desk: Desk, number: int) -> bool:
    """Remove a subscription with its feed; whether there was one. What was delivered stays delivered.

    Its mails that wait are dropped, and what surely did not arrive can come by another subscription.
    """
    with desk.transaction() as db:
        db.execute(
            "DELETE FROM delivery WHERE digest_id IN (SELECT digest.id FROM digest JOIN letter ON letter.id = letter_id"
            " WHERE subscription_id = ? AND state = 'queued' AND NOT doubtful)",
            (number,),
        )
        db.execute(
            "UPDATE letter SET state = 'dropped', error = 'unsubscribed' WHERE state = 'queued' AND id IN"
            " (SELECT letter_id FROM digest WHERE subscription_id = ?)",
            (number,),
        )
        return db.execute("DELETE FROM subscription WHERE id = ?", (number,)).rowcount > 0


def unsubscribe_token(desk: Desk, number: int, now: int) -> str:
    """What the link in a mail of this subscription carries; it holds for good."""
    return tokens.make(desk, "unsubscribe", number, now)


def of_unsubscribe_token(desk: Desk, token: str, now: int) -> Subscription:
    """The subscription that a link would stop, for a page that asks with a button; changes nothing.

    Raises:
        TokenError: the link is not valid.
        DeskError: the subscription was removed.
    """
    return get(desk, tokens.read(desk, "unsubscribe", token, now))


def unsubscribe(desk: Desk, token: str, now: int) -> int:
    """One click (RFC 8058: POST of ``List-Unsubscribe=One-Click``, without cookies): no more mails; the subscription's number.

    Doing it twice is doing it once; also where the subscription was removed.

    Raises:
        TokenError: the link is not valid.
    """
    number = tokens.read(desk, "unsubscribe", token, now)
    set_active(desk, number, False)
    return number


def feed_token(desk: Desk, number: int, now: int) -> str:
    """What the address of a subscription's feed carries; whoever has it can read the feed."""
    return tokens.make(desk, "feed", number, now)


def of_feed_token(desk: Desk, token: str, now: int) -> Subscription:
    """The subscription of a feed's address.

    Raises:
        TokenError: it is not valid.
        DeskError: the subscription was removed.
    """
    return get(desk, tokens.read(desk, "feed", token, now))
