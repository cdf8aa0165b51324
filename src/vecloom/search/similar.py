"""Chunks of other documents that are near to a document: its own vectors are the question, so no model is needed.

A document of several chunks asks with the sum of their unit vectors, scaled to length 1: its direction on the whole. (The
mean of the cosines to its chunks ranks the same: it is the cosine to the sum times a number that no candidate changes.)
"""

from __future__ import annotations

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import DocumentNotFoundError, UsageError
from vecloom.search.exact import unit
from vecloom.search.query import hits, places
from vecloom.search.results import Hit
from vecloom.search.schema import DOCUMENT, ID, VECTOR
from vecloom.search.snapshot import Snapshot
from vecloom.search.store import any_of
from vecloom.search.where import Where


def similar(snapshot: Snapshot, name: str, k: int, where: Where | None) -> list[Hit]:
    """The ``k`` chunks nearest to a document or a chunk, none of them of the same document, best first.

    Args:
        snapshot: the version that is asked.
        name: a document's id, or a chunk's; a document wins where both are called so.
        k: hits.
        where: a filter, or None.

    Raises:
        DocumentNotFoundError: there is neither a document nor a chunk of this name.
        UsageError: its vectors are not finite, or cancel each other out.
        FilterError: the filter does not parse, or names what is not there.
    """
    document, vectors = _vectors(snapshot, name)
    allowed = snapshot.allowed(where)
    mask = np.ones(snapshot.rows, dtype=bool) if allowed is None else allowed
    own = snapshot.store.scan([DOCUMENT], condition=any_of(DOCUMENT, [document]), row_ids=True)
    mask[snapshot.offsets_of(own["_rowid"].to_numpy())] = False
    found = snapshot.nearest(_direction(vectors, name)[None], k, mask)[0]
    return hits(snapshot, [places(found, "vector")])[0]


def _vectors(snapshot: Snapshot, name: str) -> tuple[str, Vectors]:
    """The document's id and ``(n, dim)`` vectors of what was named."""
    for column in (DOCUMENT, ID):
        table = snapshot.store.scan([DOCUMENT, VECTOR], condition=any_of(column, [name]))
        if table.num_rows:
            cells = table[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return str(table[DOCUMENT][0].as_py()), cells.reshape(table.num_rows, -1)
    raise DocumentNotFoundError(f"There is no document {name!r} in the index.", "Name one that a search gives.")


def _direction(vectors: Vectors, name: str) -> Vectors:
    total = unit(vectors).sum(axis=0)
    length = float(np.linalg.norm(total))
    if not np.isfinite(length) or length < 1e-6:
        raise UsageError(f"The vectors of {name!r} have no direction.", "Ask with a text instead.")
    direction: Vectors = (total / length).astype(np.float32)
    return direction
