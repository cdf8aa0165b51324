import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.runtime import batching
from vecloom.runtime.batching import batches, best_rows, fill, pack, pool_weights

TOKEN_LISTS = st.lists(st.lists(st.integers(1, 30_000), min_size=1, max_size=300), min_size=1, max_size=40)


def test_two_texts_in_one_row_by_hand():
    batch = fill([[7, 8, 9], [5, 6]], [[0, 1]], row_length=6, pooling="mean")
    assert batch.input_ids.tolist() == [[7, 8, 9, 5, 6, 0]]
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1, 0]]
    assert batch.segments.tolist() == [[1, 1, 1, 2, 2, 0]]
    assert batch.pool.tolist() == [[[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0]]]
    assert batch.scale.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("pooling", "weights", "scale"),
    [
        ("mean", [1, 1, 1], [3]),
        ("cls", [1, 0, 0], [1]),
        ("lasttoken", [0, 0, 1], [1]),
        ("weightedmean", [1, 2, 3], [6]),
        ("mean_sqrt_len_tokens", [1, 1, 1], [3**0.5]),
        ("max", [1, 1, 1], [1]),
    ],
)
def test_pool_weights_of_three_tokens_by_hand(pooling, weights, scale):
    found, divisor = pool_weights(np.arange(3), np.array([3]), pooling)
    assert found.tolist() == weights
    assert divisor == pytest.approx(scale)


def test_a_prompt_is_left_out_of_the_mean_but_never_the_whole_text():
    weights, scale = pool_weights(np.array([0, 1, 2, 3, 0]), np.array([4, 1]), "mean", skip=2)
    assert weights.tolist() == [0, 0, 1, 1, 1]
    assert scale.tolist() == [2, 1]


def test_packing_fills_rows_with_the_longest_that_fit_then_the_shortest():
    # 6 goes first; 4 does not fit beside it in 8, but 2 does. Then 4 with 3.
    assert pack(np.array([6, 4, 3, 2]), 8) == [[0, 3], [1, 2]]


def test_equal_texts_of_40_tokens_get_rows_of_40_or_80_not_of_64():
    length, rows = best_rows(np.full(64, 40))
    assert length % 40 == 0 or length == 48
    assert sum(map(len, rows)) == 64


@given(TOKEN_LISTS, st.booleans(), st.integers(1, 4), st.sampled_from(batching.POOLINGS))
def test_every_text_lies_whole_in_exactly_one_batch(tokens, packing, parallel, pooling):
    packing = packing and pooling != "max"
    seen = []
    for batch in batches(tokens, pooling=pooling, packing=packing, parallel=parallel):
        assert batch.input_ids.shape == batch.segments.shape == batch.positions.shape
        assert batch.pool.shape == (batch.input_ids.shape[0], batch.slots.max() + 1, batch.input_ids.shape[1])
        if not packing:
            assert batch.slots.max() == 0
        for item, row, slot in zip(batch.items, batch.rows, batch.slots, strict=True):
            own = batch.segments[row] == slot + 1
            assert batch.input_ids[row][own].tolist() == tokens[item]
            assert batch.positions[row][own].tolist() == list(range(len(tokens[item])))
            assert not batch.pool[row, slot][~own].any()
        seen.extend(batch.items.tolist())
    assert sorted(seen) == list(range(len(tokens)))


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_no_row_overflows(lengths):
    rows = pack(np.array(lengths), 64)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(sum(lengths[item] for item in row) <= 64 for row in rows)


@given(TOKEN_LISTS)
def test_batches_stay_under_the_budget(tokens):
    for batch in batches(tokens, pooling="mean", packing=True, cells=1024):
        assert batch.cells <= max(2 * 1024, batch.input_ids.shape[1])
