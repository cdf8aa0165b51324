import json

import pytest
import torch

from vecloom.errors import UsageError
from vecloom.merge import Recipe
from vecloom.merge.diagnose import OUTSIDE, diagnose, gradient_cosines, line, plane, sign_conflict
from vecloom.merge.job import open_inputs
from vecloom.merge.plots import draw

BASE = {"layer.0.w": torch.zeros(4), "e": torch.zeros(2)}
MODELS = [
    {"layer.0.w": torch.tensor([1.0, -1, 0, 2]), "e": torch.tensor([1.0, 0])},
    {"layer.0.w": torch.tensor([-1.0, -2, 0, 0]), "e": torch.tensor([2.0, -1])},
]


def test_sign_conflict_is_a_share_of_what_was_changed():
    # layer 0: entries 0, 1 and 3 were changed, entry 0 both ways; outside: 2 changed, none both ways
    assert sign_conflict(BASE, MODELS) == {OUTSIDE: 0, "layer 0": pytest.approx(1 / 3)}


def test_gradients_that_pull_apart_have_a_negative_cosine():
    gradients = [{"w": torch.tensor([1.0, 0])}, {"w": torch.tensor([-1.0, 1])}]
    assert gradient_cosines(gradients)[0][1] == pytest.approx(-0.707107, abs=1e-6)


def quadratic(tensors):
    return float(tensors["e"].square().sum())


def test_the_line_goes_from_the_first_to_the_last():
    # e = [1,0], [1.5,-.5], [2,-1]
    assert line(quadratic, *MODELS, [0, 0.5, 1]) == pytest.approx([1, 2.5, 5])


def test_the_plane_has_the_base_at_its_origin():
    # x V_1 + y V_2 with V_1 = [1,0], V_2 = [2,-1]
    assert plane(quadratic, BASE, *MODELS, [0, 1]) == [[0, 1], [5, 10]]


@pytest.fixture
def inputs(family):
    base, tuned = family
    return open_inputs(Recipe("linear", tuple(map(str, tuned)), str(base)))


def test_models_on_disk_are_diagnosed_without_texts(inputs):
    found = diagnose(inputs)
    assert [round(row[place], 6) for place, row in enumerate(found.cosines)] == [1, 1, 1]
    assert abs(found.cosines[0][1]) < 0.1  # independent noise
    # three independent signs differ with probability 3/4
    assert found.sign_conflict["layer 1"] == pytest.approx(0.75, abs=0.02)
    assert found.line == {}


def test_loss_and_gradients_come_with_probe_sets(inputs, probes, tmp_path):
    found = diagnose(inputs, {"one": str(probes[0]), "two": str(probes[1])}, points=3, grid=3)
    assert found.gradients[0][0] == pytest.approx(1)
    assert {name: len(losses) for name, losses in found.line.items()} == {"one": 3, "two": 3}
    assert len(found.plane) == len(found.plane[0]) == 3
    json.dumps(found.as_dict())
    draw(found, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").stat().st_size > 5000


def test_a_plot_needs_a_loss(inputs, tmp_path):
    with pytest.raises(UsageError, match="no loss to plot"):
        draw(diagnose(inputs), tmp_path / "x.png")
