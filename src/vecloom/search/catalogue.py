"""Whole documents of an index: what there is, their vectors, and which of them a filter selects.

What stands on search and keeps its own list of an index's documents (the desk) reads it through this. All functions read
the newest version; ``stamp`` tells whether it is another one than before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vecloom.data.records import FieldValue
from vecloom.encoders.protocol import Vectors
from vecloom.search.exact import unit
from vecloom.search.index import Index
from vecloom.search.schema import DOCUMENT, POSITION, TEXT, TITLE, VECTOR
from vecloom.search.store import IDS_PER_COMMIT, any_of
from vecloom.search.where import Where


@dataclass(frozen=True, slots=True)
class Listed:
    """A document without its text: id, title, and the record's fields."""

    id: str
    title: str
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True)
class Chunks:
    """Chunks of chosen documents.

    Attributes:
        documents: the document of each chunk.
        texts: document -> text of its first chunk.
        vectors: ``(n, dim)`` float32 of length 1, a row for each chunk; rows that are not finite are left out.
    """

    documents: list[str]
    texts: dict[str, str]
    vectors: Vectors


def stamp(index: Index) -> str:
    """Differs whenever the documents may differ."""
    snapshot = index._current()
    return f"{snapshot.metadata.table} {snapshot.store.version}"


def documents(index: Index) -> Iterator[Listed]:
    """All documents, in the order of the table."""
    store = index._current().store
    fields = store.fields
    for batch in store.batches([DOCUMENT, TITLE, *fields.values()], condition=f"`{POSITION}` = 0"):
        for row in batch.to_pylist():
            known = {name: row[column] for name, column in fields.items() if row[column] is not None}
            yield Listed(row[DOCUMENT], row[TITLE], known)


def chunks(index: Index, ids: Sequence[str]) -> Chunks:
    """All chunks of the documents named; ids that are not there are left out."""
    store = index._current().store
    owners, texts, parts = list[str](), dict[str, str](), [np.empty((0, index.dim), np.float32)]
    for start in range(0, len(ids), IDS_PER_COMMIT):
        some = any_of(DOCUMENT, ids[start : start + IDS_PER_COMMIT])
        table = store.scan([DOCUMENT, POSITION, TEXT, VECTOR], condition=some)
        if not table.num_rows:
            continue
        cells = table[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        finite = np.isfinite(cells).all(axis=1)
        names = table[DOCUMENT].to_pylist()
        firsts = zip(names, table[POSITION].to_pylist(), table[TEXT].to_pylist(), strict=True)
        texts |= {name: text for name, position, text in firsts if position == 0}
        owners += [name for name, kept in zip(names, finite, strict=True) if kept]
        parts.append(unit(cells[finite]))
    return Chunks(owners, texts, np.concatenate(parts))


def select(index: Index, where: Where) -> set[str]:
    """Ids of the documents that have a chunk which a filter selects.

    Raises:
        FilterError: the filter does not parse, or names what is not there.
    """
    return index._current().store.select(where)
