import math
import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from tests.merge import models

from vecloom import merge
from vecloom.errors import DataError, UsageError
from vecloom.merge.recipe import bind
from vecloom.merge.values import at

RECIPES = sorted((Path(__file__).parent / "recipes").glob("*.yml"))
QUERY = "encoder.layer.{}.attention.self.query.weight"
UP = "encoder.layer.{}.intermediate.dense.weight"
WORDS = "embeddings.word_embeddings.weight"


def named(path, family):
    """A recipe's content with the names of the models on disk."""
    base, (one, two, three) = family
    text = path.read_text()
    for name, folder in (("base", base), ("one", one), ("two", two), ("three", three)):
        text = text.replace(f"model: {name}\n", f"model: {folder}\n")
    return text


@pytest.fixture
def merged(family, tmp_path):
    def call(name):
        file = tmp_path / name
        file.write_text(named(Path(__file__).parent / "recipes" / name, family))
        merge.run(merge.load_recipe(file), tmp_path / "out")
        return models.weights(tmp_path / "out")

    return call


@pytest.fixture
def held(family):
    base, tuned = family
    return [models.weights(path) for path in (base, *tuned)]


def test_a_linear_recipe(merged, held):
    _, one, two, three = held
    found = merged("linear_soup.yml")[WORDS]
    wanted = (one[WORDS] + 0.3 * two[WORDS] + 0.5 * three[WORDS]) / 1.8
    assert found.dtype == torch.float16
    assert torch.equal(found, wanted.half())


def arc(first, second, share):
    cosine = float((first * second).sum().double() / first.double().norm() / second.double().norm())
    if abs(cosine) > 0.9995:
        return (1 - share) * first + share * second
    angle = math.acos(cosine)
    return (math.sin((1 - share) * angle) * first + math.sin(share * angle) * second) / math.sin(angle)


def test_a_slerp_recipe_with_gradients_and_filters(merged, held):
    _, one, two, _ = held
    found = merged("gradient_slerp.yml")
    # two layers: the first takes a gradient's first value, the second its last
    for name, share in ((QUERY.format(0), 0), (QUERY.format(1), 1), (UP.format(0), 1), (UP.format(1), 0), (WORDS, 0.5)):
        assert torch.allclose(found[name], arc(one[name], two[name], share), atol=1e-5), name


def test_a_ties_recipe_with_gradients(merged, held):
    base, one, two, three = held
    found = merged("ties_gradients.yml")
    for name, density, weights in (
        (WORDS, 1, (1, 0, 0)),
        (UP.format(0), 1, (1, 0, 0.5)),
        (UP.format(1), 0.1, (1, 1, 0.5)),
        (QUERY.format(1), 0.1, (1, 1, 0)),
    ):
        wanted = merge.merge_tensors(
            "ties",
            [{name: model[name]} for model in (one, two, three)],
            {name: base[name]},
            weights=weights,
            density=(density, 0.5, 0.33),
        )
        assert torch.allclose(found[name], wanted[name], atol=1e-6), name


def test_a_dare_recipe_restores_the_sum_of_magnitudes(merged, held):
    base, one, two, _ = held
    found = merged("dare_ties.yml")[WORDS]
    wanted = merge.merge_tensors(
        "dare_ties", [{WORDS: one[WORDS]}, {WORDS: two[WORDS]}], {WORDS: base[WORDS]},
        weights=(0.4, 0.3), density=0.53, rescale="l1",
    )  # fmt: skip
    assert torch.equal(found, wanted[WORDS].bfloat16())


def test_a_task_arithmetic_recipe_with_a_negative_weight(merged, held):
    base, one, two, _ = held
    wanted = base[WORDS] + 1.1 * (0.6 * (one[WORDS] - base[WORDS]) - 0.2 * (two[WORDS] - base[WORDS]))
    assert torch.allclose(merged("task_arithmetic.yml")[WORDS], wanted, atol=1e-6)


