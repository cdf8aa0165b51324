"""Which new items a subscription selects, best first.

A run reads the vectors of the new items once and encodes each distinct query once, whatever number of subscriptions asks it.
Scores of a query are cosines with an item's best chunk. ``hybrid`` keeps what reaches the threshold by cosine and orders it by
reciprocal ranks of that list and of BM25's; ``keyword`` takes BM25 alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vecloom.desk.for_you import DAYS, for_you
from vecloom.desk.items import COLUMNS, Item, Library, from_row, last_id
from vecloom.desk.periods import DAYS as PERIOD_DAYS
from vecloom.desk.sources import Source
from vecloom.desk.state import Desk
from vecloom.desk.subscriptions import DAY, Subscription
from vecloom.desk.trending import top
from vecloom.search.catalogue import Chunks
from vecloom.search.fusion import reciprocal_rank_fusion
from vecloom.search.where import among as one_of

Scores = npt.NDArray[np.float32]
BY_WORDS = 200  # places of BM25's list
IDS_IN_FILTER = 2000  # new items that are named in a filter; with more of them, BM25's list over everything is sifted


@dataclass(frozen=True, slots=True)
class Match:
    """An item that a subscription selects, its score and why."""

    item: Item
    score: float
    reason: str


@dataclass(frozen=True)
class Pool:
    """New items of one index with their vectors: ``rows[i]`` is the place in ``items`` of chunk ``i``'s document."""

    items: list[Item]
    chunks: Chunks
    rows: npt.NDArray[np.int64]

    def best(self, query: Scores) -> Scores:
        """``(len(items),)``: cosine of a unit query with each item's best chunk; -inf for items without a vector."""
        found = np.full(len(self.items), -np.inf, dtype=np.float32)
        np.maximum.at(found, self.rows, self.chunks.vectors @ query)
        return found


@dataclass
class Matcher:
    """Selects for many subscriptions at one moment. Make one with ``matcher``."""

    desk: Desk
    library: Library
    now: int
    last_item: int
    pools: dict[str, Pool] = field(default_factory=dict)
    queries: dict[tuple[str, str], Scores] = field(default_factory=dict)
    filters: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def select(self, subscription: Subscription, *, fresh: bool = True) -> list[Match]:
        """Items that a subscription selects, best first, without what its reader hid.

        Args:
            subscription: whose index is in the library.
            fresh: only what it has not looked at yet; False: all that is in the pool (for feeds).

        Raises:
            FilterError: its filter does not fit the index any more.
        """
        found = self._ranked(subscription, fresh)
        found = [match for match in found if match.score >= subscription.threshold]
        if subscription.filters:
            allowed = self._allowed(subscription.index_name, subscription.filters)
            found = [match for match in found if match.item.doc_id in allowed]
        hidden = self._hidden(subscription.reader_id)
        return [match for match in found if match.item.id not in hidden]

    def text(self, item: Item) -> str:
        """The first chunk of an item; "" where it has none."""
        pool = self.pools.get(item.index_name)
        if pool is not None and item.doc_id in pool.chunks.texts:
            return pool.chunks.texts[item.doc_id]
        return self.library[item.index_name].chunks([item.doc_id]).texts.get(item.doc_id, "")

    def _ranked(self, subscription: Subscription, fresh: bool) -> list[Match]:
        if subscription.kind == "query":
            return self._answers(subscription, fresh)
        name = subscription.index_name
        if subscription.kind == "trending":
            young = self.now - DAYS * DAY
            best = top(self.desk, name, self.now, BY_WORDS)
            return [Match(item, score, "trending") for item, score in best if item.added_at >= young]
        tag = subscription.query if subscription.kind == "tag" else None
        suggested = for_you(self.desk, self.library, subscription.reader_id, name, self.now, tag=tag)
        return [Match(one.item, one.score, one.reason) for one in suggested]

    def _answers(self, subscription: Subscription, fresh: bool) -> list[Match]:
        pool = self.pools[subscription.index_name]
        since = subscription.created_at - PERIOD_DAYS[subscription.period] * DAY
        after = subscription.seen_item if fresh else 0
        wanted = [not fresh or (item.id > after and item.added_at >= since) for item in pool.items]
        if not any(wanted):
            return []
        reason = f"answers “{subscription.query}”"
        if subscription.mode == "keyword":
            words = self._by_words(
                subscription, [item for item, is_wanted in zip(pool.items, wanted, strict=True) if is_wanted]
            )
            return [Match(item, score, reason) for item, score in words]
        scores = np.where(wanted, pool.best(self.queries[subscription.index_name, subscription.query]), -np.inf)
        places = [int(place) for place in np.flatnonzero(scores >= subscription.threshold)]
        places.sort(key=lambda place: (scores[place], pool.items[place].newness), reverse=True)
        if subscription.mode == "hybrid" and places:
            places = self._fused(subscription, places, pool)
        return [Match(pool.items[place], float(scores[place]), reason) for place in places]

    def _fused(self, subscription: Subscription, places: list[int], pool: Pool) -> list[int]:
        at = {pool.items[place].id: place for place in places}
        words = self._by_words(subscription, [pool.items[place] for place in places])
        fused = reciprocal_rank_fusion([places, [at[item.id] for item, _ in words]])
        return [place for place, _ in fused]

    def _by_words(self, subscription: Subscription, among: Sequence[Item]) -> list[tuple[Item, float]]:
        """Those of ``among`` that hold words of the query, by BM25."""
        by_id = {item.doc_id: item for item in among}
        few = len(by_id) <= IDS_IN_FILTER
        where = one_of("document_id", by_id) if few else None
        count = BY_WORDS if few else max(BY_WORDS, 10 * len(by_id))
        found = dict[str, float]()
        for hit in self.library[subscription.index_name].search(subscription.query, count, "keyword", where):
            if hit.document_id in by_id:
                found.setdefault(hit.document_id, hit.score)  # the first is its best chunk
        return [(by_id[doc_id], score) for doc_id, score in found.items()]

    def _allowed(self, index_name: str, where: str) -> set[str]:
        if (index_name, where) not in self.filters:
            self.filters[index_name, where] = self.library[index_name].select(where)
        return self.filters[index_name, where]

    def _hidden(self, reader_id: int) -> set[int]:
        query = "SELECT item_id FROM event WHERE reader_id = ? AND kind = 'hide'"
        return {row[0] for row in self.desk.db.execute(query, (reader_id,))}


