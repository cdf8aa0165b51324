"""Blocked top-k against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from vecloom.evaluate.ranking import best, ranked


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 40), st.integers(1, 400), st.integers(0, 99))
def test_any_block_size_gives_the_ranking_of_a_full_sort(m: int, n: int, k: int, block: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    queries, documents = (random.integers(-2, 3, (rows, 4)).astype(np.float32) for rows in (m, n))  # many ties
    expected = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :k]
    for kind in (np.asarray, csr_matrix):
        found = list(ranked(kind(queries), kind(documents), k, block_bytes=block))
        assert [places.tolist() for places, _ in found] == expected.tolist()


def test_ties_at_the_border_go_to_the_first() -> None:
    places, scores = best(np.array([1, 3, 1, 1, 2], np.float32), 3)
    assert places.tolist() == [1, 4, 0]
    assert scores.tolist() == pytest.approx([3, 2, 1])