def test_a_model_stock_recipe(merged, held):
    base, *tuned = held
    deltas = [(model[WORDS] - base[WORDS]).double().flatten() for model in tuned]
    cosine = sum(float(a @ b / a.norm() / b.norm()) for i, a in enumerate(deltas) for b in deltas[i + 1 :]) / 3
    ratio = max(0.0, 3 * cosine / (1 + 2 * cosine))
    wanted = base[WORDS] + ratio * sum(deltas).reshape(base[WORDS].shape).float() / 3
    assert torch.allclose(merged("model_stock.yml")[WORDS], wanted, atol=1e-6)


def test_a_multislerp_recipe(merged, held):
    base, *tuned = held
    deltas = torch.stack([(model[WORDS] - base[WORDS]).double().flatten() for model in tuned])
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    units = torch.nn.functional.normalize(deltas, dim=1)
    middle = torch.nn.functional.normalize(weights @ units, dim=0)
    tangent = weights @ (units - (units @ middle)[:, None] * middle)
    size = tangent.norm()
    point = middle * torch.cos(size) + tangent * torch.sin(size) / size
    wanted = base[WORDS] + (float(weights @ deltas.norm(dim=1)) * point).reshape(base[WORDS].shape).float()
    assert torch.allclose(merged("multislerp.yml")[WORDS], wanted, atol=1e-5)


