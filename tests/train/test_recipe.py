"""A recipe's values, where each came from, and what is said when one cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecloom.errors import UsageError
from vecloom.train.recipe import Recipe, explain, load_recipe, shipped

WHOLE = """\
model: minilm
output: out
data:
  - path: a.jsonl
    weight: 2
  - path: b.jsonl
loss:
  name: mnr
  temperature: 0.1
learning_rate: 3e-5
evaluation:
  tasks: sts.jsonl
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str = WHOLE) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def rows_of(recipe: Recipe) -> dict[str, tuple[object, str]]:
    return {row.key: (row.value, row.origin) for row in explain(recipe)}


def test_every_value_says_where_it_came_from(written):
    rows = rows_of(load_recipe(written(), ["batch_size=64"]))
    assert rows["learning_rate"] == (3e-5, "recipe.yaml:10")
    assert rows["data.0.weight"] == (2.0, "recipe.yaml:5")
    assert rows["batch_size"] == (64, "command line")
    assert rows["warmup"] == (0.1, "default (Sentence-BERT, section 3.1)")
    assert rows["loss.temperature"] == (0.1, "recipe.yaml:9")
    assert rows["loss.symmetric"] == (False, "default (sentence-transformers)")


def test_a_scalar_stands_for_the_first_key_of_a_mapping(written):
    short = "model: minilm\noutput: out\ndata: a.jsonl\nloss: mnr\nevaluation:\n  tasks: [sts.jsonl, {path: b}]\n"
    recipe = load_recipe(written(short))
    assert recipe.data[0].path == "a.jsonl"
    assert recipe.loss.name == "mnr"
    assert [task.path for task in recipe.evaluation.tasks] == ["sts.jsonl", "b"]
    rows = rows_of(recipe)
    assert rows["data.0.path"][1] == "recipe.yaml:3"
    assert rows["loss.name"][1] == "recipe.yaml:4"
    assert rows["evaluation.tasks.1.path"][1] == "recipe.yaml:6"


@pytest.mark.parametrize(
    ("line", "says", "advises"),
    [
        ("lerning_rate: 1", "recipe.yaml:13: there is no key 'lerning_rate'", "Did you mean learning_rate?"),
        ("patience: 3", "there is no key 'patience'", "Did you mean evaluation.patience?"),
        ("batch_size: many", "recipe.yaml:13: batch_size is 'many'", "Correct"),
        ("batch_size: 1", "greater than or equal to 2", "Correct"),
        ("schedule: stairs", "recipe.yaml:13: schedule is 'stairs'", "Correct"),
        ("mixing:\n  stratgy: x", "recipe.yaml:14: there is no key 'mixing.stratgy'", "Did you mean strategy?"),
        ("model: again", "recipe.yaml:13: the key 'model' stands there a second time", "Leave"),
        ("x: [", "is no YAML", "Correct"),
    ],
)
def test_a_key_or_value_that_cannot_be_is_named_with_its_line(written, line, says, advises):
    with pytest.raises(UsageError) as caught:
        load_recipe(written(WHOLE + line + "\n"))
    assert says in caught.value.what
    assert advises in caught.value.todo


def test_an_option_that_the_loss_does_not_have_is_named(written):
    with pytest.raises(
        UsageError, match=r"recipe.yaml:9: there is no key 'loss.temprature'. Did you mean temperature\?"
    ):
        load_recipe(written(WHOLE.replace("temperature", "temprature")))


def test_a_loss_that_does_not_exist_is_named(written):
    with pytest.raises(UsageError, match=r"recipe.yaml:8: there is no loss 'mrn'. Did you mean mnr\?"):
        load_recipe(written(WHOLE.replace("name: mnr", "name: mrn")))


def test_a_missing_key_is_named(written):
    with pytest.raises(UsageError, match="the key 'output' is missing"):
        load_recipe(written(WHOLE.replace("output: out\n", "")))


def test_overrides_reach_lists_and_shorthands(written):
    recipe = load_recipe(
        written(), ["data.1.path=c.jsonl", "loss.temperature=0.2", "evaluation.tasks.0.name=x", "data.2.path=d.jsonl"]
    )
    assert [source.path for source in recipe.data] == ["a.jsonl", "c.jsonl", "d.jsonl"]
    assert recipe.loss.options == {"temperature": 0.2}
    assert recipe.evaluation.tasks[0].title == "x"


@pytest.mark.parametrize("wrong", ["steps", "=3", "data.7.path=x", "data.0.path.more=x", "steps=[", "stesp=3"])
def test_an_override_that_leads_nowhere_is_an_error(written, wrong):
    with pytest.raises(UsageError):
        load_recipe(written(), [wrong])


def test_two_data_sets_of_one_name_are_an_error(written):
    with pytest.raises(UsageError, match="two data sets are called 'a'"):
        load_recipe(written(WHOLE.replace("b.jsonl", "sub/a.jsonl")))


def test_a_data_set_needs_exactly_one_place(written):
    with pytest.raises(UsageError, match="give either path or hub"):
        load_recipe(written(WHOLE.replace("- path: b.jsonl", "- {path: b.jsonl, hub: x/y}")))


def test_a_recipe_that_is_not_there_offers_the_shipped_ones():
    with pytest.raises(UsageError, match="pairs"):
        load_recipe("nothing.yaml")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_loads_and_explains_itself(name):
    recipe = load_recipe(name)
    rows = rows_of(recipe)
    assert rows["loss.name"][1].startswith(f"{name}.yaml:")
    assert all(origin for _, origin in rows.values())


def test_values_given_in_python_say_so():
    recipe = Recipe(model="minilm", output="out", data=({"path": "a.jsonl"},), loss="mnr", steps=3)
    assert rows_of(recipe)["steps"] == (3, "given in Python")
