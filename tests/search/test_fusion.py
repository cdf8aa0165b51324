import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.search.fusion import fuse, reciprocal_rank_fusion

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


def scored(**scores):
    names = list(scores)
    return np.array([ord(name) for name in names]), np.array(list(scores.values()), np.float32)


def order(fused):
    return [chr(item) for item, _ in fused]


def test_fused_scores_are_weighted_deviations():
    # vectors 0.9 0.5 0.1: mean 0.5, deviation 0.3266; best (0.9 - 0.5) / 0.3266 = 1.2247
    # words 9 5 1: the same shape, so best over best is 1: full say (>= 0.9). In common: a and b, enough. Weight 1.25.
    # above last: first 0.8 / 0.3266 = 2.4495, second 1.2247, third 0
    fused = dict(fuse(scored(a=0.9, b=0.5, c=0.1), scored(b=9, a=5, d=1)))
    assert fused == pytest.approx(
        {ord("a"): 1.25 * 2.4495 + 1.2247, ord("b"): 1.25 * 1.2247 + 2.4495, ord("c"): 0, ord("d"): 0}, abs=1e-3
    )


def test_a_word_that_few_texts_hold_stands_out_the_more():
    vectors = scored(**{chr(97 + n): 0.5 - 0.01 * n for n in range(20)})
    assert order(fuse(vectors, scored(t=3.0)))[0] == "t"
    # words 3 and 19 times 0: mean 0.15, deviation 0.6538; 3 / 0.6538 = 4.5883
    assert dict(fuse(vectors, scored(T=3.0)))[ord("T")] == pytest.approx(4.5883, abs=1e-3)


def test_the_less_a_model_reads_the_less_it_says():
    vectors, by_word = scored(x=0.9, a=0.5, b=0.3, c=0.2), scored(a=9, b=8, c=2, x=1)
    well, badly = (dict(fuse(vectors, by_word, familiar))[ord("x")] for familiar in (1.0, 0.0))
    assert well == pytest.approx(5 * badly, abs=1e-3)  # 1.25 against 0.25; its words are the last and say nothing


def test_a_word_list_that_stands_out_outweighs_flat_vectors():
    flat = {chr(97 + n): 0.5 - 0.001 * n for n in range(20)}
    words = {"t": 30.0, **{chr(65 + n): 2.0 - 0.01 * n for n in range(20)}}
    assert order(fuse(scored(**flat), scored(**words)))[0] == "t"


def test_one_empty_list_leaves_the_other_as_it_is():
    nothing = (np.empty(0, np.int64), np.empty(0, np.float32))
    assert order(fuse(scored(a=0.9, b=0.5), nothing)) == ["a", "b"]
    assert order(fuse(nothing, scored(a=9, b=5))) == ["a", "b"]
    assert fuse(nothing, nothing) == []


@given(
    st.lists(st.floats(-1, 1, width=32), max_size=150),
    st.lists(st.floats(0, 50, width=32), max_size=150),
    st.floats(0, 1),
)
def test_everything_that_is_ranked_comes_once_in_falling_order(cosines, weights, familiar):
    lists = [
        (np.arange(start, start + len(one)), np.sort(np.array(one, np.float32))[::-1])
        for start, one in ((0, cosines), (75, weights))
    ]
    fused = fuse(*lists, familiar)
    assert sorted(item for item, _ in fused) == sorted({*lists[0][0].tolist(), *lists[1][0].tolist()})
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(np.isfinite(scores))
