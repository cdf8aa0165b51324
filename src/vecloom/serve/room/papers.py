"""One index as one reader sees it at one moment: what is hidden, what trends, what was marked. Blocks; for a worker thread."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import cached_property

from vecloom.desk import Desk, Item, Library, Marks, for_you, items, listing, marks, trending
from vecloom.desk.trending import Interest
from vecloom.serve.problems import Problem

PATIENCE = 0.5  # seconds that a page waits for a newer list before it shows the last one
log = logging.getLogger("vecloom.serve")
SORTS = {"trending": "Trending", "for_you": "For you"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a paper: by its reader, and by all."""

    item: int
    marks: Marks
    interest: Interest


@dataclass(frozen=True, slots=True)
class Place:
    """A paper's place in a list that no query made."""

    id: str
    score: float | None
    reason: str


@dataclass(frozen=True)
class Papers:
    """See the module.

    Attributes:
        desk: the desk.
        library: has the index.
        name: the index, as the desk knows it.
        reader: its number, or None for somebody who did not log in.
        now: seconds since 1970.
        learn: has a reader's lists for them computed anew, in the background.
    """

    desk: Desk
    library: Library
    name: str
    reader: int | None
    now: int
    learn: Callable[[int], Future[None]]

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Ids of documents that this reader does not want to see."""
        if self.reader is None:
            return frozenset()
        return frozenset(item.doc_id for item in marks.marked(self.desk, self.reader, "hide", self.name))

    def standing(self, ids: Iterable[str]) -> dict[str, Standing]:
        """What is known of documents; the desk may not have heard of all."""
        found = items.by_doc_ids(self.desk, self.name, list(ids))
        numbers = [item.id for item in found.values()]
        own = marks.of_items(self.desk, self.reader, numbers) if self.reader is not None else {}
        interests = trending.interests_of(self.desk, numbers)
        return {
            name: Standing(item.id, own.get(item.id, Marks()), interests.get(item.id, Interest()))
            for name, item in found.items()
        }

    def trends(self, ids: Sequence[str]) -> dict[str, float]:
        """Trending scores of documents; 0 for those that the desk does not know."""
        found = items.by_doc_ids(self.desk, self.name, ids)
        interests = trending.interests_of(self.desk, [item.id for item in found.values()])
        scores = {
            name: trending.score(item, interests.get(item.id, Interest()), self.now) for name, item in found.items()
        }
        return {name: scores.get(name, 0.0) for name in ids}

    def places(self, sort: str, where: str | None, first: int, count: int) -> list[Place]:
        """A page of all papers: ``date``, ``for_you``, or ``trending`` where something else is asked.

        Raises:
            Problem: 401, ``for_you`` of somebody who did not log in.
            FilterError: the filter does not parse.
        """
        if sort == "for_you":
            return self._for_you(where)[first : first + count]
        order: listing.Sort = "date" if sort == "date" else "trending"
        found = listing.listing(
            self.desk, self.library, self.name, self.reader or 0, self.now, sort=order, where=where, limit=count,
            offset=first,
        )  # fmt: skip
        return [Place(one.item.doc_id, one.score if order == "trending" else None, one.reason) for one in found]

    def _for_you(self, where: str | None) -> list[Place]:
        if self.reader is None:
            raise Problem(401, "This list is for readers who logged in.")
        allowed = None if where is None else self.library[self.name].select(where)
        first = not for_you.computed(self.desk, self.reader, self.name)
        wait([self.learn(self.reader)], timeout=None if first else PATIENCE)
        found = for_you.kept(self.desk, self.reader, self.name)
        return [
            Place(one.item.doc_id, one.score, one.reason)
            for one in found
            if allowed is None or one.item.doc_id in allowed
        ]

    def item(self, doc_id: str) -> Item:
        """A document on the desk; raises DocumentNotFoundError."""
        return items.find(self.desk, self.name, doc_id)

    def viewed(self, doc_id: str) -> None:
        """The reader opened a document; those who did not log in are not counted, nor is anybody where nothing can be written."""
        if self.reader is not None and (found := items.by_doc_ids(self.desk, self.name, [doc_id])):
            try:
                marks.view(self.desk, self.reader, found[doc_id].id, self.now)
            except sqlite3.OperationalError:
                log.exception("a view was not counted")
