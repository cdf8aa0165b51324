"""The command: it trains, explains, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.extend.zett import toys

from vecloom.cli.group import vecloom

FEW = ["--steps", "4", "--set", "identity_steps=2", "--set", "batch_size=8", "--set", "identity_tokens=32",
       "--set", "vocabulary_size=400", "--set", "layers=1"]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    toys.model(folder)
    toys.byte_level(folder / "target.json")
    (folder / "texts.txt").write_text("\n".join(toys.texts(60)))
    return folder


def call(*words: object):
    return CliRunner().invoke(vecloom, [str(word) for word in ("extend", *words)])


def test_it_trains_and_the_result_gives_the_model_a_tokenizer(made, tmp_path):
    done = call("hypernetwork", made / "model", made / "texts.txt", "--lines", "-o", tmp_path / "h", *FEW, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["steps"], told["texts"], told["resumed_from"]) == (4, 60, 0)
    done = call(
        "tokenizer", made / "model", "--tokenizer", made / "target.json", "--method", "zett", "--hypernetwork", tmp_path / "h",
        "-o", tmp_path / "new", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["method"] == "zett"
    assert (tmp_path / "new" / "modules.json").is_file()


def test_in_words_it_says_how_near_the_vectors_came(made, tmp_path):
    done = call("hypernetwork", made / "model", made / "texts.txt", "--lines", "-o", tmp_path / "h", *FEW)
    assert done.exit_code == 0, done.output
    assert "4 steps on 60 passages" in done.stdout
    assert "mean cosine to the model's own vectors" in done.stdout


def test_explain_tells_every_setting_and_trains_nothing(made, tmp_path):
    done = call("hypernetwork", made / "model", "--explain", "--steps", "200", "--json")
    told = json.loads(done.stdout)
    assert (told["identity_steps"], told["warmup_steps"], told["hidden"], told["inner"]) == (10, 10, 64, 128)
    assert told["predicts"].startswith("32 numbers for a token, from up to 7 of")
    assert "stage 2" in call("hypernetwork", made / "model", "--explain").stdout


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--set", "step=3", "-o", "h"], "Did you mean steps", 2),
        (["--set", "steps", "-o", "h"], "NAME=VALUE", 2),
        ([], "no output", 2),
        (["--device", "abacus", "-o", "h"], "device 'abacus' cannot be used", 2),
    ],
)
def test_a_wrong_call_is_told(made, words, said, code):
    done = call("hypernetwork", made / "model", made / "texts.txt", *words)
    assert said in done.output
    assert done.exit_code == code


def test_what_is_missing_is_told(made, tmp_path):
    assert "no corpus" in call("hypernetwork", made / "model", "-o", tmp_path / "h").output
    assert call("hypernetwork", "no-such-model", made / "texts.txt", "-o", tmp_path / "h").exit_code == 1
    (tmp_path / "empty.txt").write_text("")
    done = call("hypernetwork", made / "model", tmp_path / "empty.txt", "-o", tmp_path / "h")
    assert "no text" in done.output
    assert done.exit_code == 1


def test_a_hypernetwork_is_for_one_method(made, tmp_path):
    words = ["tokenizer", made / "model", "--tokenizer", made / "target.json", "-o", tmp_path / "new"]
    (tmp_path / "hypernetwork").mkdir()
    done = call(*words, "--hypernetwork", tmp_path / "hypernetwork")
    assert "has no option 'hypernetwork'" in done.output
    assert done.exit_code == 2
    assert "needs a hypernetwork" in call(*words, "--method", "zett").output
    assert "no hypernetwork" in call(*words, "--method", "zett", "--hypernetwork", tmp_path / "none").output
