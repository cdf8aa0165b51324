"""The hypernetwork's parts by hand, and what it must not depend on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.extend.zett.forms import as_array, form
from vecloom.extend.zett.losses import auxiliary_loss, distillation_loss, identity_loss
from vecloom.extend.zett.network import ProjectorBlock, Shape, fresh, rows_by_length

SHAPE = Shape(vocabulary=50, widths=(16,), bias=False, hidden=64, inner=128, layers=2, heads=1, length=4)


def table(vocabulary: int = 50, columns: int = 16, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(vocabulary, columns, generator=generator) + 0.05


def some_forms(count: int, seed: int = 0, length: int = 4, ids: int = 300) -> torch.Tensor:
    draw = np.random.default_rng(seed)
    forms = [tuple(draw.integers(0, ids, draw.integers(1, length + 1)).tolist()) for _ in range(count)]
    return torch.from_numpy(as_array(forms))


def gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def test_a_projector_block_by_hand():
    block = ProjectorBlock(2, 1)
    with torch.no_grad():
        block.first.weight.copy_(torch.tensor([[1.0, 2.0]]))
        block.first.bias.fill_(0.5)
        block.second.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        block.second.bias.zero_()
    inside = gelu(1 * 1.0 + 2 * -0.5 + 0.5)
    before = np.array([gelu(inside) + 1.0, gelu(-inside) - 0.5])
    wanted = (before - before.mean()) / np.sqrt(before.var() + 1e-6)
    assert block(torch.tensor([[1.0, -0.5]]))[0].tolist() == pytest.approx(wanted.tolist(), abs=1e-5)


def test_the_auxiliary_loss_divides_a_squared_distance_by_a_norm():
    # |(3,3) - (3,4)|^2 = 1, |(3,4)| = 5
    found = auxiliary_loss(torch.tensor([[3.0, 3.0]]), torch.tensor([[3.0, 4.0]]), [slice(0, 2)])
    assert found.item() == pytest.approx(0.2)


def test_losses_of_input_and_output_rows_are_averaged():
    rows = torch.tensor([[3.0, 4.0, 0.0, 2.0], [0.0, 5.0, 2.0, 0.0]])
    predicted = torch.tensor([[3.0, 3.0, 0.0, 2.0], [0.0, 5.0, 2.0, 3.0]])
    parts = [slice(0, 2), slice(2, 4)]
    # squared distances 1, 0 in the first table (mean .5) and 0, 9 in the second (mean 4.5); mean norms 5 and 2
    assert identity_loss(predicted, rows, parts).item() == pytest.approx((0.5 + 4.5) / 2)
    assert auxiliary_loss(predicted, rows, parts).item() == pytest.approx((0.5 / 5 + 4.5 / 2) / 2)


def test_distillation_is_one_minus_the_mean_cosine():
    vectors = torch.tensor([[1.0, 0.0], [3.0, 3.0]])
    wanted = torch.tensor([[2.0, 0.0], [0.0, 7.0]])
    assert distillation_loss(vectors, wanted).item() == pytest.approx(1 - (1 + math.sqrt(0.5)) / 2)


def test_a_long_form_is_cut_and_an_unknown_one_is_spelled_in_bytes():
    assert form((5, 6, 7), b"abc", 50, 2) == (5, 6)
    assert form((), "é".encode(), 50, 7) == (50 + 0xC3, 50 + 0xA9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.randoms())
def test_permuting_tokens_permutes_rows(seed, draw):
    network = fresh(SHAPE, table())
    forms = some_forms(12, seed)
    order = list(range(12))
    draw.shuffle(order)
    torch.testing.assert_close(network.predict(forms[order]), network.predict(forms)[order], rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_padding_does_not_change_a_row(seed):
    network = fresh(SHAPE, table())
    forms = some_forms(12, seed)
    with torch.no_grad():
        padded = network(forms)
        by_length = rows_by_length(network, forms)
    torch.testing.assert_close(by_length, padded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.predict(forms), padded, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(padded).all()


def test_the_order_of_pieces_matters():
    network = fresh(SHAPE, table())
    rows = network.predict(torch.tensor([[3, 9], [9, 3]]))
    assert (rows[0] - rows[1]).abs().max() > 0.01


@pytest.mark.parametrize("start", ["random", "least-squares"])
def test_scalings_give_predictions_the_mean_and_deviation_of_the_rows(start):
    rows = table(400)
    network = fresh(replace(SHAPE, vocabulary=400), rows, start=start)
    predicted = network.predict(torch.arange(400)[:, None])
    torch.testing.assert_close(predicted.mean(0), rows.mean(0), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(predicted.std(0), rows.std(0), rtol=1e-3, atol=1e-5)
    looked_up = rows * network.in_weight + network.in_bias
    torch.testing.assert_close(looked_up.std(0), torch.ones(16), rtol=1e-3, atol=1e-4)


def test_least_squares_begins_near_the_identity_and_random_weights_do_not():
    rows = table(400)
    errors = {}
    for start in ("random", "least-squares"):
        network = fresh(replace(SHAPE, vocabulary=400), rows, start=start)
        moved = network.predict(torch.arange(400)[:, None]) - rows
        errors[start] = float(moved.square().mean() / rows.var(0).mean())
    assert errors["least-squares"] < 0.1
    assert errors["random"] > 1.0  # unrelated rows of equal deviation: 2


def test_output_rows_and_a_bias_have_heads_of_their_own():
    shape = replace(SHAPE, widths=(16, 16), bias=True)
    rows = torch.cat([table(50, 16, 1), table(50, 16, 2), table(50, 1, 3)], dim=1)
    network = fresh(shape, rows)
    assert network.project.in_features == 32  # the bias is not looked up
    predicted = network.predict(torch.arange(50)[:, None])
    assert predicted.shape == (50, 33)
    assert network.shape.parts == [slice(0, 16), slice(16, 32), slice(32, 33)]
    for part in shape.parts[:2]:
        moved = (predicted - rows)[:, part].square().mean() / rows[:, part].var(0).mean()
        assert moved < 0.3


def test_a_seed_decides_the_weights_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    states = [fresh(SHAPE, table(), seed=seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["project.weight"], states[2]["project.weight"])
