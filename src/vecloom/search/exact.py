"""Exact nearest neighbours by blocked matrix products.

Shapes: queries ``(m, d)``, rows ``(n, d)``, both float32 with unit length, so that the product is the cosine.
Use it below some ten thousand rows, with selective filters, and as the truth that approximate search is measured by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

BLOCK_BYTES = 64 << 20  # scores held at a time: large enough for BLAS, small enough for a laptop


def best(scores: Scores, k: int) -> Ids:
    """Positions of the ``k`` largest of ``(n,)`` scores, best first; equal scores in order of position."""
    n = len(scores)
    if k < n:
        threshold = scores[np.argpartition(scores, n - k)[n - k :]].min()
        # All that reach the threshold: ties at the border fall to the smaller position, whatever the partition did.
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(n)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]


def top_k(queries: Vectors, rows: Vectors, k: int, allowed: Mask | None = None) -> list[tuple[Ids, Scores]]:
    """The ``k`` nearest rows to each query.

    Args:
        queries: ``(m, d)``.
        rows: ``(n, d)``.
        k: how many; fewer come back where fewer rows are allowed.
        allowed: ``(n,)``, True where a row may be found; all where None.

    Returns:
        For each query the positions and cosines, best first.
    """
    chosen = None if allowed is None else np.flatnonzero(allowed)
    if chosen is not None and len(chosen) * 4 < len(rows):
        # Few rows: copying them costs less than multiplying all.
        found = top_k(queries, rows[chosen], k)
        return [(chosen[ids], scores) for ids, scores in found]
    step = max(1, BLOCK_BYTES // (4 * max(1, len(rows))))
    answers: list[tuple[Ids, Scores]] = []
    for start in range(0, len(queries), step):
        products = _products(queries[start : start + step], rows)
        answers.extend(_pick(scores, k, allowed) for scores in products)
    return answers


def _products(queries: Vectors, rows: Vectors) -> Vectors:
    if len(queries) == 1:  # matrix-vector streams the rows once; the general product would pack them first
        product: Vectors = (rows @ queries[0])[None, :]
    else:
        product = queries @ rows.T
    return product


def _pick(scores: Scores, k: int, allowed: Mask | None) -> tuple[Ids, Scores]:
    if allowed is not None:
        scores = np.where(allowed, scores, np.float32(-np.inf))
        k = min(k, int(allowed.sum()))
    ids = best(scores, k) if k else np.empty(0, np.int64)
    return ids, scores[ids]


def unit(vectors: Vectors) -> Vectors:
    """Scale ``(n, d)`` rows to length 1; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
