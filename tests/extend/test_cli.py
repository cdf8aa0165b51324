import json

import pytest
from click.testing import CliRunner
from tests.encoders import tiny
from tests.extend import networks

import vecloom as vl
from vecloom.cli.extend import extend
from vecloom.errors import UsageError, VecloomError


def call(*args):
    found = CliRunner().invoke(extend, [str(arg) for arg in args])
    if isinstance(found.exception, VecloomError):
        raise found.exception
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("word", [[], ["positions"]])
def test_the_first_word_may_be_a_model(word, bert, tmp_path):
    done = call(*word, bert, "--to", 128, "--method", "recurrent", "-o", tmp_path / "out")
    assert "reads 128 tokens instead of 64 by recurrent" in done.stdout
    assert vl.load(tmp_path / "out").max_length == 128


def test_options_may_come_first(bert, tmp_path):
    told = json.loads(call("--to", 128, "--json", "-o", tmp_path / "out", bert).stdout)
    assert (told["target_length"], told["source_length"]) == (128, 64)


def test_explain_alone_lists_every_method():
    from vecloom.extend import METHODS

    told = call("--explain").stdout
    assert all(name in told for name in METHODS)


def test_explain_says_what_would_be_done_and_does_not(bert, tmp_path):
    told = call(bert, "--to", 128, "--explain", "-o", tmp_path / "out").stdout
    assert "absolute" in told
    assert not (tmp_path / "out").exists()


def test_the_method_is_chosen_by_the_kind_of_positions(bert, tmp_path, monkeypatch):
    assert json.loads(call(bert, "--to", 128, "--explain", "--json").stdout)["method"] == "interpolate"
    decoder = networks.rotary(tmp_path, "llama", monkeypatch)
    assert json.loads(call(decoder, "--to", 128, "--explain", "--json").stdout)["method"] == "self_extend"


@pytest.mark.parametrize(
    ("options", "result"),
    [
        (["--method", "grouped"], "plain"),
        (["--method", "grouped", "--set", "by=text"], "module"),
        (["--method", "grouped", "--set", "attention_scaling=true"], "module"),
        (["--method", "interpolate"], "module"),
        (["--method", "pi", "--set", "short=squeezed"], "plain"),
        (["--method", "windows"], "module"),
    ],
)
def test_explain_tells_what_comes_out_and_so_it_is(options, result, bert, tmp_path):
    assert json.loads(call(bert, "--to", 128, *options, "--explain", "--json").stdout)["result"] == result
    told = json.loads(call(bert, "--to", 128, *options, "--json", "-o", tmp_path / "out").stdout)
    modules = (tmp_path / "out" / "modules.json").read_text()
    assert told["result"] == result == ("module" if "vecloom" in modules else "plain")


def test_a_table_is_tuned_on_pairs(bert, tmp_path):
    rows = [{"anchor": tiny.text(4, seed), "positive": f"{tiny.text(4, seed)} cat"} for seed in range(8)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call(
        bert, "--to", 128, "--method", "tune", "--pairs", tmp_path / "p.jsonl", "--set", "batch=4", "--set", "epochs=1",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert "rows_tuned: 64" in done.stdout


def test_a_mistyped_word_is_answered_with_a_close_one():
    found = call("temprature", "minilm")
    assert found.exit_code == 2
    assert "There is no word 'temprature' behind extend. Did you mean temperature?" in found.stderr


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--to", "128"], "no output"),
        (["-o", "x"], "no target length"),
        (["--to", "128", "-o", "x", "--method", "groupd"], "no method 'groupd'.*grouped"),
        (["--to", "128", "-o", "x", "--set", "group"], "not NAME=VALUE"),
        (["--to", "128", "-o", "x", "--set", "to=4"], "sets no option of a method"),
        (["--to", "128", "-o", "x", "--method", "grouped", "--set", "bye=text"], "no option 'bye'.*by"),
        (["--to", "128", "-o", "x", "--method", "tune"], "needs pairs"),
        (["--to", "32", "-o", "x"], "64 tokens already"),
    ],
)
def test_a_wrong_call_is_answered(args, match, bert):
    with pytest.raises(UsageError, match=match):
        call(bert, *args)


def test_no_model_is_no_extension():
    with pytest.raises(UsageError, match="There is no model"):
        call("--to", "128")
