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
from vecloom.search.exact import Ids, Mask, top_k
from vecloom.search.results import AnnInfo

BuildProgress: TypeAlias = Callable[[int, int], None]
"""Called with how many rows are in the graph and how many there will be."""

ANN_FROM = 50_000  # rows; below, exact search takes less than 6 ms
AIM = 0.95  # recall@10
TOP = 10
CONNECTIVITY = 16
EXPANSION_ADD = 128
STEPS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
LEAST = 1000  # rows; a smaller graph is never faster than comparing all
SAMPLE = 500  # queries; the standard error of a recall of 0.95 is then below 0.005
_ADD_AT_ONCE = 8192


def build(
    vectors: Vectors, graph: Any | None = None, known: AnnInfo | None = None, progress: BuildProgress | None = None
) -> tuple[Any, AnnInfo]:
    """Put rows into a graph and measure it.

    A sample of the new rows is held back, asked as queries that the graph has not seen, and put in last: rows that are
    in a graph find each other too easily (0.95 measured on them was 0.90 on new queries).

    Args:
        vectors: ``(rows, dim)``, unit length; the row number is the key.
        graph: a graph over the first of these rows that goes on growing; a new one where None.
        known: what was measured of ``graph``; its expansion is kept where the new rows would do with less.
        progress: called as rows are added.
    """
    graph = graph if graph is not None else _new(vectors.shape[1])
    new = np.arange(len(graph), len(vectors))
    held_back = np.random.default_rng(0).choice(new, min(SAMPLE, (len(new) + 1) // 2), replace=False)
    kept = np.setdiff1d(new, held_back)
    _insert(graph, vectors, kept, len(vectors), progress)
    inside = np.ones(len(vectors), dtype=bool)
    inside[held_back] = False
    expansion, recall = tune(graph, vectors, np.sort(held_back), inside, known.expansion if known else 0)
    _insert(graph, vectors, np.sort(held_back), len(vectors), progress)
    return graph, AnnInfo(len(vectors), round(recall, 4), expansion, CONNECTIVITY, len(held_back))


def _new(dim: int) -> Any:
    from usearch.index import Index

    return Index(ndim=dim, metric="ip", dtype="f16", connectivity=CONNECTIVITY, expansion_add=EXPANSION_ADD)


def _insert(graph: Any, vectors: Vectors, rows: Ids, total: int, progress: BuildProgress | None) -> None:
    for start in range(0, len(rows), _ADD_AT_ONCE):
        part = rows[start : start + _ADD_AT_ONCE]
        graph.add(part.astype(np.uint64), np.ascontiguousarray(vectors[part]), threads=_cores())
        if progress is not None:
            progress(len(graph), total)


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


def tune(graph: Any, vectors: Vectors, queries: Ids, inside: Mask, least: int = 0) -> tuple[int, float]:
    """The smallest expansion at which recall@10 reaches ``AIM``, and the recall there.

    The aim is met when the mean less one standard error meets it.

    Args:
        graph: over the rows that are ``inside``.
        vectors: ``(rows, dim)``.
        queries: rows that are not in the graph.
        inside: ``(rows,)``, True where a row is in the graph.
        least: the first expansion to try.
    """
    asked = np.ascontiguousarray(vectors[queries])
    truth = [ids for ids, _ in top_k(asked, vectors, TOP, inside)]
    expansion, recall = least, 0.0
    for expansion in sorted({step for step in STEPS if step >= least} | ({least} if least else set())):
        graph.expansion_search = expansion
        found = [walk(graph, query, TOP) for query in asked]
        shares = [len(np.intersect1d(f, t)) / max(1, len(t)) for f, t in zip(found, truth, strict=True)]
        recall = float(np.mean(shares))
        if recall - float(np.std(shares)) / len(shares) ** 0.5 >= AIM:
            break
    return expansion, recall


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
