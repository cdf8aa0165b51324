"""What a reader did with an item: viewed, saved, up-voted, hid or tagged it. Nothing leaves the desk's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from vecloom.desk.items import AT_ONCE, BY_DATE, COLUMNS, Item, from_row
from vecloom.desk.state import Desk
from vecloom.errors import UsageError

Mark: TypeAlias = Literal["save", "upvote", "hide"]
MARKS: tuple[Mark, ...] = ("save", "upvote", "hide")
LONGEST_TAG = 64
MOST_TAGS = 500  # of one reader: one that is filled by a program would fill everybody's disk
MOST_TAGGED = 20_000  # papers under all tags of one reader


@dataclass(frozen=True, slots=True)
class Marks:
    """What one reader did with one item."""

    viewed: bool = False
    saved: bool = False
    upvoted: bool = False
    hidden: bool = False
    tags: tuple[str, ...] = ()


def view(desk: Desk, reader_id: int, item_id: int, now: int) -> None:
    """The reader opened an item; once a day counts."""
    _add(desk, reader_id, item_id, "view", datetime.fromtimestamp(now, UTC).date().isoformat(), now)


def mark(desk: Desk, reader_id: int, item_id: int, kind: Mark, now: int) -> None:
    """Save, up-vote or hide an item; doing it twice is doing it once.

    Raises:
        UsageError: there is no such mark, reader or item.
    """
    _add(desk, reader_id, item_id, _known(kind), "", now)


def unmark(desk: Desk, reader_id: int, item_id: int, kind: Mark) -> bool:
    """Take a mark back; whether there was one."""
    with desk.transaction() as db:
        values = (reader_id, item_id, _known(kind))
        return db.execute("DELETE FROM event WHERE reader_id = ? AND item_id = ? AND kind = ?", values).rowcount > 0


def tag(desk: Desk, reader_id: int, item_id: int, name: str) -> str:
    """Give an item a tag; the tag as it is kept: on one line.

    Raises:
        UsageError: the tag is empty, too long or one too many, or there is no such reader or item.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_TAG:
        raise UsageError(f"A tag cannot be {name[:LONGEST_TAG]!r}.", f"Use 1 to {LONGEST_TAG} characters.")
    with desk.transaction() as db:
        _exist(desk, reader_id, item_id)
        _room_for(db, reader_id, name)
        db.execute("INSERT OR IGNORE INTO tag (reader_id, item_id, name) VALUES (?, ?, ?)", (reader_id, item_id, name))
    return name


def _room_for(db: sqlite3.Connection, reader_id: int, name: str) -> None:
    """Raise if a reader has as many tags as one may have."""
    query = "SELECT count(*), count(DISTINCT name), coalesce(max(name = ?), 0) FROM tag WHERE reader_id = ?"
    papers, names, known = db.execute(query, (name, reader_id)).fetchone()
    if names >= MOST_TAGS and not known:
        raise UsageError(f"You have {names:,} tags, and more are not kept.", "Take one off, or use one that you have.")
    if papers >= MOST_TAGGED:
        raise UsageError(f"You have tagged {papers:,} times, and more is not kept.", "Take some tags off.")


def untag(desk: Desk, reader_id: int, item_id: int, name: str) -> bool:
    """Take a tag off; whether it was there."""
    with desk.transaction() as db:
        values = (reader_id, item_id, name)
        return db.execute("DELETE FROM tag WHERE reader_id = ? AND item_id = ? AND name = ?", values).rowcount > 0


def tags(desk: Desk, reader_id: int) -> dict[str, int]:
    """A reader's tags with the number of items of each."""
    query = "SELECT name, count(*) AS n FROM tag WHERE reader_id = ? GROUP BY name ORDER BY name"
    return {row["name"]: row["n"] for row in desk.db.execute(query, (reader_id,))}


def of_items(desk: Desk, reader_id: int, item_ids: Collection[int]) -> dict[int, Marks]:
    """What a reader did with each of these items."""
    numbers, kinds, names = list(item_ids), dict[int, set[str]](), dict[int, list[str]]()
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        chosen = f"WHERE reader_id = ? AND item_id IN ({', '.join('?' * len(some))})"
        for row in desk.db.execute(f"SELECT DISTINCT item_id, kind FROM event {chosen}", (reader_id, *some)):
            kinds.setdefault(row["item_id"], set()).add(row["kind"])
        for row in desk.db.execute(f"SELECT item_id, name FROM tag {chosen} ORDER BY name", (reader_id, *some)):
            names.setdefault(row["item_id"], []).append(row["name"])
    return {number: _marks(kinds.get(number, set()), names.get(number, [])) for number in numbers}


def _marks(kinds: set[str], names: list[str]) -> Marks:
    return Marks("view" in kinds, "save" in kinds, "upvote" in kinds, "hide" in kinds, tuple(names))


def marked(desk: Desk, reader_id: int, kind: Mark, index_name: str | None = None) -> list[Item]:
    """Items with a reader's mark, the last marked first."""
    query = f"SELECT {COLUMNS} FROM event JOIN item ON item.id = item_id WHERE reader_id = ? AND kind = ? AND present"
    values: tuple[object, ...] = (reader_id, _known(kind))
    if index_name is not None:
        query, values = f"{query} AND index_name = ?", (*values, index_name)
    return [from_row(row) for row in desk.db.execute(f"{query} ORDER BY at DESC, event.id DESC", values)]


def tagged(desk: Desk, reader_id: int, name: str) -> list[Item]:
    """Items with a reader's tag, newest first."""
    query = f"SELECT {COLUMNS} FROM tag JOIN item ON item.id = item_id WHERE reader_id = ? AND name = ? AND present"
    rows = desk.db.execute(f"{query} ORDER BY {BY_DATE}", (reader_id, name))
    return [from_row(row) for row in rows]


def _add(desk: Desk, reader_id: int, item_id: int, kind: str, day: str, now: int) -> None:
    with desk.transaction() as db:
        _exist(desk, reader_id, item_id)
        values = (reader_id, item_id, kind, day, now)
        db.execute("INSERT OR IGNORE INTO event (reader_id, item_id, kind, day, at) VALUES (?, ?, ?, ?, ?)", values)


def _exist(desk: Desk, reader_id: int, item_id: int) -> None:
    for table, number in (("reader", reader_id), ("item", item_id)):
        if desk.db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (number,)).fetchone() is None:
            raise UsageError(f"The desk has no {table} {number}.", "Name one that is there.")


def _known(kind: str) -> str:
    if kind not in MARKS:
        raise UsageError(f"There is no mark {kind!r}.", f"Use one of {', '.join(MARKS)}.")
    return kind
