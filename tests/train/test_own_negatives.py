import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train import toys
from tests.train.fakes import Table, column, columns, random_unit

from vecloom import train
from vecloom.errors import UsageError
from vecloom.train.losses import LossContext, OwnNegativesLoss, make_loss

Q = [[1.0, 0.0], [0.0, 1.0]]
P = [[1.0, 0.0], [0.6, 0.8]]
N = [[0.8, 0.6], [1.0, 0.0]]


def value(temperature, *given, in_batch=False):
    loss = make_loss(Table(), "mnr", {"temperature": temperature, "in_batch": in_batch})
    return loss(columns(*given), None).item()


def test_two_rows_as_worked_by_hand():
    # Row 1: cosines 1 and .8, so ln(1 + e^(-.2/tau)); row 2: .8 and 0, so ln(1 + e^(-.8/tau)). tau = 1: .598139, .371101.
    for temperature, own, batch in ((1.0, 0.484620, 1.124650), (0.05, 0.009075, 0.360290), (0.02, 2.27e-5, 0.346608)):
        assert value(temperature, Q, P, N) == pytest.approx(own, abs=1e-6)
        assert value(temperature, Q, P, N, in_batch=True) == pytest.approx(batch, abs=1e-6)


def test_two_pairs_of_one_class_cost_nothing_without_the_batch_and_ln_2_with_it():
    same, other = [[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2
    assert value(0.05, same, same, other) == pytest.approx(0.0, abs=1e-8)
    assert value(0.05, same, same, other, in_batch=True) == pytest.approx(math.log(2), abs=1e-6)


def test_the_gradient_as_worked_by_hand():
    # dL/ds = (softmax - [positive]) / tau / rows. Row 1 at tau 1: 1 / (1 + e^.2) = .450166 for the negative, -.450166 for the
    # positive. dL/dq = .5 * (.450166 n - .450166 p), less its part along q (lengths are 1): only the second dimension is left,
    # .5 * .450166 * .6 = .135050. Row 2: 1 / (1 + e^.8) = .310026; .5 * .310026 * (n - p) = (.062005, -.124010), and the first
    # dimension is left.
    given = columns(Q, P, N)
    OwnNegativesLoss(Table(), temperature=1.0)(given).backward()
    expected = torch.tensor([[0.0, 0.135050], [0.062005, 0.0]])
    torch.testing.assert_close(given[0]["vectors"].grad, expected, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 5), k=st.integers(1, 3))
def test_a_row_does_not_depend_on_the_others(seed, n, k):
    given = [random_unit(n, 4, seed + place) for place in range(k + 2)]
    loss = OwnNegativesLoss(Table(4), 0.1)
    alone = [loss(columns(*[each[row : row + 1] for each in given])).item() for row in range(n)]
    assert loss(columns(*given)).item() == pytest.approx(sum(alone) / n, abs=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_order_and_the_length_of_vectors_do_not_matter(seed):
    q, p, first, second = (random_unit(3, 4, seed + place) for place in range(4))
    plain = value(0.1, q, p, first, second)
    assert value(0.1, q, 3 * p, second, 0.5 * first) == pytest.approx(plain, abs=1e-5)


def test_gradient_caching_gives_the_same_loss_and_gradient():
    made = [random_unit(5, 4, place) for place in range(3)]
    plain, cached = columns(*made), columns(*made)
    model = Table(4)
    first = OwnNegativesLoss(model, 0.1)(plain)
    first.backward()
    second = make_loss(model, "mnr", {"temperature": 0.1, "in_batch": False}, LossContext(mini_batch_size=2))(cached)
    second.backward()
    assert first.item() == pytest.approx(second.item(), abs=1e-6)
    for one, other in zip(plain, cached, strict=True):
        torch.testing.assert_close(one["vectors"].grad, other["vectors"].grad)


def test_rows_without_negatives_are_refused():
    with pytest.raises(UsageError, match="needs negatives of each row's own"):
        OwnNegativesLoss(Table())([column(Q, 1), column(P, 3)])
    with pytest.raises(UsageError, match="symmetric needs the batch"):
        make_loss(Table(), "mnr", {"in_batch": False, "symmetric": True})


def test_a_recipe_says_before_it_trains_that_pairs_do_not_do(tmp_path):
    toys.model(tmp_path)
    toys.pairs(tmp_path / "pairs.jsonl")
    with pytest.raises(UsageError, match="takes triplets, and 'pairs' is pairs"):
        train.run(toys.recipe(tmp_path, loss={"name": "mnr", "in_batch": False}))
