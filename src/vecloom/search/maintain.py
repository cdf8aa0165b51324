"""Keep what is derived from the table up to date: the vector file and the graph.

Called by the writer, under its lock, after the table was changed. Each step ends with a new ``index.json``; files that
it no longer names are removed afterwards. A kill between two steps costs the work since the last one, never a row.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

from vecloom.errors import from_os_error
from vecloom.search import ann, metadata
from vecloom.search import vectors as vector_file
from vecloom.search.ann import BuildProgress
from vecloom.search.metadata import Graph, Metadata, VectorFiles
from vecloom.search.schema import KEY
from vecloom.search.snapshot import read_vectors
from vecloom.search.store import Store
from vecloom.search.vectors import Keys, VectorFile

DEAD = 0.25  # share of deleted rows at which the vector file, and with it the graph, is made anew
BEHIND = 0.02  # share of rows outside the graph, compared one by one, at which they are put into it
BEHIND_LEAST = 1000  # fewer rows than that are compared in 0.1 ms


def update(
    folder: Path, store: Store, known: Metadata, *, build: bool = False, progress: BuildProgress | None = None
) -> Metadata:
    """Bring the vector file and, from ``ann.ANN_FROM`` rows on, the graph up to date.

    Args:
        folder: the index's folder.
        store: the table's newest version.
        known: the current ``index.json``.
        build: make the graph anew, also for fewer rows.
        progress: called while rows are put into the graph.
    """
    known = _update_vectors(folder, store, known)
    if known.vectors is not None:
        file = vector_file.open_vectors(folder / known.vectors.folder, known.vectors.rows, known.dim)
        known = _update_graph(folder, known, file, build, progress)
    known = replace(known, settled=store.version)
    metadata.write(folder, known)
    _remove_others(folder, known)
    return known


def _update_vectors(folder: Path, store: Store, known: Metadata) -> Metadata:
    keys = store.scan([KEY])[KEY].to_numpy()
    file = _open(folder, known)
    dead = int((vector_file.locate(file.keys, keys) < 0).sum())
    if known.vectors is None or dead > DEAD * len(file.keys) or not _follows(file, keys):
        name, start, above = f"vectors-{uuid.uuid4().hex[:12]}", 0, -1
        known = replace(known, graph=None)
    elif len(keys) and keys.max() > file.last_key:
        name, start, above = known.vectors.folder, known.vectors.rows, file.last_key
    else:
        return known
    rows = vector_file.append(folder / name, start, read_vectors(store, above, known.dim))
    known = replace(known, vectors=VectorFiles(name, rows))
    metadata.write(folder, known)
    return known


def _open(folder: Path, known: Metadata) -> VectorFile:
    if known.vectors is None:
        return vector_file.empty(known.dim)
    try:
        return vector_file.open_vectors(folder / known.vectors.folder, known.vectors.rows, known.dim)
    except FileNotFoundError:  # derived files may be removed by hand; they are made again
        return vector_file.empty(known.dim)


def _follows(file: VectorFile, keys: Keys) -> bool:
    """Whether the file is not empty while the table has older rows: those of a file that was lost."""
    return len(file.keys) > 0 or len(keys) == 0


def _update_graph(
    folder: Path, known: Metadata, file: VectorFile, build: bool, progress: BuildProgress | None
) -> Metadata:
    assert known.vectors is not None
    rows = len(file.keys)
    old = None if build else known.graph
    in_graph = old.ann.rows if old else 0
    if rows < ann.LEAST or (rows < ann.ANN_FROM and not build and known.graph is None):
        return known
    if old is not None and rows - in_graph <= max(BEHIND_LEAST, BEHIND * rows):
        return known
    place = folder / known.vectors.folder
    grown = ann.load(place / old.file, grow=True) if old and (place / old.file).is_file() else None
    graph, measured = ann.build(file.vectors, grown, old.ann if grown is not None and old else None, progress)
    name = f"graph-{uuid.uuid4().hex[:12]}.usearch"
    try:
        graph.save(str(place / name))
    except (OSError, RuntimeError) as error:
        (place / name).unlink(missing_ok=True)
        failed = error if isinstance(error, OSError) else OSError(0, str(error))
        raise from_os_error(failed, "writing the graph", place / name) from error
    known = replace(known, graph=Graph(name, measured))
    metadata.write(folder, known)
    return known


def _remove_others(folder: Path, known: Metadata) -> None:
    """Remove vector folders and graphs that ``index.json`` does not name; readers that mapped them keep them."""
    current = known.vectors.folder if known.vectors else ""
    for place in folder.glob("vectors-*"):
        if place.name != current:
            shutil.rmtree(place, ignore_errors=True)
    for file in (folder / current).glob("graph-*") if current else ():
        if known.graph is None or file.name != known.graph.file:
            file.unlink(missing_ok=True)
    for table in folder.glob("rows*.lance"):
        if table.name != known.table:
            shutil.rmtree(table, ignore_errors=True)
