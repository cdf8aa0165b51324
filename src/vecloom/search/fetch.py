"""Rows as they are stored: a whole document, and chosen columns of rows by their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vecloom.data.records import FieldValue
from vecloom.encoders.protocol import Vectors
from vecloom.errors import DocumentNotFoundError, UsageError
from vecloom.search import vectors
from vecloom.search.query import Place, hits
from vecloom.search.results import Hit
from vecloom.search.schema import DOCUMENT, KEY, POSITION
from vecloom.search.snapshot import Snapshot
from vecloom.search.store import any_of
from vecloom.search.vectors import Keys


def document(snapshot: Snapshot, name: str) -> list[Hit]:
    """All chunks of a document in their order; their score is 0.

    Raises:
        DocumentNotFoundError: there is no such document.
    """
    table = snapshot.store.scan([POSITION], condition=any_of(DOCUMENT, [name]), row_ids=True)
    if not table.num_rows:
        raise DocumentNotFoundError(f"There is no document {name!r} in the index.", "Name one that a search gives.")
    offsets = snapshot.offsets_of(table["_rowid"].to_numpy())[np.argsort(table[POSITION].to_numpy())]
    return hits(snapshot, [[Place(offset, 0.0) for offset in offsets.tolist()]])[0]


def rows(snapshot: Snapshot, keys: Sequence[int]) -> list[Hit]:
    """Rows by their keys, in the order asked; keys that are not there are left out. Their score is 0."""
    found = vectors.locate(np.asarray(keys, dtype=np.int64), snapshot.keys)
    kept = found[found >= 0].tolist()
    return hits(snapshot, [[Place(offset, 0.0) for offset in kept]])[0] if kept else []


def matrix(snapshot: Snapshot) -> tuple[Keys, Vectors]:
    """Keys ``(n,)`` and unit vectors ``(n, dim)`` of all rows whose vector is finite, in the table's order."""
    offsets = np.concatenate([snapshot.offsets[snapshot.offsets >= 0], snapshot.tail_offsets])
    parts = [snapshot.file.vectors[snapshot.offsets >= 0], snapshot.tail]
    order = np.argsort(offsets, kind="stable")
    return snapshot.keys[offsets[order]], np.concatenate(parts)[order]


def values(snapshot: Snapshot, field: str) -> tuple[Keys, list[FieldValue]]:
    """A field of all rows with their keys; None where a row has none.

    Raises:
        UsageError: no record has such a field.
    """
    columns = snapshot.store.names
    if field not in columns:
        raise UsageError(
            f"There is no field {field!r} in the index.", f"There is {', '.join(snapshot.store.fields) or 'none'}."
        )
    table = snapshot.store.scan([KEY, columns[field]])
    return table[KEY].to_numpy(), table[columns[field]].to_pylist()
