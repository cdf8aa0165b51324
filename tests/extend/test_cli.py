import json

import pytest
from click.testing import CliRunner
from tests.encoders import tiny

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


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--to", "128"], "no output"),
        (["-o", "x"], "no target length"),
        (["--to", "128", "-o", "x", "--method", "groupd"], "no method 'groupd'.*grouped"),
        (["--to", "128", "-o", "x", "--set", "group"], "not NAME=VALUE"),
        (["--to", "32", "-o", "x"], "64 tokens already"),
    ],
)
def test_a_wrong_call_is_answered(args, match, bert):
    with pytest.raises(UsageError, match=match):
        call(bert, *args)


def test_no_model_is_no_extension():
    with pytest.raises(UsageError, match="There is no model"):
        call("--to", "128")
