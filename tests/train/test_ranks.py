"""Two processes under gloo against one process on the joined batch."""

import math
from functools import partial

import pytest
import torch
import torch.multiprocessing
from tests.train import ranks
from tests.train.test_matryoshka import deep


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return deep(tmp_path_factory.mktemp("tiny"), 2)


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory):
    """What each of two processes found, by case."""
    out = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(ranks.worker, (folder, out), nprocs=2)
    return [torch.load(out / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def alone(folder):
    """What one process finds on the joined batch."""
    return {case: ranks.run(case, folder, partial(ranks.texts, case), as_it_is, False) for case in ranks.CASES}


def as_it_is(model):
    return model


@pytest.mark.filterwarnings("ignore:GISTEmbed's guide left")
@pytest.mark.parametrize("case", ranks.CASES)
def test_gradients_are_those_of_one_process_on_the_joined_batch(both, alone, case):
    expected = alone[case]["gradients"]
    assert max(float(gradient.abs().max()) for gradient in expected.values()) > 0.01
    for found in both:
        assert found[case]["gradients"].keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[case]["gradients"][name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("case", ranks.CASES)
def test_losses_average_to_that_of_the_joined_batch(both, alone, case):
    assert sum(found[case]["loss"] for found in both) / 2 == pytest.approx(alone[case]["loss"], abs=1e-5)


def test_every_process_holds_the_same_queue_as_one_alone(both, alone):
    expected = alone["esimcse"]["queue"]
    assert expected.shape == (12, 32)
    for found in both:
        torch.testing.assert_close(found["esimcse"]["queue"], expected, atol=1e-6, rtol=0)


def test_the_head_has_the_same_gradient_everywhere(both, alone):
    expected = alone["esimcse"]["own"]
    assert set(expected) == {"head.0.weight", "head.0.bias"}
    for found in both:
        for name, gradient in expected.items():
            torch.testing.assert_close(found["esimcse"]["own"][name], gradient, atol=1e-5, rtol=1e-4)


def test_without_gathering_the_processes_would_find_something_else(folder, alone):
    shares = [partial(ranks.shares, "progressive", rank) for rank in range(2)]
    half = [ranks.run("progressive", folder, columns, as_it_is, False)["loss"] for columns in shares]
    assert not math.isclose(sum(half) / 2, alone["progressive"]["loss"], abs_tol=1e-2)
