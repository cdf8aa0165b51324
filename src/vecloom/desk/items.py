"""The documents of the indexes as the desk knows them: ``item``, brought up to date by ``sync``."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from vecloom.desk.sources import Source
from vecloom.desk.state import Desk
from vecloom.errors import DocumentNotFoundError
from vecloom.search.catalogue import Listed

Library = Mapping[str, Source]
"""Indexes by the names under which the desk knows them."""

DATES = ("date", "published_at", "published", "updated", "year")
LINKS = ("url", "link")
AUTHORS = ("authors", "author")
AT_ONCE = 500  # parameters of one IN list


@dataclass(frozen=True, slots=True)
class Item:
    """A document on the desk.

    Attributes:
        id: the desk's number.
        index_name: the index that holds it.
        doc_id: its id there.
        title: as it was.
        url: where to read it, http or https; "" where it is not known.
        authors: joined by "; ".
        published_at: seconds since 1970; None where it is not known.
        added_at: when the desk first saw it.
    """

    id: int
    index_name: str
    doc_id: str
    title: str
    url: str
    authors: str
    published_at: int | None
    added_at: int

    @property
    def dated(self) -> int:
        """When it was published, or added if that is unknown."""
        return self.added_at if self.published_at is None else self.published_at

    @property
    def newness(self) -> tuple[bool, int, int]:
        """Larger for what is newer; an undated item is older than any dated one, as SQL's ``BY_DATE`` has it."""
        return self.published_at is not None, self.dated, -self.id


BY_DATE = "published_at DESC, added_at DESC, item.id"
"""Newest first; SQLite sorts what has no date last."""
COLUMNS = "item.id, index_name, doc_id, title, url, authors, published_at, added_at"


def from_row(row: sqlite3.Row) -> Item:
    """An item from a row that begins with ``COLUMNS``."""
    return Item(*tuple(row)[:8])


def sync(desk: Desk, library: Library, now: int) -> int:
    """Take over what the indexes have gained, changed and lost since the last call; how many items are new.

    An index that the desk sees for the first time is no news: its items count as added when they were published.
    """
    return sum(_sync(desk, name, source, now) for name, source in library.items())


def _sync(desk: Desk, name: str, source: Source, now: int) -> int:
    query, stamp = "SELECT stamp FROM shelf WHERE index_name = ?", source.stamp()
    if (row := desk.db.execute(query, (name,)).fetchone()) and row["stamp"] == stamp:
        return 0
    found = {listed.id: _values(listed) for listed in source.documents()}
    with desk.transaction() as db:
        first = db.execute(query, (name,)).fetchone() is None
        rows = db.execute(f"SELECT {COLUMNS}, present FROM item WHERE index_name = ?", (name,))
        known = {
            row["doc_id"]: (row["title"], row["url"], row["authors"], row["published_at"], row["present"])
            for row in rows
        }
        new = [doc_id for doc_id in found if doc_id not in known]
        changed = [doc_id for doc_id in found if doc_id in known and known[doc_id] != (*found[doc_id], 1)]
        gone = [doc_id for doc_id, values in known.items() if values[-1] and doc_id not in found]
        db.executemany(
            "INSERT INTO item (index_name, doc_id, title, url, authors, published_at, added_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((name, doc_id, *found[doc_id], _added(found[doc_id][3], first, now)) for doc_id in new),
        )
        db.executemany(
            "UPDATE item SET title = ?, url = ?, authors = ?, published_at = ?, present = 1"
            " WHERE index_name = ? AND doc_id = ?",
            ((*found[doc_id], name, doc_id) for doc_id in changed),
        )
        db.executemany(
            "UPDATE item SET present = 0 WHERE index_name = ? AND doc_id = ?", ((name, doc_id) for doc_id in gone)
        )
        db.execute("INSERT OR REPLACE INTO shelf (index_name, stamp) VALUES (?, ?)", (name, stamp))
    return len(new)


def _added(published: int | None, first: bool, now: int) -> int:
    return min(published, now) if first and published is not None else now


def _values(listed: Listed) -> tuple[str, str, str, int | None]:
    link, authors = _first(listed, LINKS), _first(listed, AUTHORS, whole=True)
    published = next(filter(None, (seconds(_first(listed, [name])) for name in DATES)), None)
    return listed.title or listed.id, link if link.startswith(("https://", "http://")) else "", authors, published


def _first(listed: Listed, names: Iterable[str], *, whole: bool = False) -> str:
    """The first field that is filled; of a list its first member, or all of them joined by "; "."""
    value = next((listed.fields[name] for name in names if listed.fields.get(name)), "")
    if isinstance(value, list):
        return "; ".join(value) if whole else value[0]
    return str(value)


def seconds(date: str) -> int | None:
    """A date of ISO 8601, whole or cut after year or month, as seconds since 1970; None where it is none.

    >>> seconds("1970-01-02"), seconds("1971"), seconds("soon")
    (86400, 31536000, None)
    """
    padded = date + {4: "-01-01", 7: "-01"}.get(len(date), "")
    try:
        found = datetime.fromisoformat(padded)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def get(desk: Desk, item_id: int) -> Item:
    """An item by its number.

    Raises:
        DocumentNotFoundError: there is none.
    """
    row = desk.db.execute(f"SELECT {COLUMNS} FROM item WHERE id = ?", (item_id,)).fetchone()
    if row is None:
        raise DocumentNotFoundError(f"The desk has no item {item_id}.", "Name one that a list gives.")
    return from_row(row)


def find(desk: Desk, index_name: str, doc_id: str) -> Item:
    """An item by its index and id there.

    Raises:
        DocumentNotFoundError: there is none.
    """
    query = f"SELECT {COLUMNS} FROM item WHERE index_name = ? AND doc_id = ?"
    row = desk.db.execute(query, (index_name, doc_id)).fetchone()
    if row is None:
        raise DocumentNotFoundError(f"The desk has no {doc_id!r} of {index_name}.", "Name one that a search gives.")
    return from_row(row)


def by_doc_ids(desk: Desk, index_name: str, doc_ids: Collection[str]) -> dict[str, Item]:
    """Items of an index by their ids there; those that are not known, or gone, are left out."""
    names, found = list(doc_ids), dict[str, Item]()
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT {COLUMNS} FROM item WHERE index_name = ? AND present AND doc_id IN ({marks})"
        found |= {row["doc_id"]: from_row(row) for row in desk.db.execute(query, (index_name, *some))}
    return found


def last_id(db: sqlite3.Connection) -> int:
    """The largest number that an item ever had."""
    return int(db.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()[0])
