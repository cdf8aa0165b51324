import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.search import exact
from vecloom.search.exact import best, top_k, unit


def test_nearest_by_cosine():
    # cosines of (1, 0) with the rows: 0.6, 1, 0, -1
    rows = np.array([[0.6, 0.8], [1, 0], [0, 1], [-1, 0]], np.float32)
    ((ids, scores),) = top_k(np.array([[1, 0]], np.float32), rows, 2)
    assert ids.tolist() == [1, 0]
    assert scores == pytest.approx([1.0, 0.6])


def test_ties_go_to_the_smaller_position_whatever_k_is():
    scores = np.array([0.5, 0.9, 0.5, 0.5, 0.9], np.float32)
    assert [best(scores, k).tolist() for k in range(1, 6)] == [[1], [1, 4], [1, 4, 0], [1, 4, 0, 2], [1, 4, 0, 2, 3]]


@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans(), st.integers(1, 5))
def test_agrees_with_a_full_sort(seed, k, masked, queries):
    rng = np.random.default_rng(seed)
    rows = unit(rng.standard_normal((40, 6)).astype(np.float32))
    asked = unit(rng.standard_normal((queries, 6)).astype(np.float32))
    allowed = rng.random(40) < rng.random() if masked else None
    for query, (ids, scores) in zip(asked, top_k(asked, rows, k, allowed), strict=True):
        truth = [row for row in np.argsort(-(rows @ query), kind="stable") if allowed is None or allowed[row]][:k]
        assert scores == pytest.approx(rows[truth] @ query, abs=1e-6)
        assert len(set(ids.tolist())) == len(ids)
        assert allowed is None or allowed[ids].all()


def test_blocks_of_queries_do_not_change_the_answer(monkeypatch):
    rng = np.random.default_rng(0)
    rows, asked = rng.standard_normal((50, 4)).astype(np.float32), rng.standard_normal((9, 4)).astype(np.float32)
    whole = top_k(asked, rows, 3)
    monkeypatch.setattr(exact, "BLOCK_BYTES", 4 * 50 * 2)  # two queries at a time
    assert [ids.tolist() for ids, _ in top_k(asked, rows, 3)] == [ids.tolist() for ids, _ in whole]


def test_zero_rows_stay_zero():
    assert unit(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]
