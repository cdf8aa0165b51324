import inspect
import json
import shutil

import pytest

from vecloom.search import Index


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "tea.md").write_text("# Tea\nPour the water on the leaves.")
    (folder / "bread.txt").write_text("Knead the dough and let it rise.")
    return folder


def test_documents_are_added_and_found(run, docs, tmp_path):
    result = run("index", docs, "-i", tmp_path / "i")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{tmp_path / 'i'}: 2 documents new.\n  4 chunks written in" in result.stdout  # the fake reads 8 tokens
    found = run("search", tmp_path / "i", "knead dough", "--mode", "keyword")
    assert "bread.txt#0" in found.stdout
    assert "tea.md" not in found.stdout


def test_again_it_adds_replaces_and_removes(run, docs, tmp_path):
    run("index", docs, "-i", tmp_path / "i")
    (docs / "tea.md").write_text("# Tea\nAnother text.")
    (docs / "new.txt").write_text("New.")
    (docs / "bread.txt").unlink()
    told = json.loads(run("index", docs, "-i", tmp_path / "i", "--delete-missing", "--json").stdout)
    assert {name: told[name] for name in ("added", "replaced", "unchanged", "removed")} == {
        "added": 1,
        "replaced": 1,
        "unchanged": 0,
        "removed": 1,
    }
    assert told["read"]["files"] == 2


def test_without_delete_missing_what_is_gone_stays(run, docs, tmp_path):
    run("index", docs, "-i", tmp_path / "i")
    (docs / "bread.txt").unlink()
    assert "1 unchanged." in run("index", docs, "-i", tmp_path / "i").stdout
    assert Index.open(tmp_path / "i").info().documents == 2


def test_nothing_is_removed_when_something_could_not_be_read(run, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "1", "text": "x"}\n{"id": "2", "text": "y"}\n')
    run("index", path, "-i", tmp_path / "i")
    path.write_text('{"id": "1", "text": "x"}\nbroken\n')
    result = run("index", path, "-i", tmp_path / "i", "--skip-bad", "--delete-missing")
    assert "nothing was removed" in result.stdout
    assert Index.open(tmp_path / "i").info().documents == 2


@pytest.mark.parametrize("args", [["--info", "{i}"], ["--info", "-i", "{i}"], ["{i}", "--info"]])
def test_info_tells_what_is_inside(run, docs, tmp_path, args):
    run("index", docs, "-i", tmp_path / "i")
    told = run("index", *(arg.format(i=tmp_path / "i") for arg in args)).stdout
    assert "documents  2\n" in told
    assert "hash (f00d), 12 dimensions" in told
    assert "exact" in told


def test_info_as_json(run, docs, tmp_path):
    run("index", docs, "-i", tmp_path / "i")
    told = json.loads(run("index", "--info", tmp_path / "i", "--json").stdout)
    assert (told["documents"], told["model"], told["fingerprint"], told["kind"]) == (2, "hash", "f00d", "exact")


def test_chunk_sizes_are_kept_and_others_refused(run, docs, tmp_path):
    run("index", docs, "-i", tmp_path / "i", "--chunk-tokens", 8)
    assert (Index.open(tmp_path / "i").info().chunk_tokens, Index.open(tmp_path / "i").info().overlap) == (8, 1)
    refused = run("index", docs, "-i", tmp_path / "i", "--overlap", 2)
    assert refused.exit_code == 2
    assert "--chunk-tokens 8 --overlap 1" in refused.stderr


def test_the_help_tells_the_librarys_defaults(run):
    defaults = inspect.signature(Index.create).parameters
    assert (defaults["chunk_tokens"].default, defaults["overlap"].default) == (256, 256 // 8)
    assert "[default: 256]" in run("index", "--help").stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["-i", "{new}"], 2, "Name files or folders"),
        (["{docs}"], 2, "-i INDEX"),
        (["--info"], 2, "vecloom index --info INDEX"),
        (["--info", "a", "-i", "b"], 2, "vecloom index --info INDEX"),
        (["--info", "{new}"], 1, "{new}"),
        (["{docs}/gone", "-i", "{new}"], 2, "gone"),
        (["{docs}", "-i", "{docs}"], 2, "holds other files"),
    ],
)
def test_wrong_calls_say_what_to_do(run, docs, tmp_path, args, code, said):
    names = {"docs": docs, "new": tmp_path / "new"}
    result = run("index", *(arg.format(**names) for arg in args))
    assert result.exit_code == code
    assert said.format(**names) in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_without_anything_to_read_is_an_error(run, docs, tmp_path):
    shutil.rmtree(docs)
    docs.mkdir()
    result = run("index", docs, "-i", tmp_path / "i")
    assert result.exit_code == 1
    assert "holds no file that can be read" in result.stderr
