"""One consistent view of an index: a version of the table, and the vector file and graph aligned with it.

Rows are named by their offset in the table's order. The table decides what exists; the vector file may lack the
youngest rows (they are read from the table: the tail) and may hold rows that were deleted (they have no offset).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.search import ann, exact, word_terms
from vecloom.search import vectors as vector_file
from vecloom.search.exact import Mask, Scores
from vecloom.search.metadata import Metadata
from vecloom.search.schema import KEY, VECTOR
from vecloom.search.store import Store
from vecloom.search.vectors import Keys, Offsets, VectorFile
from vecloom.search.where import Where

Ranked = tuple[Offsets, Scores]

BROAD = 0.2  # share of the rows above which a filtered query walks the graph; below, its rows are compared exactly
WALK_AT_MOST = 4096  # candidates asked of the graph before a query is answered exactly instead


@dataclass(frozen=True)
class Snapshot:
    """Searches over one version; safe to use from several threads.

    Attributes:
        store: the table's version.
        metadata: the ``index.json`` that goes with it.
        keys: ``(rows,)`` the rows' keys by offset.
        row_ids: ``(rows,)`` the engine's row ids by offset.
        file: the vector file.
        offsets: for each row of ``file`` its offset, -1 where it was deleted.
        tail: ``(t, dim)`` vectors of the rows that ``file`` lacks.
        tail_offsets: ``(t,)`` their offsets.
        graph: over the file's first rows, or None.
    """

    store: Store
    metadata: Metadata
    keys: Keys
    row_ids: npt.NDArray[np.uint64]
    file: VectorFile
    offsets: Offsets
    tail: Vectors
    tail_offsets: Offsets
    graph: Any | None

    @property
    def rows(self) -> int:
        """Chunks in the table."""
        return len(self.keys)

    @cached_property
    def deleted(self) -> int:
        """Rows of the vector file that the table has no more."""
        return int((self.offsets < 0).sum())

    @property
    def searchable(self) -> int:
        """Rows that vector search can find."""
        return len(self.offsets) - self.deleted + len(self.tail_offsets)

    def offsets_of(self, row_ids: npt.NDArray[np.uint64]) -> Offsets:
        """Offsets of the engine's row ids, all of which are there."""
        order, in_order = self._row_order
        return order[np.searchsorted(in_order, row_ids)]

    @cached_property
    def _row_order(self) -> tuple[Offsets, npt.NDArray[np.uint64]]:
        order = np.argsort(self.row_ids, kind="stable")
        return order, self.row_ids[order]

    def allowed(self, where: Where | None) -> Mask | None:
        """``(rows,)``, True where a row may be found; None where all may.

        Raises:
            FilterError: the filter does not parse, or names what is not there.
            FilterTimeError: it takes longer than allowed.
        """
        return None if where is None else self.store.passing(where)

    def nearest(self, queries: Vectors, k: int, allowed: Mask | None) -> list[Ranked]:
        """The ``k`` nearest rows to each of ``(m, dim)`` unit queries: offsets and cosines, best first."""
        live = self._live(allowed)
        broad = allowed is None or (self.rows and allowed.mean() > BROAD)
        if self.graph is not None and broad:
            found = [self._walked(query, k, live, allowed) for query in queries]
        else:
            found = self._compared(queries, k, live, 0)
        return self._with_tail(queries, found, k, allowed) if len(self.tail) else found

    def cosines(self, query: Vectors, offsets: Offsets) -> Scores:
        """Of a ``(dim,)`` unit query and the rows at these offsets; NaN where a row has no usable vector."""
        found = np.full(len(offsets), np.nan, np.float32)
        in_file = self._places[offsets]
        known = in_file >= 0
        found[known] = self.file.vectors[in_file[known]] @ query
        for place in np.flatnonzero(np.isin(offsets, self.tail_offsets)):
            found[place] = self.tail[np.flatnonzero(self.tail_offsets == offsets[place])[0]] @ query
        return found

    @cached_property
    def _places(self) -> Offsets:
        """``(rows,)`` for each offset its row of the file, -1 where it has none."""
        places = np.full(self.rows, -1, np.int64)
        live = np.flatnonzero(self.offsets >= 0)
        places[self.offsets[live]] = live
        return places

    def _with_tail(self, queries: Vectors, found: list[Ranked], k: int, allowed: Mask | None) -> list[Ranked]:
        mask = None if allowed is None else allowed[self.tail_offsets]
        tails = exact.top_k(queries, self.tail, k, mask)
        pairs = zip(found, tails, strict=True)
        return [_merge([one, (self.tail_offsets[ids], scores)], k) for one, (ids, scores) in pairs]

    def _live(self, allowed: Mask | None) -> Mask | None:
        """Which rows of the file may be found; None where all may."""
        if allowed is None:
            return self.offsets >= 0 if self.deleted else None
        return allowed[self.offsets] & (self.offsets >= 0) if self.rows else np.zeros(len(self.offsets), bool)

    def _compared(self, queries: Vectors, k: int, live: Mask | None, start: int) -> list[Ranked]:
        """Exact answers over the file's rows from ``start`` on."""
        answers = exact.top_k(queries, self.file.vectors[start:], k, None if live is None else live[start:])
        return [(self.offsets[ids + start], scores) for ids, scores in answers]

    def _walked(self, query: Vectors, k: int, live: Mask | None, allowed: Mask | None) -> Ranked:
        """The graph's answer, joined with the exact one over rows that are not in the graph yet.

        More candidates than ``k`` are asked for, as some may be deleted or filtered out; where they are still too
        few, the query is answered exactly, so that ``k`` rows come back if they exist.
        """
        rows = len(self.graph) if self.graph is not None else 0
        count = max(k + 6, int(1.5 * k / (float(live.mean()) or 1.0)) if live is not None else 0)
        if count > WALK_AT_MOST:
            return self._compared(query[None], k, live, 0)[0]
        found = ann.walk(self.graph, query, min(count, rows))
        if live is not None:
            found = found[live[found]]
        if len(found) < min(k, rows):
            return self._compared(query[None], k, live, 0)[0]
        scores = self.file.vectors[found] @ query
        ranked = (self.offsets[found], scores)
        if rows == len(self.offsets):
            return _merge([ranked], k)
        return _merge([ranked, self._compared(query[None], k, live, rows)[0]], k)

    def words(self, query: str, k: int, allowed: Mask | None) -> Ranked:
        """The ``k`` best rows by BM25 that may be found: offsets and scores, best first; ties in order of age.

        The engine ranks all rows that hold words of the query, which costs it little; more are asked for until ``k`` may.
        """
        if self.store.has_terms:
            query = word_terms.query_terms(query, self.metadata.languages)
        share = 1.0 if allowed is None else float(allowed.mean()) if len(allowed) else 0.0
        if not query or not share:  # nothing but punctuation, or nothing that may be found
            return np.empty(0, np.int64), np.empty(0, np.float32)
        count = min(self.rows, int(1.5 * k / share) + 6) if share < 1 else k
        while True:
            found = self.store.words(query, count)
            offsets, scores = self.offsets_of(found["_rowid"].to_numpy()), found["_score"].to_numpy()
            may = slice(None) if allowed is None else allowed[offsets]
            if len(offsets[may]) >= k or found.num_rows < count or count >= self.rows:
                break
            count = min(self.rows, 4 * count)
        offsets, scores = offsets[may], scores[may].astype(np.float32)
        order = np.lexsort((self.keys[offsets], -scores))[:k]
        return offsets[order], scores[order]


