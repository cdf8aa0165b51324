import pytest
import torch

from vecloom.merge import merge_tensors
from vecloom.merge.values import Rules, Schedule, Sliced, at, layer_count, layer_of

NAMES = [f"encoder.layer.{layer}.output.dense.weight" for layer in range(5)]


def test_layers_are_found_in_names():
    assert layer_of("model.layers.11.mlp.up_proj.weight") == 11
    assert layer_of("h.3.attn.weight") == 3
    assert layer_of("embeddings.word_embeddings.weight") is None
    assert layer_count([*NAMES, "embeddings.LayerNorm.weight"]) == 5


def test_a_schedule_interpolates_over_the_layers():
    # values 0, .5, .3 at layers 0, 2, 4
    course = Schedule((0, 0.5, 0.3), layers=5)
    assert [course(name) for name in NAMES] == pytest.approx([0, 0.25, 0.5, 0.4, 0.3])


def test_tensors_outside_the_layers_take_the_first_value():
    assert Schedule((0.2, 1), layers=5)("embeddings.word_embeddings.weight") == 0.2


def test_the_first_rule_that_holds_decides():
    rules = Rules((("attention", 0.1), ("layer", 0.2)), 0.3)
    assert [rules(name) for name in ("layer.0.attention.x", "layer.0.mlp.x", "pooler.x")] == [0.1, 0.2, 0.3]


def test_ranges_of_layers_have_values_of_their_own():
    ranges = Sliced((0, 3), (0.1, Schedule((0, 1), layers=2, first=3)))
    assert [at(ranges, name) for name in NAMES] == pytest.approx([0.1, 0.1, 0.1, 0, 1])


def test_weights_that_change_over_the_layers():
    names = NAMES[:3]
    models = [{name: torch.full((2,), value) for name in names} for value in (0.0, 1.0)]
    course = Schedule((0, 1), layers=3)
    found = merge_tensors("linear", models, weights=(Schedule((1, 0), layers=3), course))
    assert [float(found[name][0]) for name in names] == [0, 0.5, 1]
