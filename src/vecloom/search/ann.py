"""Approximate nearest neighbours: a graph over the vector file's rows, tuned by measurement.

Source: Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
World graphs", 2018, as implemented by usearch. ``M`` (``CONNECTIVITY``) and ef of construction (``EXPANSION_ADD``)
are usearch's defaults; ef of search is the smallest step at which recall@10, measured on rows of the data itself
against exact search, reaches ``AIM``. The graph holds float16 copies, and what it finds is scored again with the
float32 rows, so scores are exact and only membership is approximate.

Lance's own graph and inverted lists were measured first: 2.2 ms and more per query at 100,000 x 384, most of it
planning, where this takes 0.4 ms (``benchmarks/search.py``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.search.exact import Ids, top_k
from vecloom.search.results import AnnInfo

BuildProgress: TypeAlias = Callable[[int, int], None]
"""Called with how many rows are in the graph and how many there will be."""

ANN_FROM = 50_000  # rows; below, exact search takes less than 6 ms
AIM = 0.95  # recall@10
TOP = 10
CONNECTIVITY = 16
EXPANSION_ADD = 128
STEPS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
SAMPLE = 500  # queries; the standard error of a recall of 0.95 is then below 0.005
_ADD_AT_ONCE = 8192


def build(vectors: Vectors, graph: Any | None = None, progress: BuildProgress | None = None) -> Any:
    """Put rows into a graph.

    Args:
        vectors: ``(rows, dim)``, unit length; the row number is the key.
        graph: a graph over the first of these rows that goes on growing; a new one where None.
        progress: called as rows are added.
    """
    from usearch.index import Index

    if graph is None:
        graph = Index(
            ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=CONNECTIVITY, expansion_add=EXPANSION_ADD
        )
    for start in range(len(graph), len(vectors), _ADD_AT_ONCE):
        stop = min(start + _ADD_AT_ONCE, len(vectors))
        graph.add(np.arange(start, stop, dtype=np.uint64), np.ascontiguousarray(vectors[start:stop]), threads=_cores())
        if progress is not None:
            progress(stop, len(vectors))
    return graph


def load(file: Path, *, grow: bool = False) -> Any:
    """Open a graph: mapped for searching, or read into memory to ``grow``."""
    from usearch.index import Index

    if not file.is_file():
        raise FileNotFoundError(str(file))
    return Index.restore(str(file), view=not grow, expansion_add=EXPANSION_ADD)


def walk(graph: Any, query: Vectors, count: int) -> Ids:
    """Rows near one query ``(dim,)``, at most ``count``, best first by the graph's own distance."""
    found = graph.search(query, count, threads=1)
    return np.asarray(found.keys, dtype=np.int64)


def tune(graph: Any, vectors: Vectors) -> AnnInfo:
    """Set the graph's ``expansion_search`` to the smallest step that reaches ``AIM`` and say what was measured.

    The queries are rows of the data; each row's own entry does not count, it is found too easily.
    The aim is met when the mean less one standard error meets it.
    """
    rows = len(graph)
    sample = np.sort(np.random.default_rng(0).choice(rows, min(SAMPLE, rows), replace=False))
    queries = np.ascontiguousarray(vectors[sample])
    truth = [_others(ids, row) for (ids, _), row in zip(top_k(queries, vectors[:rows], TOP + 1), sample, strict=True)]
    recall = 0.0
    for expansion in STEPS:
        graph.expansion_search = expansion
        found = [_others(walk(graph, query, TOP + 1), row) for query, row in zip(queries, sample, strict=True)]
        shares = [len(np.intersect1d(f, t)) / max(1, len(t)) for f, t in zip(found, truth, strict=True)]
        recall = float(np.mean(shares))
        if recall - float(np.std(shares)) / len(shares) ** 0.5 >= AIM:
            break
    return AnnInfo(rows, round(recall, 4), expansion, CONNECTIVITY, len(sample))


def _others(ids: Ids, row: int) -> Ids:
    kept: Ids = ids[ids != row][:TOP]
    return kept


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
