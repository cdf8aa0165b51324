"""Trending: interest that fades.

    T(x, t) = (b + views/10 + 2 saves + 3 upvotes) / (age + 2)^1.5

``views`` counts readers per day, ``saves`` and ``upvotes`` readers; ``age`` is in hours since x was published, or added if
that is unknown, and 0 for a date to come. The two hours keep the very new from winning by age alone. ``b`` is what being new is
worth: 1, and 0 for an undated item, which nobody knows to be new, so that it trends by its readers only. Equal scores are ordered
by date, the younger first and the undated last, then by number.

Worked: nothing yet at age 0: 1 / 2^1.5 = 0.353553; 3 up-votes, 2 saves and 20 views at 10 h: 16 / 12^1.5 = 0.384900, and at
34 h: 16 / 216 = 0.074074.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vecloom.desk.items import AT_ONCE, BY_DATE, COLUMNS, Item, from_row
from vecloom.desk.state import Desk

VIEW, SAVE, UPVOTE = 0.1, 2.0, 3.0
OFFSET_HOURS = 2.0
GRAVITY = 1.5
HOUR = 3600
_COUNTED = "SELECT item_id, sum(kind = 'view'), sum(kind = 'save'), sum(kind = 'upvote') FROM event"


@dataclass(frozen=True, slots=True)
class Interest:
    """How many views (readers per day), saves and up-votes an item has."""

    views: int = 0
    saves: int = 0
    upvotes: int = 0


def trending(interest: Interest, age_hours: float, *, dated: bool = True) -> float:
    """T of the module's docstring.

    >>> round(trending(Interest(20, 2, 3), 10), 6)
    0.3849
    """
    weight = int(dated) + VIEW * interest.views + SAVE * interest.saves + UPVOTE * interest.upvotes
    return float(weight / (max(age_hours, 0.0) + OFFSET_HOURS) ** GRAVITY)


def score(item: Item, interest: Interest, now: int) -> float:
    """T of an item at a moment."""
    return trending(interest, (now - item.dated) / HOUR, dated=item.published_at is not None)


def rank(scored: Iterable[tuple[Item, float]]) -> list[tuple[Item, float]]:
    """Best first; ties by date, the younger first and the undated last, then by number."""
    return sorted(scored, key=lambda pair: (pair[1], pair[0].newness), reverse=True)


def interests(desk: Desk, index_name: str) -> dict[int, Interest]:
    """Interest in every item of an index that anybody marked or viewed."""
    # CROSS JOIN has SQLite begin with the events, which are few, not with the items
    query = f"{_COUNTED} CROSS JOIN item ON item.id = item_id WHERE index_name = ? AND present GROUP BY item_id"
    return {row[0]: Interest(*tuple(row)[1:]) for row in desk.db.execute(query, (index_name,))}


def interests_of(desk: Desk, item_ids: Sequence[int]) -> dict[int, Interest]:
    """Interest in some items; those that nobody marked or viewed are left out."""
    found = dict[int, Interest]()
    for start in range(0, len(item_ids), AT_ONCE):
        some = item_ids[start : start + AT_ONCE]
        query = f"{_COUNTED} WHERE item_id IN ({', '.join('?' * len(some))}) GROUP BY item_id"
        found |= {row[0]: Interest(*tuple(row)[1:]) for row in desk.db.execute(query, some)}
    return found


def top(desk: Desk, index_name: str, now: int, limit: int) -> list[tuple[Item, float]]:
    """The ``limit`` items of an index that trend most, with their scores.

    Exact without looking at all: among items that nobody marked the younger one scores more, and the undated nothing, so the
    youngest of all and those with marks are enough.
    """
    found = interests(desk, index_name)
    youngest = f"""SELECT {COLUMNS} FROM item WHERE index_name = ? AND present
      ORDER BY {BY_DATE} LIMIT ?"""
    # "+" keeps SQLite from going through the whole index to find the few with marks
    with_marks = f"""SELECT {COLUMNS} FROM item WHERE +index_name = ? AND present
      AND id IN (SELECT item_id FROM event)"""
    # dates to come all count as age 0, and are all among the youngest
    rows = [*desk.db.execute(youngest, (index_name, limit)), *desk.db.execute(with_marks, (index_name,))]
    items = {row["id"]: from_row(row) for row in rows}.values()
    return rank((item, score(item, found.get(item.id, Interest()), now)) for item in items)[:limit]
