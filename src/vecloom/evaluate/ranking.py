"""The best documents for each query by blocked products, of dense and of sparse vectors, in bounded memory.

Shapes: queries ``(m, d)``, documents ``(n, d)``; scores are dot products, the cosine where vectors have length 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 64 << 20  # scores held at a time

Ranked = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def ranked(queries: Any, documents: Any, k: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Ranked]:
    """For each query the positions and scores of its ``k`` best documents, best first.

    Equal scores come in order of position, also at the border of ``k``.

    Args:
        queries: ``(m, d)``, an array or a SciPy CSR matrix.
        documents: ``(n, d)``, likewise.
        k: how many; fewer where there are fewer documents.
        block_bytes: how much memory the scores may take at a time.
    """
    step = max(1, block_bytes // (4 * max(1, documents.shape[0])))
    for start in range(0, queries.shape[0], step):
        scores = product(queries[start : start + step], documents)
        yield from (best(row, k) for row in scores)


def best(scores: npt.NDArray[np.float32], k: int) -> Ranked:
    """Positions and values of the ``k`` largest of ``(n,)`` scores, best first, equal ones in order of position."""
    count = len(scores)
    candidates = np.arange(count)
    if k < count:
        border = scores[np.argpartition(scores, count - k)[count - k :]].min()
        candidates = np.flatnonzero(scores >= border)
    chosen = candidates[np.argsort(-scores[candidates], kind="stable")][:k]
    return chosen, scores[chosen]


def product(queries: Any, documents: Any) -> npt.NDArray[np.float32]:
    """All dot products, float32 ``(m, n)``."""
    found = queries @ documents.T
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float32)


def among(query: Any, documents: Any, rows: Sequence[int]) -> npt.NDArray[np.float32]:
    """Scores of one query ``(1, d)`` with some documents: ``(len(rows),)``."""
    scores: npt.NDArray[np.float32] = product(query, documents[rows])[0]
    return scores
