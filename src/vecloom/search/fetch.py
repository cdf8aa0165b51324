"""Rows as they are stored: a whole document, and chosen columns of rows by their place."""

from __future__ import annotations

from collections.abc import Sequence

from vecloom.errors import DocumentNotFoundError
from vecloom.search.query import Place, hits
from vecloom.search.results import Hit
from vecloom.search.schema import DOCUMENT, POSITION
from vecloom.search.snapshot import Snapshot
from vecloom.search.store import any_of


def document(snapshot: Snapshot, name: str) -> list[Hit]:
    """All chunks of a document in their order; their score is 0.

    Raises:
        DocumentNotFoundError: there is no such document.
    """
    table = snapshot.store.scan([POSITION], condition=any_of(DOCUMENT, [name]), row_ids=True)
    if not table.num_rows:
        raise DocumentNotFoundError(f"There is no document {name!r} in the index.", "Name one that a search gives.")
    places = snapshot.offsets_of(table["_rowid"].to_numpy()).tolist()
    order = sorted(range(len(places)), key=lambda row: table[POSITION][row].as_py())
    return rows(snapshot, [places[row] for row in order])


def rows(snapshot: Snapshot, offsets: Sequence[int]) -> list[Hit]:
    """Rows by their place in the table's order; offsets that are not there are left out. Their score is 0."""
    kept = [offset for offset in offsets if 0 <= offset < snapshot.rows]
    return hits(snapshot, [[Place(offset, 0.0) for offset in kept]])[0] if kept else []
