import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.search.fusion import reciprocal_rank_fusion

ranked = st.lists(st.integers(0, 50), unique=True, max_size=20)


def test_scores_are_sums_of_reciprocal_ranks():
    # 7: 1/61 + 1/62 = 0.0163934 + 0.0161290; 9: 1/62 + 1/61, the same; 5: 1/63 alone = 0.0158730
    fused = reciprocal_rank_fusion([[7, 9, 5], [9, 7]])
    assert dict(fused) == pytest.approx({7: 0.0325225, 9: 0.0325225, 5: 0.0158730}, abs=1e-7)


def test_equal_scores_go_to_the_one_that_is_better_in_the_first_list():
    assert [item for item, _ in reciprocal_rank_fusion([[7, 9], [9, 7]])] == [7, 9]


def test_rows_of_one_list_only_take_turns():
    # 1/61 each for 1 and 3, 1/62 each for 2 and 4; the first list's come first
    assert [item for item, _ in reciprocal_rank_fusion([[1, 2], [3, 4]])] == [1, 3, 2, 4]


@given(st.lists(ranked, max_size=3))
def test_everything_comes_once_and_scores_fall(lists):
    fused = reciprocal_rank_fusion(lists)
    assert sorted(item for item, _ in fused) == sorted({item for one in lists for item in one})
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)


@given(ranked)
def test_one_list_keeps_its_order(one):
    assert [item for item, _ in reciprocal_rank_fusion([one])] == one
