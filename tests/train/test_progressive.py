import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.fakes import Table, columns, random_unit

from vecloom.errors import UsageError
from vecloom.train.losses import LossContext, ProgressiveContrastive, make_loss
from vecloom.train.losses.progressive import negative_weights, presumed_noise, row_weights

THREE = torch.tensor([[0.2, 0.5, 0.8]])
NONE = torch.zeros(1, 3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0, [0.3333, 0.3333, 0.3333]),
        # e^2, e^5, e^8 over their sum 3136.76: .0024, .0473, .9503
        (10, [0.0024, 0.0473, 0.9503]),
        # e^4, e^10, e^16 over 8908192: 0, .0025, .9975
        (20, [0.0000, 0.0025, 0.9975]),
    ],
)
def test_harder_negatives_weigh_more_as_worked_by_hand(beta, expected):
    found = negative_weights(THREE, beta, NONE).exp()
    assert (found / 3).tolist()[0] == pytest.approx(expected, abs=1e-4)
    assert float(found.mean()) == pytest.approx(1, abs=1e-6)


def test_harder_rows_weigh_more_as_worked_by_hand():
    # d = [.1, .5, .9]. g = 1: 3 d / 1.5. g = 2: 3 x [.01, .25, .81] / 1.07.
    difficulty = torch.tensor([0.1, 0.5, 0.9])
    assert row_weights(difficulty, 1).tolist() == pytest.approx([0.2, 1.0, 1.8], abs=1e-6)
    assert row_weights(difficulty, 2).tolist() == pytest.approx([0.0280, 0.7009, 2.2710], abs=1e-4)
    assert row_weights(difficulty, 0).tolist() == [1, 1, 1]


def test_rows_of_presumed_noise_weigh_nothing_and_the_others_share_their_weight():
    noise = torch.tensor([False, False, True])
    # The first two: .1 and .5, scaled to the sum 3: x 3 / .6
    assert row_weights(torch.tensor([0.1, 0.5, 0.9]), 1, noise).tolist() == pytest.approx([0.5, 2.5, 0.0])


def test_solved_rows_still_have_weights_of_mean_one():
    assert row_weights(torch.zeros(4), 2).tolist() == [1, 1, 1, 1]


def test_noise_is_the_lowest_share_of_the_positives():
    positive = torch.linspace(1, 0, 40)
    assert presumed_noise(positive, 0.05).nonzero().squeeze(1).tolist() == [38, 39]
    assert not presumed_noise(positive, 0.0).any()


def test_what_is_no_negative_has_no_part_in_the_weights():
    drop = torch.tensor([[False, False, True]])
    found = negative_weights(THREE, 10, drop).exp()
    assert float(found[0, 2]) == 1.0
    assert float(found[0, :2].mean()) == pytest.approx(1, abs=1e-6)
    assert negative_weights(THREE, 10, ~NONE).tolist() == [[0, 0, 0]]


def test_at_the_start_it_is_plain_in_batch_contrast():
    a, p, n = (random_unit(8, 6, seed) for seed in range(3))
    batch = columns(a, p, n)
    plain = make_loss(Table(6), "mnr", {"temperature": 0.02})(columns(a, p, n), None)
    found = ProgressiveContrastive(Table(6), progress=lambda: 0.0)(batch)
    assert found.item() == pytest.approx(plain.item(), rel=1e-6)
    weighted = ProgressiveContrastive(Table(6), progress=lambda: 1.0)(columns(a, p, n))
    assert abs(weighted.item() - plain.item()) > 1e-3


def test_a_weighted_batch_as_worked_by_another_way():
    a, p = random_unit(6, 4, 0), random_unit(6, 4, 1)
    share, tau, gamma, beta = 0.5, 0.2, 2.0, 2.0
    batch = columns(a, p)
    found = ProgressiveContrastive(Table(4), tau, gamma, beta, 0.2, progress=lambda: share)(batch)
    found.backward()
    s = (a @ p.T).double().numpy()
    soft = np.exp(s / tau) / np.exp(s / tau).sum(1, keepdims=True)
    w = (1 - np.diag(soft)) ** (gamma * share)
    w[np.argsort(np.diag(s))[:1]] = 0  # int(.2 x 6) = 1 row
    w *= 6 / w.sum()
    v = np.exp(beta * share * s)
    np.fill_diagonal(v, 0)
    v *= 5 / v.sum(1, keepdims=True)
    e = np.exp(s / tau)
    denominator = np.diag(e) + (v * e).sum(1)
    assert found.item() == pytest.approx(float((w * (np.log(denominator) - np.diag(s) / tau)).mean()), abs=1e-5)
    # Weights and difficulties carry no gradient: dL/ds_ij = w_i / (6 tau) (v_ij e_ij / denominator - [i = j]),
    # and dL/da_i = sum_j dL/ds_ij p_j less its part along a_i, since vectors are scaled to length 1.
    q = v * e + np.diag(np.diag(e))
    ds = w[:, None] / (6 * tau) * (q / denominator[:, None] - np.eye(6))
    da = ds @ p.double().numpy()
    unit = a.double().numpy()
    da -= (da * unit).sum(1, keepdims=True) * unit
    np.testing.assert_allclose(batch[0]["vectors"].grad.numpy(), da, atol=1e-5)