def test_a_karcher_recipe_merges_the_weights_themselves(merged, held):
    _, one, two, _ = held
    lengths = (float(one[WORDS].norm()) + float(two[WORDS].norm())) / 2
    middle = one[WORDS] / one[WORDS].norm() + two[WORDS] / two[WORDS].norm()
    assert torch.allclose(merged("karcher.yml")[WORDS], lengths * middle / middle.norm(), atol=1e-4)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    """mergekit 0.1.5 fails on BERT, so it is compared on another architecture."""
    folder = tmp_path_factory.mktemp("qwen")
    base = models.base(folder / "base", "qwen2")
    return base, [models.tuned(base, folder / f"tuned{seed}", seed) for seed in (1, 2, 3)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.skipif("VECLOOM_MERGEKIT" not in os.environ, reason="VECLOOM_MERGEKIT names no interpreter with mergekit")
def test_mergekit_makes_the_same_of_a_recipe(path, qwen, tmp_path):
    if path.stem == "dare_ties":
        pytest.skip("drops are random")
    file = tmp_path / path.name
    file.write_text(named(path, qwen).replace("filter: attention", "filter: self_attn").replace("intermediate", "mlp"))
    merge.run(merge.load_recipe(file), tmp_path / "ours")
    command = [os.environ["VECLOOM_MERGEKIT"], "-m", "mergekit.scripts.run_yaml", str(file), str(tmp_path / "theirs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours, theirs = models.weights(tmp_path / "ours"), models.weights(tmp_path / "theirs")
    names = {name: name if name in theirs else f"model.{name}" for name in ours}
    tolerance = 2e-3 if "dtype: float16" in path.read_text() else 1e-4
    if path.stem == "model_stock":  # where cosines are negative, mergekit goes beyond the base, and we stay at it
        base = models.weights(qwen[0])
        names = {name: other for name, other in names.items() if not torch.equal(ours[name], base[name])}
        assert len(names) > 5
    off = {name: float((ours[name].float() - theirs[other].float()).abs().max()) for name, other in names.items()}
    assert max(off.values()) < tolerance, max(off, key=off.get)


def test_every_recipe_says_the_same_after_being_written():
    for path in RECIPES:
        recipe = merge.parse_recipe(yaml.safe_load(path.read_text()))
        again = merge.parse_recipe(yaml.safe_load(yaml.safe_dump(recipe.as_dict())))
        assert again == recipe, path


def test_slices_with_parameters_of_their_own():
    recipe = merge.parse_recipe(
        {
            "slices": [
                {"sources": [{"model": "a", "layer_range": [0, 2], "parameters": {"weight": 0.1}},
                             {"model": "b", "layer_range": [0, 2]}], "parameters": {"weight": 0.2}},
                {"sources": [{"model": "a", "layer_range": [2, 6]}, {"model": "b", "layer_range": [2, 6]}]},
            ],
            "merge_method": "linear",
            "parameters": {"weight": 0.9},
        }
    )  # fmt: skip
    first, second = bind(recipe, 6)["weights"]
    assert [at(first, QUERY.format(layer)) for layer in (1, 2)] == [0.1, 0.9]
    assert [at(second, QUERY.format(layer)) for layer in (1, 2)] == [0.2, 0.9]


def test_scientific_notation_that_yaml_takes_for_text_is_a_number():
    recipe = merge.parse_recipe(
        {"models": ["a", {"model": "b", "parameters": {"weight": "1e-1"}}], "merge_method": "linear"}
    )
    assert bind(recipe, 1)["weights"] == [1.0, 0.1]


GOOD = {"models": ["a", "b"], "merge_method": "linear"}
BAD = [
    (GOOD | {"merge_metod": "ties"}, "unknown key 'merge_metod'.*merge_method"),
    (GOOD | {"merge_method": "tie"}, "no merge method 'tie'.*ties"),
    (GOOD | {"merge_method": "della"}, "no merge method 'della'"),
    ({"merge_method": "linear"}, "either models or slices"),
    (GOOD | {"parameters": {"normalise": True}}, "no option 'normalise'.*normalize"),
    (GOOD | {"parameters": {"normalize": "no"}}, "'no' of normalize cannot be.*True"),
    (GOOD | {"merge_method": "karcher", "parameters": {"max_iter": 2.5}}, "2.5 of max_iter cannot be.*10"),
    (GOOD | {"parameters": {"weight": "much"}}, "'much' of weight is no number"),
    (GOOD | {"dtype": "int3"}, "no dtype 'int3'"),
    (GOOD | {"modules": {}}, "modules"),
    (GOOD | {"tokenizer": {"source": "base", "tokens": {"x": {}}}}, "extend tokenizer"),
    ({"models": ["a+lora", "b"], "merge_method": "linear"}, "adds an adapter"),
    ({"models": [{"name": "a"}], "merge_method": "linear"}, "names no model"),
    ({"models": ["a", "b"], "merge_method": "slerp", "parameters": {"t": 0.5}}, "needs base_model"),
    ({"models": ["a", "b"], "base_model": "c", "merge_method": "slerp", "parameters": {"t": 0.5}}, "one other"),
    ({"merge_method": "linear", "slices": [{"sources": [{"model": "a", "layer_range": [8, 24]}]}]}, "begin at layer 0"),
    (
        {"merge_method": "linear", "slices": [
            {"sources": [{"model": "a", "layer_range": [0, 2]}, {"model": "b", "layer_range": [1, 3]}]}]},
        "one layer_range",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "match"), BAD)
def test_a_recipe_that_cannot_be_is_refused(given, match):
    with pytest.raises(UsageError, match=match):
        bind(merge.parse_recipe(given), 4)


def test_slices_have_to_cover_the_models():
    recipe = merge.parse_recipe(
        {"merge_method": "linear", "parameters": {"weight": 1},
         "slices": [{"sources": [{"model": "a", "layer_range": [0, 2]}, {"model": "b", "layer_range": [0, 2]}]}]}
    )  # fmt: skip
    with pytest.raises(UsageError, match="end at layer 2; the models have 6"):
        bind(recipe, 6)


@pytest.mark.parametrize("text", ["- a\n- b\n", "models: [a\n", ""])
def test_a_file_that_is_no_recipe_is_refused(text, tmp_path):
    (tmp_path / "r.yml").write_text(text)
    with pytest.raises(DataError, match="recipe"):
        merge.load_recipe(tmp_path / "r.yml")