def matcher(
    desk: Desk, library: Library, subscriptions: Collection[Subscription], now: int, *, days: int | None = None
) -> Matcher:
    """Read the new items' vectors and encode the queries.

    Args:
        desk: the desk, in step with the indexes.
        library: has all indexes that the subscriptions name.
        subscriptions: what will be asked.
        now: seconds since 1970.
        days: take all items of so many days into the pool, for feeds; None: what the subscriptions have not looked at.
    """
    made = Matcher(desk, library, now, last_id(desk.db))
    asked = [one for one in subscriptions if one.kind == "query"]
    for name in sorted({one.index_name for one in asked}):
        of_index = [one for one in asked if one.index_name == name]
        made.pools[name] = _pool(desk, library[name], name, *_window(of_index, now, days))
        texts = sorted({one.query for one in of_index if one.mode != "keyword"})
        if texts and made.pools[name].items:
            made.queries |= {(name, text): row for text, row in zip(texts, library[name].embed(texts), strict=True)}
    return made


def _window(subscriptions: Sequence[Subscription], now: int, days: int | None) -> tuple[int, int]:
    """Items above this number and added since this second are new to one of the subscriptions at least."""
    if days is not None:
        return 0, now - days * DAY
    since = min(one.created_at - PERIOD_DAYS[one.period] * DAY for one in subscriptions)
    return min(one.seen_item for one in subscriptions), since


def _pool(desk: Desk, source: Source, name: str, after: int, since: int) -> Pool:
    query = f"SELECT {COLUMNS} FROM item WHERE index_name = ? AND present AND id > ? AND added_at >= ? ORDER BY id"
    items = [from_row(row) for row in desk.db.execute(query, (name, after, since))]
    chunks = source.chunks([item.doc_id for item in items])
    at = {item.doc_id: place for place, item in enumerate(items)}
    return Pool(items, chunks, np.array([at[doc_id] for doc_id in chunks.documents], dtype=np.int64))
