"""Choosing texts for a benchmark: diverse ones of a class, and negatives that are hard for a query.

Source: BuiltBench (Shahinmoghadam and Motamedi, arXiv 2411.12056), its sampling code.

The paper's: the chain rule, disjoint sets, negatives by falling similarity, and the number of sets. Our addition: the
"farthest" rule (Gonzalez, 1985), which looks at all picked texts. The chain rule looks at the last one only, so it swings
between two ends of a class and is the less diverse; it stays the default because it is what the paper's sets are made with.

When to use it: to cut a large class down to a set that is not all near-copies. When not: where the set has to stand for the
class as it is; a random sample does that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors

Strategy: TypeAlias = Literal["chain", "farthest"]
Picker: TypeAlias = Callable[[Vectors, int, npt.NDArray[np.bool_], int], list[int]]
Numbers: TypeAlias = npt.NDArray[np.floating]


def chain(vectors: Vectors, first: int, free: npt.NDArray[np.bool_], samples: int) -> list[int]:
    """Pick ``first``, then again and again the free row least similar to the LAST picked one.

    Args:
        vectors: unit rows ``(n, dim)``.
        first: the row to begin with.
        free: ``(n,)``, rows that may be picked.
        samples: how many rows to pick; fewer where no more are free.
    """
    left = free.copy()
    left[first] = False
    picked = [first]
    while len(picked) < samples and left.any():
        similar = np.where(left, vectors @ vectors[picked[-1]], np.inf)
        picked.append(int(similar.argmin()))
        left[picked[-1]] = False
    return picked


def farthest(vectors: Vectors, first: int, free: npt.NDArray[np.bool_], samples: int) -> list[int]:
    """As ``chain``, but each next row is the one least similar to the most similar of ALL picked ones."""
    left = free.copy()
    left[first] = False
    picked = [first]
    nearest = vectors @ vectors[first]
    while len(picked) < samples and left.any():
        picked.append(int(np.where(left, nearest, np.inf).argmin()))
        left[picked[-1]] = False
        nearest = np.maximum(nearest, vectors @ vectors[picked[-1]])
    return picked


STRATEGIES: dict[Strategy, Picker] = {"chain": chain, "farthest": farthest}


def diverse_sample(
    vectors: Vectors, samples: int, sets: int, *, seed: int = 42, strategy: Strategy = "chain"
) -> list[list[int]]:
    """Disjoint sets of diverse rows, each begun with a random free row.

    Args:
        vectors: unit rows ``(n, dim)`` of the texts of one class.
        samples: rows of each set.
        sets: how many sets.
        seed: draws the first row of each set.
        strategy: a name in ``STRATEGIES``.

    Returns:
        ``sets`` lists of row numbers in the order of picking. When the rows run out, the last list is short and the
        ones after it are empty.
    """
    generator = np.random.default_rng(seed)
    free = np.ones(len(vectors), bool)
    picked: list[list[int]] = []
    for _ in range(sets):
        rows = np.flatnonzero(free)
        picked.append(STRATEGIES[strategy](vectors, int(generator.choice(rows)), free, samples) if len(rows) else [])
        free[picked[-1]] = False
    return picked


def set_count(relevant: int, positives: int = 7, most: int = 4) -> int:
    """How many reranking sets a query with ``relevant`` documents gives: none unless it has MORE than ``positives``."""
    return min(most, relevant // positives) if relevant > positives else 0


def negative_sets(similarities: Numbers, samples: int, sets: int) -> list[list[int]]:
    """Disjoint sets of the hardest negatives: each set takes the most similar documents that no set before it took.

    Args:
        similarities: of the query to each document that is not relevant, ``(n,)``.
        samples: documents of each set.
        sets: how many sets.

    Returns:
        ``sets`` lists of document numbers, the most similar first; short or empty where the documents run out.
    """
    order = np.argsort(-np.asarray(similarities), kind="stable")
    return [order[at : at + samples].tolist() for at in range(0, sets * samples, samples)]


def random_negative_sets(documents: int, samples: int, sets: int, seed: int = 42) -> list[list[int]]:
    """Disjoint sets of random documents; short or empty where the documents run out."""
    order = np.random.default_rng(seed).permutation(documents)
    return [order[at : at + samples].tolist() for at in range(0, sets * samples, samples)]
