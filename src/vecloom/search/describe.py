"""What is inside an index, counted from one version of it."""

from __future__ import annotations

from pathlib import Path

from vecloom.search import word_terms
from vecloom.search.results import IndexInfo
from vecloom.search.schema import KEY, POSITION, type_name
from vecloom.search.snapshot import Snapshot


def describe(folder: Path, snapshot: Snapshot) -> IndexInfo:
    """Counts, sizes, parameters and fields."""
    known = snapshot.metadata
    types = snapshot.store.dataset.schema
    fields = {name: type_name(types.field(column).type) for name, column in snapshot.store.fields.items()}
    documents = snapshot.store.scan([KEY], condition=f"`{POSITION}` = 0").num_rows
    return IndexInfo(
        path=str(folder),
        model=known.model,
        fingerprint=known.fingerprint,
        dim=known.dim,
        rows=snapshot.rows,
        documents=documents,
        size_bytes=folder_bytes(folder),
        kind="exact" if known.graph is None else "ann",
        ann=known.graph.ann if known.graph else None,
        unsearchable=snapshot.rows - snapshot.searchable,
        fields=fields,
        chunk_tokens=known.chunk_tokens,
        overlap=known.overlap,
        created=known.created,
        vecloom=known.vecloom,
        format=known.format,
        languages=known.languages,
        lacks="" if snapshot.store.has_terms else word_terms.LACKS,
    )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; files that a writer removes meanwhile count nothing."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
