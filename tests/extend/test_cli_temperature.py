import json

import pytest
from click.testing import CliRunner
from tests.encoders import tiny

import vecloom as vl
from vecloom.cli.extend import extend
from vecloom.errors import UsageError, VecloomError


def call(*args):
    found = CliRunner().invoke(extend, ["temperature", *map(str, args)])
    if isinstance(found.exception, VecloomError):
        raise found.exception
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    file = tmp_path_factory.mktemp("corpus") / "texts.jsonl"
    rows = [{"text": tiny.text(50, seed=seed), "stars": seed % 2} for seed in range(30)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_temperature_that_is_given_is_taken(bert, tmp_path):
    told = call(bert, "--tau", 0.8, "-o", tmp_path / "out").stdout
    assert "at temperature 0.8" in told
    assert "4 tensors scaled" in told
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tempscale"] == {"taus": [0.8, 0.8]}
    assert "arXiv:2410.24200" in (tmp_path / "out" / "README.md").read_text()
    assert vl.load(tmp_path / "out").encode(["the cat"]).shape == (1, 32)


def test_one_for_each_layer(bert, tmp_path):
    told = json.loads(call(bert, "--tau", 0.8, "--tau", 0.5, "-o", tmp_path / "out", "--json").stdout)
    assert told["taus"] == [0.8, 0.5]


def test_a_search_says_what_it_is_worth(bert, corpus, tmp_path):
    told = call(bert, corpus, "--length", 16, "-o", tmp_path / "out").stdout
    assert "reciprocal rank of the next part" in told
    assert "95 % interval" in told
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_labels_and_layers(bert, corpus, tmp_path):
    found = call(bert, corpus, "--label", "stars", "--per-layer", "--length", 32, "-o", tmp_path / "out", "--json")
    told = json.loads(found.stdout)
    assert told["found"]["measure"] == "same label among the nearest 5"
    assert len(told["taus"]) == 2


def test_the_diagnosis_is_shown_and_drawn(bert, corpus, tmp_path):
    told = call(bert, corpus, "--diagnose", "--length", 8, "--length", 16, "--tau", 0.8, "--plot", tmp_path / "c.png")
    assert "Mean cosine of two of 30 texts" in told.stdout
    assert "temperature 0.8" in told.stdout
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(call(bert, corpus, "--diagnose", "--length", 8, "--json").stdout)
    assert found["lengths"] == [8]
    assert len(found["rates"]["1"]) == 2


def test_explain_does_nothing(bert, tmp_path):
    told = call(bert, "--tau", 0.8, "-o", tmp_path / "out", "--explain").stdout
    assert "tensors      4" in told
    assert not (tmp_path / "out").exists()
    assert "trials of 1, 0.95" in call(bert, "--explain").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out"], "neither texts nor a temperature"),
        (["--tau", "0.8"], "no output"),
        (["--plot", "x.png"], "--plot needs --diagnose"),
        (["--tau", "1.5", "-o", "out"], "temperature of 1.5 is not possible"),
        (["--diagnose"], "No input was given"),
    ],
)
def test_calls_that_are_wrong(arguments, message, bert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        call(bert, *arguments)


def test_a_label_that_is_not_there_is_named(bert, corpus, tmp_path):
    with pytest.raises(UsageError, match=r"no field 'star'.*It has stars"):
        call(bert, corpus, "--label", "star", "-o", tmp_path / "out")
