import json

import pytest
from click.testing import CliRunner
from tests.extend.vocabulary import kinds, models

import vecloom as vl
from vecloom.cli.extend import extend
from vecloom.errors import ModelError, UsageError, VecloomError


def call(*args):
    found = CliRunner().invoke(extend, [str(arg) for arg in args])
    if isinstance(found.exception, VecloomError):
        raise found.exception
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    kinds.byte_level().save(str(folder / "domain.json"))
    (folder / "texts.txt").write_text("\n".join([*kinds.CORPUS, *["the aileron of an aileron"] * 3]))
    return folder


def test_another_tokenizer(bert, files, tmp_path):
    done = call("tokenizer", bert, "--tokenizer", files / "domain.json", "-o", tmp_path / "out")
    assert "by mean: 379 tokens" in done.stdout
    assert vl.load(tmp_path / "out").encode(["the wing"]).shape == (1, 16)


def test_methods_that_learn_take_a_corpus_and_options(bert, files, tmp_path):
    told = json.loads(
        call(
            "tokenizer", bert, "--tokenizer", files / "domain.json", "--method", "omp", "--set", "atoms=3",
            "--corpus", files / "texts.txt", "--lines", "-o", tmp_path / "out", "--json",
        ).stdout
    )  # fmt: skip
    assert (told["method"], told["options"]["atoms"]) == ("omp", 3)
    assert len(told["per_text"]) == 2


def test_explain_lists_the_methods_or_says_what_would_be_done(bert, files, tmp_path):
    from vecloom.extend.vocabulary.methods import METHODS

    told = call("tokenizer", "--explain").stdout
    assert all(name in told for name in METHODS)
    told = call("tokenizer", bert, "--tokenizer", files / "domain.json", "--explain", "-o", tmp_path / "out").stdout
    assert "byte-level" in told
    assert "shared" in told
    assert not (tmp_path / "out").exists()


def test_trim_and_add(bert, files, tmp_path):
    done = call("vocabulary", bert, files / "texts.txt", "--trim", "--add", 1, "-o", tmp_path / "out").stdout
    pieces = len(vl.load(bert).tokenizer.encode("aileron", add_special_tokens=False).ids)
    saved = 6 * (pieces - 1)
    assert "1 word added" in done
    assert "Added: aileron" in done
    assert f"They save {saved} tokens in the corpus." in done
    told = call("vocabulary", bert, files / "texts.txt", "--add", 1, "--explain").stdout
    assert "aileron (6 times," in told
    assert f"{saved} tokens of the corpus" in told


def test_a_script_needs_no_corpus():
    told = json.loads(call("vocabulary", "minilm", "--trim", "--script", "latin", "--explain", "--json").stdout)
    assert "30,522 now" in told["tokens"]
    assert 0 < int(told["removed"].replace(",", "")) < 10_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["tokenizer", "MODEL", "--tokenizer", "T", "--method", "focs", "-o", "x"], UsageError, "Did you mean focus"),
        (["tokenizer", "MODEL", "-o", "x"], UsageError, "no tokenizer"),
        (["tokenizer", "MODEL", "--tokenizer", "T"], UsageError, "no output"),
        (["tokenizer", "MODEL", "--tokenizer", "TEXTS", "-o", "x"], ModelError, "cannot be read as a tokenizer"),
        (["tokenizer", "MODEL", "--tokenizer", "T", "--method", "focus", "-o", "x"], UsageError, "needs texts"),
        (
            ["tokenizer", "MODEL", "--tokenizer", "T", "--recipe", "r.yaml", "-o", "x"],
            UsageError,
            "needs texts to tune",
        ),
        (
            ["tokenizer", "MODEL", "--tokenizer", "T", "--corpus", "TEXTS", "--recipe", "r", "-o", "x"],
            UsageError,
            "no name",
        ),
        (["vocabulary", "MODEL", "TEXTS", "-o", "x"], UsageError, "nothing to do"),
        (["vocabulary", "MODEL", "TEXTS", "--trim"], UsageError, "no output"),
        (["vocabulary", "MODEL", "--trim", "-o", "x"], UsageError, "no corpus"),
        (["vocabulary", "MODEL", "TEXTS", "--add", "3", "--script", "latin", "-o", "x"], UsageError, "needs --trim"),
    ],
)
def test_calls_that_are_wrong(arguments, error, message, bert, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"MODEL": bert, "T": files / "domain.json", "TEXTS": files / "texts.txt"}
    with pytest.raises(error, match=message):
        call(*(places.get(argument, argument) for argument in arguments))
    assert not (tmp_path / "x").exists()
