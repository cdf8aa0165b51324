import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.errors import UsageError
from vecloom.merge import METHODS, SelfPositioning, geometry, merge_tensors
from vecloom.merge.self_positioning import coefficient_gradient

# The spec's quadratic: V = [2,0], [0,2] from 0, loss .5 |theta - p|^2, p = [1, 1.5].
POINT = torch.tensor([1.0, 1.5])
BASE = {"w": torch.zeros(2)}
MODELS = [{"w": torch.tensor([2.0, 0.0])}, {"w": torch.tensor([0.0, 2.0])}]


def quadratic(theta, _batch):
    off = theta["w"] - POINT
    return 0.5 * float(off @ off), {"w": off}


def fit(mu, steps=800, rate=0.1, **options):
    return SelfPositioning(quadratic, mu=mu, rate=rate, steps=steps, **options).fit(BASE, MODELS, [None])


def test_without_penalty_the_point_itself_is_found():
    found = fit(mu=0)
    # theta = p: c = (.5, .75); |p| = 1.802776 = 2 lambda; the direction is beta * 90 = atan 1.5 = 56.31 degrees
    assert found.coefficients == pytest.approx([0.5, 0.75], abs=1e-4)
    assert found.scale == pytest.approx(0.901388, abs=1e-4)
    assert found.a[1] / sum(found.a) == pytest.approx(math.degrees(math.atan(1.5)) / 90, abs=1e-4)


def test_the_penalty_shortens_and_does_not_turn():
    found = fit(mu=0.4)
    # 4 lambda - 2 * 1.802776 + .4 = 0
    assert found.scale == pytest.approx(0.801388, abs=1e-4)
    assert found.coefficients[1] / found.coefficients[0] == pytest.approx(1.5, abs=1e-3)


def test_a_large_penalty_stops_at_the_base():
    assert fit(mu=50, steps=20).scale == 0


def test_at_least_as_good_as_the_best_of_a_grid():
    found = fit(mu=0)
    grid = [
        quadratic({"w": scale * (geometry.slerp(torch.eye(2, dtype=torch.float64) * 4, weights).float() * 2)}, None)[0]
        for scale in torch.linspace(0.2, 2, 7)
        for share in torch.linspace(0.05, 0.95, 11)
        for weights in [torch.stack([1 - share, share]).double()]
    ]
    assert quadratic({"w": torch.tensor(found.coefficients) * 2}, None)[0] <= min(grid)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 5))
def test_the_gradient_is_that_of_finite_differences(seed, count):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 9, generator=generator, dtype=torch.float64)
    a = torch.rand(count, generator=generator, dtype=torch.float64) + 0.3
    scale = torch.rand((), generator=generator, dtype=torch.float64) + 0.3
    point = torch.randn(9, generator=generator, dtype=torch.float64)
    products, mu = rows @ rows.T, 0.05

    def objective(weights, factor):
        theta = factor * (geometry.slerp(products, weights) @ rows)
        return float(torch.sin(theta - point).sum() + mu * factor)

    gradient = torch.cos(scale * (geometry.slerp(products, a) @ rows) - point)
    in_a, in_scale = coefficient_gradient(products, a, scale, rows @ gradient, mu)
    step = 1e-6
    for place in range(count):
        move = torch.zeros(count, dtype=torch.float64)
        move[place] = step
        slope = (objective(a + move, scale) - objective(a - move, scale)) / (2 * step)
        assert float(in_a[place]) == pytest.approx(slope, abs=1e-6)
    slope = (objective(a, scale + step) - objective(a, scale - step)) / (2 * step)
    assert float(in_scale) == pytest.approx(slope, abs=1e-6)


def test_only_the_coefficients_move():
    before = [model["w"].clone() for model in (BASE, *MODELS)]
    found = merge_tensors("self_positioning", MODELS, BASE, loss=quadratic, probe=[None], mu=0.0, rate=0.1, steps=800)
    assert found["w"].tolist() == pytest.approx([1, 1.5], abs=1e-3)
    assert all(torch.equal(old, model["w"]) for old, model in zip(before, (BASE, *MODELS), strict=True))


def test_batches_are_taken_in_turn():
    seen = []

    def loss(theta, batch):
        seen.append(batch)
        return quadratic(theta, batch)

    SelfPositioning(loss, steps=5).fit(BASE, MODELS, ["a", "b"])
    assert seen == ["a", "b", "a", "b", "a"]


def test_an_empty_probe_is_refused():
    with pytest.raises(UsageError, match="probe set is empty"):
        SelfPositioning(quadratic).fit(BASE, MODELS, [])


def test_a_probe_set_is_asked_for():
    with pytest.raises(UsageError, match="needs a base and a probe set"):
        merge_tensors("self_positioning", MODELS, BASE)
    assert METHODS["self_positioning"].data == "pairs"
