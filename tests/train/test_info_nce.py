import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.fakes import random_unit

from vecloom.train.losses.info_nce import info_nce, products, unit

H = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
H_PLUS = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
QUEUE = torch.tensor([[0.8, 0.6]])
DIAGONAL = torch.arange(2)


def test_two_anchors_and_a_queue_of_one_as_worked_by_hand():
    # tau = .5. Scores/tau: row 1 [2.0, 1.2 | 1.6], row 2 [0.0, 1.6 | 1.2].
    # Row 1: ln(e^2 + e^1.2 + e^1.6) - 2 = ln(15.662206) - 2 = .751251
    # Row 2: ln(1 + e^1.6 + e^1.2) - 1.6 = ln(9.273149) - 1.6 = .627123
    found = info_nce(products(H, H_PLUS), DIAGONAL, temperature=0.5, queue=products(H, QUEUE))
    assert found.tolist() == pytest.approx([0.751251, 0.627123], abs=1e-6)
    assert float(found.mean()) == pytest.approx(0.689187, abs=1e-6)


def test_an_empty_queue_gives_the_plain_loss():
    # Row 1: ln(e^2 + e^1.2) - 2 = ln(1 + e^-.8) = .371101; row 2: ln(1 + e^-1.6) = .183901
    found = info_nce(products(H, H_PLUS), DIAGONAL, temperature=0.5, queue=torch.zeros(2, 0))
    assert found.tolist() == pytest.approx([0.371101, 0.183901], abs=1e-6)


def test_hard_negatives_count_as_columns():
    # q = [[1,0],[0,1]], p = [[1,0],[.6,.8]], n = [[.8,.6],[1,0]], tau = 1. Row 1: scores 1, .6, .8, 1;
    # row 2: 0, .8, .6, 0. ln(2e + e^.6 + e^.8) - 1 = 1.249606; ln(2 + e^.8 + e^.6) - .8 = .999693 (to 1e-6: mean 1.124650)
    candidates = torch.cat([H_PLUS, torch.tensor([[0.8, 0.6], [1.0, 0.0]])])
    for temperature, expected in ((1.0, 1.124650), (0.05, 0.360290), (0.02, 0.346608)):
        found = info_nce(products(H, candidates), DIAGONAL, temperature=temperature)
        assert float(found.mean()) == pytest.approx(expected, abs=1e-6)


def test_own_hard_negatives_alone():
    # As above without the other row's texts: row 1 ln(1 + e^(-.2/tau)), row 2 ln(1 + e^(-.8/tau)).
    candidates = torch.cat([H_PLUS, torch.tensor([[0.8, 0.6], [1.0, 0.0]])])
    drop = ~torch.eye(2, dtype=torch.bool).repeat(1, 2)
    for temperature, expected in ((1.0, 0.484620), (0.05, 0.009075)):
        found = info_nce(products(H, candidates), DIAGONAL, temperature=temperature, drop=drop)
        assert float(found.mean()) == pytest.approx(expected, abs=1e-6)


def test_two_equal_pairs_cannot_fall_below_ln_2_in_batch():
    # All four vectors equal: each row has two candidates of cosine 1, so the loss is ln 2 at every temperature.
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(info_nce(products(same, same), DIAGONAL, temperature=0.05).mean()) == pytest.approx(math.log(2))


def test_a_row_without_negatives_loses_exactly_nothing():
    drop = torch.ones(2, 2, dtype=torch.bool)
    assert info_nce(products(H, H_PLUS), DIAGONAL, temperature=0.01, drop=drop).tolist() == [0.0, 0.0]


def test_a_weight_of_two_counts_a_negative_twice():
    weights = torch.tensor([[0.0, math.log(2)], [math.log(2), 0.0]])
    once = info_nce(products(H, H_PLUS), DIAGONAL, temperature=0.5, log_weights=weights)
    twice = info_nce(torch.cat([products(H, H_PLUS)] * 2, 1), DIAGONAL, temperature=0.5, drop=_second_positive())
    assert once.tolist() == pytest.approx(twice.tolist(), abs=1e-6)


def _second_positive() -> torch.Tensor:
    return torch.tensor([[False, False, True, False], [False, False, False, True]])


def test_the_positive_has_no_weight():
    loud = torch.full((2, 2), 5.0)
    quiet = loud.clone().fill_diagonal_(0)
    scores = products(H, H_PLUS)
    left, right = (info_nce(scores, DIAGONAL, temperature=0.5, log_weights=w) for w in (loud, quiet))
    assert left.tolist() == right.tolist()


@settings(deadline=None, max_examples=30)
@given(n=st.integers(2, 8), k=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_the_order_of_the_queue_does_not_matter(n, k, seed):
    anchors, queue = random_unit(n, 5, seed), random_unit(k, 5, seed + 1)
    scores, targets = products(anchors, random_unit(n, 5, seed + 2)), torch.arange(n)
    one = info_nce(scores, targets, temperature=0.05, queue=products(anchors, queue))
    other = info_nce(scores, targets, temperature=0.05, queue=products(anchors, queue.flip(0)))
    np.testing.assert_allclose(one, other, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_a_queue_vector_nearer_to_the_anchor_raises_its_loss(seed):
    anchors, far = random_unit(3, 5, seed), random_unit(2, 5, seed + 1)
    near = far.clone()
    near[0] = torch.nn.functional.normalize(far[0] + anchors[0], dim=0)
    scores = products(anchors, random_unit(3, 5, seed + 2))
    before, after = (
        info_nce(scores, torch.arange(3), temperature=0.5, queue=products(anchors, queue)) for queue in (far, near)
    )
    assert after[0] > before[0]


def test_scores_are_float32_under_autocast():
    vectors = torch.randn(4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert unit(vectors.bfloat16()).dtype == torch.float32
        assert products(unit(vectors), unit(vectors)).dtype == torch.float32


def test_the_gradient_is_the_softmax_less_the_truth():
    # dL/ds_ij = (softmax_ij - [j = t]) / tau, for each row alone.
    scores = products(H, H_PLUS).requires_grad_()
    info_nce(scores, DIAGONAL, temperature=0.5).sum().backward()
    expected = ((scores / 0.5).softmax(1) - torch.eye(2)) / 0.5
    torch.testing.assert_close(scores.grad, expected.detach(), atol=1e-6, rtol=0)
