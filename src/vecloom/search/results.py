"""What the index gives back: hits, reports of what was added, and what is inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vecloom.data.records import FieldValue

Mode: TypeAlias = Literal["hybrid", "vector", "keyword"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk that answers a query.

    Attributes:
        id: the chunk's id, ``document_id#position``.
        document_id: the document that it is a part of.
        score: cosine (``vector``), BM25 (``keyword``) or the fused score (``hybrid``); higher is better,
            and only comparable within one answer.
        text: the chunk's own text.
        title: the document's title, or "".
        heading: headings above the chunk, joined by " > ", or "".
        source: the file or stream that it was read from.
        position: 0-based ordinal among the document's chunks.
        fields: the record's other fields; absent ones are left out.
        vector_rank: 1-based place in the vector list, None where it is not in it.
        keyword_rank: 1-based place in the keyword list, None where it is not in it.
        cosine: of the query and the chunk, whatever the mode ranks by; None for ``keyword``, which asks no model, and for a
            chunk without a usable vector. ``vecloom.search.closeness`` says what it means.
    """

    id: str
    document_id: str
    score: float
    text: str
    title: str = ""
    heading: str = ""
    source: str = "-"
    position: int = 0
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    vector_rank: int | None = None
    keyword_rank: int | None = None
    cosine: float | None = None


def grouped(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Hits by document, in the order of each document's best."""
    by_document: dict[str, list[Hit]] = {}
    for hit in hits:
        by_document.setdefault(hit.document_id, []).append(hit)
    return list(by_document.values())


@dataclass(frozen=True, slots=True)
class AddReport:
    """What one ``Index.add`` did; all of it is on disk when the report is given.

    Attributes:
        added: documents that were not there before.
        replaced: documents that were there with other content.
        unchanged: documents that were there already, word for word; they were not encoded again.
        empty: documents with neither text nor title: there is nothing to find in them, so they are not stored.
        chunks: rows that were written.
        repeated: documents whose id came before in the same run; the last one of an id is kept.
        repeated_ids: the first few of these ids.
        empty_ids: ids of the first few documents with neither text nor title.
        seen: ids of all documents that came by, for ``Index.delete_missing``.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    empty: int = 0
    chunks: int = 0
    repeated: int = 0
    repeated_ids: tuple[str, ...] = ()
    empty_ids: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AnnInfo:
    """An approximate index and how good it was measured to be.

    Attributes:
        rows: rows that are in the graph; younger ones are searched exactly.
        recall: share of the true 10 nearest rows that it finds, measured on ``sample`` rows of the data itself.
        expansion: candidates kept while searching (HNSW's ef), the smallest that reached the aim.
        connectivity: neighbours per row in the graph (HNSW's M).
        sample: how many rows were asked as queries to measure ``recall``.
    """

    rows: int
    recall: float
    expansion: int
    connectivity: int
    sample: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What is inside an index.

    Attributes:
        path: the index's folder.
        model: name of the model that made the vectors.
        fingerprint: that model's fingerprint.
        dim: dimensions of a vector.
        rows: chunks.
        documents: documents.
        size_bytes: everything in the folder, old versions that readers may still use included.
        kind: ``exact`` (every row is compared) or ``ann`` (a graph is walked).
        ann: the graph's parameters and measured recall, None where ``kind`` is ``exact``.
        unsearchable: rows whose stored vector is not finite: vector search skips them.
        fields: the records' fields, with their types; ``where`` can name them, and ``id``, ``document_id``,
            ``position``, ``text``, ``title``, ``heading`` and ``source``.
        chunk_tokens: the most tokens in a chunk.
        overlap: tokens that neighbouring chunks share.
        created: when, ISO 8601 in UTC.
        vecloom: the version that made it.
        format: the version of the index format.
        languages: what its words in Latin letters were stemmed as; empty where it has none of our own rules.
        lacks: what an index that an older vecloom made does not find; empty where it lacks nothing.
    """

    path: str
    model: str
    fingerprint: str
    dim: int
    rows: int
    documents: int
    size_bytes: int
    kind: Literal["exact", "ann"]
    ann: AnnInfo | None
    unsearchable: int
    fields: Mapping[str, str]
    chunk_tokens: int
    overlap: int
    created: str
    vecloom: str
    format: int
    languages: tuple[str, ...] = ()
    lacks: str = ""
