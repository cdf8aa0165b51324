import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.extend import position_table as tables

OLD = np.array([[0, 0], [1, 2], [4, 8]], np.float32)


def test_grouped_positions_of_ten_tokens_over_four_rows():
    # s = ceil(10 / 4) = 3
    assert tables.grouped_ids(10, 4).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_recurrent_positions_of_ten_tokens_over_four_rows():
    assert tables.recurrent_ids(10, 4).tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_interpolated_rows_lie_halfway_and_the_last_repeats():
    # s = 2: (0,0), half of (0,0)+(1,2), (1,2), half of (1,2)+(4,8), (4,8), and no right neighbour
    expected = [[0, 0], [0.5, 1], [1, 2], [2.5, 5], [4, 8], [4, 8]]
    assert tables.interpolated(OLD, 6).tolist() == expected


def test_a_target_that_is_no_multiple_cuts_the_table():
    # s = ceil(5 / 3) = 2
    assert tables.interpolated(OLD, 5).tolist() == [[0, 0], [0.5, 1], [1, 2], [2.5, 5], [4, 8]]
    assert tables.grouped(OLD, 5).tolist() == [[0, 0], [0, 0], [1, 2], [1, 2], [4, 8]]


sizes = st.integers(2, 40).flatmap(lambda source: st.tuples(st.just(source), st.integers(source + 1, 8 * source)))


@given(sizes)
def test_anchors_of_an_interpolated_table_are_the_old_rows_to_the_bit(size):
    source, target = size
    table = np.random.default_rng(source).normal(size=(source, 3)).astype(np.float32)
    factor = tables.scaling_factor(source, target)
    kept = tables.interpolated(table, target)[::factor]
    assert (kept == table[: len(kept)]).all()


@given(sizes)
def test_a_recurrent_table_begins_with_the_old_one(size):
    source, target = size
    table = np.random.default_rng(source).normal(size=(source, 3)).astype(np.float32)
    assert (tables.recurrent(table, target)[:source] == table).all()


@given(sizes)
def test_grouped_positions_rise_by_steps_of_one_within_the_old_table(size):
    source, target = size
    ids = tables.grouped_ids(target, source)
    assert ids[0] == 0
    assert ids[-1] < source
    assert set(np.diff(ids).tolist()) <= {0, 1}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tables_keep_their_number_type(dtype):
    assert tables.interpolated(OLD.astype(dtype), 6).dtype == dtype