@pytest.mark.parametrize(("place", "text"), [((1, 2), (1, 0)), ((1, 2), (0, 0)), ((2, 1), (1, 0))], ids=str)
def test_equal_texts_are_no_negatives(place, text):
    """A candidate equal to row 0's positive, or to its anchor, does not change row 0's loss when it comes nearer."""
    a, p, n = (random_unit(3, 4, seed) for seed in range(3))

    def losses(nearness: float) -> float:
        batch = columns(a, p, n)
        batch[place[0]]["input_ids"][place[1]] = batch[text[0]]["input_ids"][text[1]]
        vectors = batch[place[0]]["vectors"].detach().clone()
        vectors[place[1]] = nearness * a[0] + vectors[place[1]]
        batch[place[0]]["vectors"] = vectors
        loss = ProgressiveContrastive(Table(4), progress=lambda: 0.0)
        joined = _joined(batch)
        first = slice(0, 1)
        scores = loss.scores(joined.columns, first)
        return float(loss.row_losses(scores, loss.prepare(joined, loss.facts(batch)), first))

    assert losses(0) == pytest.approx(losses(5), abs=1e-6)


def test_the_positive_of_an_equal_anchor_is_no_negative():
    a, p = random_unit(3, 4, 0), random_unit(3, 4, 1)
    batch = columns(a, p)
    batch[0]["input_ids"][2] = batch[0]["input_ids"][0]
    loss = ProgressiveContrastive(Table(4), progress=lambda: 0.0)
    joined = _joined(batch)
    drop, _ = loss._dropped(loss.prepare(joined, loss.facts(batch)), slice(0, 3))
    assert drop.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def _joined(batch):
    from vecloom.train.losses.ranks import Joined

    return Joined([torch.nn.functional.normalize(part["vectors"].detach(), dim=-1) for part in batch], 0, 3, 1.0)


def test_wrong_pairs_weigh_less_than_right_ones():
    a = random_unit(40, 16, 0)
    p = torch.nn.functional.normalize(a + 0.3 * random_unit(40, 16, 1), dim=-1)
    p[:2] = -a[:2]  # two wrong pairs of 40: the lowest 5 %
    loss = ProgressiveContrastive(Table(16), noise_quantile=0.05, progress=lambda: 1.0)
    loss(columns(a, p))
    assert loss.weights[:2].tolist() == [0, 0]
    assert float(loss.weights.mean()) == pytest.approx(1)
    early = ProgressiveContrastive(Table(16), noise_quantile=0.05, progress=lambda: 0.1)
    early(columns(a, p))
    assert float(early.weights.min()) > 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), share=st.floats(0, 1), block=st.integers(1, 60))
def test_blocks_of_any_size_give_the_same_loss(seed, share, block):
    a, p, n = (random_unit(5, 4, seed + i) for i in range(3))
    loss = ProgressiveContrastive(Table(4), progress=lambda: share)
    whole = loss(columns(a, p, n)).item()
    loss.score_block = block
    assert loss(columns(a, p, n)).item() == pytest.approx(whole, rel=1e-5)


def test_the_callback_tells_how_far_training_is():
    loss = make_loss(Table(), "progressive")

    class State:
        global_step, max_steps = 30, 120

    loss.callbacks[0].on_step_begin(None, State, None)
    assert loss.progress() == 0.25
    told = make_loss(Table(), "progressive", None, LossContext(progress=lambda: 0.5))
    assert told.callbacks == []
    assert told.progress() == 0.5


def test_one_column_is_an_error():
    with pytest.raises(UsageError, match="only one column"):
        ProgressiveContrastive(Table())(columns(random_unit(2, 2, 0)))
