"""``vecloom train`` and ``vecloom mine``: parsing, calling, printing."""

import json

import pytest
from tests.train import toys
from tests.train.conftest import one_thread  # noqa: F401 - a fixture

from vecloom.cli.mine import FORMATS
from vecloom.cli.progress import plain_lines
from vecloom.cli.train import line, said
from vecloom.train.recipe import shipped
from vecloom.train.watch import TrainProgress


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    toys.model(folder)
    toys.pairs(folder / "pairs.jsonl", 40)
    toys.scored(folder / "sts.jsonl")
    (folder / "recipe.yaml").write_text(
        f"model: {folder / 'model'}\noutput: {folder / 'out'}\ndata: {folder / 'pairs.jsonl'}\nloss: mnr\n"
        f"batch_size: 8\nsteps: 4\nevaluation:\n  tasks: {folder / 'sts.jsonl'}\nwatch:\n  collapse: 1.0\n"
        "logging:\n  to: []\n"
    )
    return folder


def test_a_recipe_is_trained_and_the_result_said(run, workshop):
    done = run("train", workshop / "recipe.yaml", "--set", f"output={workshop / 'one'}")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{workshop / 'one'}: 4 steps, loss " in done.stdout
    assert "sts_spearman 0." in done.stdout
    again = run("train", workshop / "recipe.yaml", "--set", f"output={workshop / 'one'}")
    assert "was trained already: 4 steps" in again.stdout


def test_the_summary_as_json(run, workshop):
    done = run("train", workshop / "recipe.yaml", "--set", f"output={workshop / 'two'}", "--json")
    told = json.loads(done.stdout)
    assert (told["steps"], told["resumed_from"], len(told["curve"])) == (4, 0, 2)
    assert set(told["scores"]) == {"mean", "sts_spearman"}


def test_no_resume_begins_anew(run, workshop):
    arguments = ("train", workshop / "recipe.yaml", "--set", f"output={workshop / 'three'}", "--json")
    assert json.loads(run(*arguments).stdout)["resumed_from"] == 0
    assert json.loads(run(*arguments).stdout)["resumed_from"] == 4
    assert json.loads(run(*arguments, "--no-resume").stdout)["resumed_from"] == 0


def test_explain_says_where_each_value_came_from_and_trains_nothing(run, workshop):
    done = run("train", workshop / "recipe.yaml", "--set", "epochs=3", "--explain")
    lines = {row.split()[0]: row for row in done.stdout.splitlines()}
    assert lines["epochs"].endswith("command line")
    assert lines["batch_size"].endswith("recipe.yaml:5")
    assert "Sentence-BERT" in lines["warmup"]
    assert not (workshop / "out.run").exists()
    rows = json.loads(run("train", workshop / "recipe.yaml", "--explain", "--json").stdout)
    assert {"key": "steps", "value": 4, "origin": "recipe.yaml:6"} in rows


def test_a_mistyped_key_is_a_wrong_call(run, workshop):
    done = run("train", workshop / "recipe.yaml", "--set", "lerning_rate=1")
    assert done.exit_code == 2
    assert "there is no key 'lerning_rate'" in done.stderr
    assert "Did you mean learning_rate?" in done.stderr


def test_the_help_names_every_shipped_recipe(run):
    told = " ".join(run("train", "--help").stdout.split())
    assert [name for name in shipped() if name not in told] == []


def test_values_are_said_as_yaml_has_them():
    assert [said(value) for value in (None, True, 2e-5, "x", (0.0, 1.0), {})] == [
        "null", "true", "2.0e-05", "x", "[0.0, 1.0]", "{}",
    ]  # fmt: skip


def test_the_bar_tells_loss_rate_speed_and_what_is_left():
    now = TrainProgress(3, 10, 0.3, 0.5, 1e-4, 80.0, 125.0, 3 << 20, {"mean": 0.75})
    assert line(now) == "loss 0.5000, lr 1.0e-04, 80 pairs/s, 2:05 left, 3.0 MiB, score 0.7500"