def _merge(lists: Sequence[Ranked], k: int) -> Ranked:
    offsets = np.concatenate([offsets for offsets, _ in lists])
    scores = np.concatenate([scores for _, scores in lists])
    order = np.lexsort((offsets, -scores))[:k]
    return offsets[order], scores[order]


def take_snapshot(folder: Path, store: Store, metadata: Metadata) -> Snapshot:
    """Align the vector file and the graph that ``metadata`` names with this version of the table.

    Raises:
        FileNotFoundError: a writer has replaced the files meanwhile; read ``metadata`` again.
    """
    table = store.scan([KEY], row_ids=True)
    keys = table[KEY].to_numpy()
    file, graph = vector_file.empty(metadata.dim), None
    if metadata.vectors is not None:
        place = folder / metadata.vectors.folder
        file = vector_file.open_vectors(place, metadata.vectors.rows, metadata.dim)
        if metadata.graph is not None:
            graph = ann.load(place / metadata.graph.file)
            graph.expansion_search = metadata.graph.ann.expansion
    tail_keys, tail = _tail(store, file.last_key, keys, metadata.dim)
    return Snapshot(
        store=store,
        metadata=metadata,
        keys=keys,
        row_ids=table["_rowid"].to_numpy(),
        file=file,
        offsets=vector_file.locate(file.keys, keys),
        tail=tail,
        tail_offsets=vector_file.locate(tail_keys, keys),
        graph=graph,
    )


def _tail(store: Store, last_key: int, keys: Keys, dim: int) -> tuple[Keys, Vectors]:
    if not len(keys) or int(keys.max()) <= last_key:
        return np.empty(0, np.int64), np.empty((0, dim), np.float32)
    parts = [vector_file.finite(*part) for part in read_vectors(store, last_key, dim)]
    return np.concatenate([k for k, _ in parts]), np.concatenate([v for _, v in parts])


def read_vectors(store: Store, above: int, dim: int) -> Iterator[tuple[Keys, Vectors]]:
    """Keys and vectors of the table's rows whose key is above ``above``, in the table's order, batch by batch."""
    for batch in store.batches([KEY, VECTOR], condition=f"`{KEY}` > {above}"):
        if batch.num_rows:
            cells = batch.column(1).flatten().to_numpy(zero_copy_only=False)
            yield batch.column(0).to_numpy(), cells.reshape(-1, dim)
