"""From a query to hits: rank rows by vectors, by words or by both, then fetch what is shown.

Filters are applied before ranking: ``k`` hits come back whenever ``k`` rows pass the filter (and, for ``keyword``,
hold a word of the query).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.encoders.reading import reading
from vecloom.search.fusion import DEPTH, fuse
from vecloom.search.results import Hit, Mode
from vecloom.search.schema import DOCUMENT, HEADING, ID, OWN, POSITION, SOURCE, TEXT, TITLE
from vecloom.search.snapshot import Ranked, Snapshot
from vecloom.search.where import Where

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: its offset, score, 1-based ranks in the two lists, and cosine."""

    offset: int
    score: float
    vector_rank: int | None = None
    keyword_rank: int | None = None
    cosine: float | None = None


def answer(
    snapshot: Snapshot,
    texts: Sequence[str],
    vectors: Vectors | None,
    k: int,
    mode: Mode,
    where: Where | None,
    tokenizer: Tokenizer | None = None,
) -> list[list[Hit]]:
    """Hits for each query, best first.

    Args:
        snapshot: the version that is asked.
        texts: the queries; only counted where ``mode`` is ``vector``.
        vectors: ``(len(texts), dim)`` unit vectors of the queries; None where ``mode`` is ``keyword``.
        k: hits per query.
        mode: what to rank by.
        where: a filter, or None.
        tokenizer: the model's, which tells how well it reads a query; None where it is not known.
    """
    allowed = snapshot.allowed(where)  # a wrong filter is wrong in an empty index too
    if snapshot.rows == 0:
        return [[] for _ in texts]
    depth = max(DEPTH, k) if mode == "hybrid" else k
    by_vector: list[Ranked] = []
    if vectors is not None and mode != "keyword":
        by_vector = snapshot.nearest(vectors, depth, allowed)
    by_word = [snapshot.words(text, depth, allowed) for text in texts] if mode != "vector" else []
    if mode == "hybrid":
        read = [reading(tokenizer, [text]) for text in texts]
        familiar = [one.familiar if one else 1.0 for one in read]
        fused = [_fuse(v, w, k, known) for v, w, known in zip(by_vector, by_word, familiar, strict=True)]
        ranks = [_measured(one, query, snapshot) for one, query in zip(fused, vectors, strict=True)]  # type: ignore[arg-type]
    else:
        ranks = [places(ranked, mode) for ranked in (by_vector if mode == "vector" else by_word)]
    return hits(snapshot, ranks)


def places(ranked: Ranked, mode: Mode) -> list[Place]:
    """The places of one list, ``vector`` or ``keyword``."""
    numbered = [(int(offset), float(score), rank) for rank, (offset, score) in enumerate(zip(*ranked, strict=True), 1)]
    if mode == "vector":
        return [Place(offset, score, vector_rank=rank, cosine=score) for offset, score, rank in numbered]
    return [Place(offset, score, keyword_rank=rank) for offset, score, rank in numbered]


def _fuse(by_vector: Ranked, by_word: Ranked, k: int, familiar: float) -> list[Place]:
    lists = [by_vector[0].tolist(), by_word[0].tolist()]
    vector, word = ({offset: rank for rank, offset in enumerate(ranked, start=1)} for ranked in lists)
    fused = fuse(by_vector, by_word, familiar)[:k]
    return [Place(offset, score, vector.get(offset), word.get(offset)) for offset, score in fused]


def _measured(found: Sequence[Place], query: Vectors, snapshot: Snapshot) -> list[Place]:
    """Places with their cosines: what words alone found has one too."""
    cosines = snapshot.cosines(query, np.array([place.offset for place in found], np.int64)).tolist()
    return [
        replace(place, cosine=None if math.isnan(cosine) else cosine)
        for place, cosine in zip(found, cosines, strict=True)
    ]


def hits(snapshot: Snapshot, ranks: Sequence[Sequence[Place]]) -> list[list[Hit]]:
    """Fetch the rows of all places in one go."""
    offsets = sorted({place.offset for one in ranks for place in one})
    if not offsets:
        return [[] for _ in ranks]
    fields = snapshot.store.fields
    table = snapshot.store.take(offsets, [*OWN, *fields.values()])
    rows = dict(zip(offsets, table.to_pylist(), strict=True))
    return [[_hit(place, rows[place.offset], fields) for place in one] for one in ranks]


def _hit(place: Place, row: dict[str, Any], fields: dict[str, str]) -> Hit:
    return Hit(
        id=row[ID],
        document_id=row[DOCUMENT],
        score=place.score,
        text=row[TEXT],
        title=row[TITLE],
        heading=row[HEADING],
        source=row[SOURCE],
        position=row[POSITION],
        fields={name: row[column] for name, column in fields.items() if row[column] is not None},
        vector_rank=place.vector_rank,
        keyword_rank=place.keyword_rank,
        cosine=place.cosine,
    )