def test_off_a_terminal_a_line_is_printed_now_and_then(capsys):
    now = [0.0]
    tell = plain_lines("Training", lambda: now[0])
    for step in range(1, 101):
        now[0] += 1.0
        tell(step, 100, f"loss {step}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Training: step 10 of 100 (10%), loss 10"
    assert [line.split()[2] for line in lines] == [str(step) for step in range(10, 101, 10)]


def test_the_last_step_of_long_work_is_said_and_short_work_is_silent(capsys):
    now = [0.0]
    tell = plain_lines("Training", lambda: now[0])
    for step, at in ((1, 11.0), (2, 12.0), (3, 13.0)):
        now[0] = at
        tell(step, 3, "x")
    assert [line.split()[2] for line in capsys.readouterr().err.splitlines()] == ["1", "3"]
    short = plain_lines("Training", lambda: 0.0)
    short(3, 3, "x")
    assert capsys.readouterr().err == ""


def test_a_shipped_recipe_does_not_start_on_a_file_that_happens_to_have_its_name(run, workshop, monkeypatch):
    monkeypatch.chdir(workshop)  # there is a pairs.jsonl
    done = run("train", "pairs", "--set", "output=x")
    assert done.exit_code == 2
    assert done.stderr == "Error: The recipe 'pairs' needs your data.\nName it with: --set data.0.path=FILE\n"
    several = run("train", "several", "--set", "data.1.path=pairs.jsonl")
    assert "--set data.0.path=FILE --set evaluation.tasks.0.path=FILE" in several.stderr
    assert not (workshop / "x.run").exists()
    assert run("train", "pairs", "--explain").exit_code == 0


@pytest.mark.parametrize("override", ["data.0.path", "data"])
def test_a_shipped_recipe_starts_once_the_data_are_named(run, workshop, tmp_path, override):
    settings = {override: workshop / "pairs.jsonl", "model": workshop / "model", "output": tmp_path / "out", "steps": 1,
                "batch_size": 8, "watch.collapse": 1.0, "logging.to": "[]"}  # fmt: skip
    done = run("train", "pairs", *(part for key, value in settings.items() for part in ("--set", f"{key}={value}")))
    assert done.exit_code == 0, done.stderr


def test_a_limit_that_shrinks_is_said_before_the_run(run, workshop, tmp_path):
    done = run("train", workshop / "recipe.yaml", "--set", f"output={tmp_path / 'out'}", "--set", "max_length=8")
    assert done.exit_code == 0
    assert done.stderr.startswith(
        "Warning: max_length is 8 (it was 64): the model that comes out cuts texts there for good"
    )
    assert "the model reads 8 tokens of a text (before: 64)" in done.stdout


def test_every_format_of_the_library_can_be_asked_for():
    from vecloom.train.mine_rows import FORMATS as KNOWN

    assert set(KNOWN) == set(FORMATS)


def test_negatives_are_mined_into_a_file_that_train_reads(run, workshop, tmp_path):
    out = tmp_path / "hard.jsonl"
    done = run("mine", workshop / "pairs.jsonl", "-o", out, "--negatives", 2, "--threshold", "none", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    first = json.loads(out.read_text().splitlines()[0])
    assert told["rows"] == len(out.read_text().splitlines())
    assert set(first) == {"anchor", "positive", "negative_1", "negative_2"}
    recipe = (
        "train",
        workshop / "recipe.yaml",
        "--set",
        f"data={out}",
        "--set",
        f"output={tmp_path / 'out'}",
        "--json",
    )
    assert json.loads(run(*recipe).stdout)["steps"] == 4


def test_a_column_without_a_name_is_a_wrong_call(run, workshop, tmp_path):
    done = run("mine", workshop / "pairs.jsonl", "-o", tmp_path / "x.jsonl", "--column", "anchor")
    assert done.exit_code == 2
    assert "--column anchor is no NAME=COLUMN" in done.stderr
