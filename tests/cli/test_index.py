import inspect
import json
import os
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
    told = json.loads(run("index", docs, "-i", tmp_path / "i", "--delete-missing", "--yes", "--json").stdout)
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
        (["{docs}", "-i", "{docs}"], 2, "one of the inputs"),
        (["{docs}/tea.md", "-i", "{docs}/bread.txt"], 2, "bread.txt is a file, and an index is a folder"),
        (["--info", "{docs}/tea.md"], 1, "vecloom index {docs}/tea.md -i INDEX"),
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
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize("records", ['{"text": "a"', '{"text": "a"}\n{"text"'])
def test_a_failure_before_anything_is_added_leaves_no_index_behind(run, tmp_path, records):
    (tmp_path / "bad.jsonl").write_text(records)
    assert run("index", tmp_path / "bad.jsonl", "-i", tmp_path / "i").exit_code == 1
    assert not (tmp_path / "i").exists()


def test_a_failure_leaves_an_index_that_was_there(run, docs, tmp_path):
    run("index", docs, "-i", tmp_path / "i")
    (tmp_path / "bad.jsonl").write_text('{"text"')
    assert run("index", tmp_path / "bad.jsonl", "-i", tmp_path / "i").exit_code == 1
    assert Index.open(tmp_path / "i").info().documents == 2


def told(run, *args):
    return json.loads(run("index", *args, "--json").stdout)


def many(folder, count, text="Page {}."):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number}.txt").write_text(text.format(number))
    return folder


def test_more_than_a_fifth_is_removed_only_with_yes(run, tmp_path):
    docs, index = many(tmp_path / "docs", 10), tmp_path / "i"
    run("index", docs, "-i", index)
    for number in range(2):
        (docs / f"{number}.txt").unlink()
    assert told(run, docs, "-i", index, "--delete-missing")["removed"] == 2  # a fifth
    for number in range(2, 4):
        (docs / f"{number}.txt").unlink()
    result = run("index", docs, "-i", index, "--delete-missing")
    assert result.exit_code == 1
    assert "2 documents of 8 there would be removed" in result.stderr
    assert "--yes" in result.stderr
    assert Index.open(index).info().documents == 8
    assert told(run, docs, "-i", index, "--delete-missing", "--yes")["removed"] == 2


def test_only_what_lies_in_the_inputs_is_removed(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(tmp_path / "a", 6), many(tmp_path / "b", 6)
    run("index", "a", "b", "-i", "ix")
    (tmp_path / "a" / "0.txt").unlink()
    (tmp_path / "b" / "0.txt").unlink()
    assert told(run, "./a/", "-i", "ix", "--delete-missing")["removed"] == 1
    assert "b/0.txt" in Index.open("ix").sources()
    assert told(run, "b/*.txt", "-i", "ix", "--delete-missing")["removed"] == 1
    (tmp_path / "b" / "1.txt").unlink()
    assert told(run, tmp_path / "b", "-i", "ix", "--delete-missing")["removed"] == 1  # known by another spelling


def test_an_empty_folder_removes_nothing_unless_told_to(run, tmp_path):
    docs, index = many(tmp_path / "docs", 3), tmp_path / "i"
    run("index", docs, "-i", index)
    for path in docs.iterdir():
        path.unlink()
    assert run("index", docs, "-i", index, "--delete-missing").exit_code == 1
    docs.rmdir()
    assert run("index", docs, "-i", index, "--delete-missing", "--yes").exit_code == 2
    assert Index.open(index).info().documents == 3
    docs.mkdir()
    assert told(run, docs, "-i", index, "--delete-missing", "--yes")["removed"] == 3


def test_other_spellings_of_a_folder_add_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(tmp_path / "n", 2)
    (tmp_path / "link").symlink_to("n")
    assert told(run, "n", "-i", "ix")["added"] == 2
    for spelling in ("./n", "n/", "x/../n", "n//", str(tmp_path / "n"), "link", "n/*.txt", "n/0.txt", "."):
        found = told(run, spelling, "-i", "ix")
        assert (found["added"], found["replaced"]) == (0, 0), spelling
    result = run("index", tmp_path / "n", "-i", "ix")
    assert "known under another name and not added twice: 2" in result.stdout
    assert Index.open("ix").sources() == {"n/0.txt", "n/1.txt"}


def test_the_index_may_lie_in_the_folder_and_is_not_read(run, tmp_path, monkeypatch):
    monkeypatch.chdir(many(tmp_path / "n", 2))
    assert told(run, ".", "-i", "./my.index")["added"] == 2
    found = told(run, ".", "-i", "my.index", "--delete-missing")
    assert (found["added"], found["unchanged"], found["removed"], found["read"]["index_files"]) == (0, 2, 0, 1)


def test_the_same_id_twice_is_said_and_costs_nothing_the_second_time(run, tmp_path):
    records, index = tmp_path / "r.jsonl", tmp_path / "i"
    records.write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n{"id": "a", "text": "three"}\n')
    result = run("index", records, "-i", index)
    assert "1 document with an id that came before, the last of each is kept: a" in result.stdout
    found = told(run, records, "-i", index)
    assert (found["added"], found["replaced"], found["unchanged"], found["repeated"]) == (0, 0, 2, 1)
    assert [hit.text for hit in Index.open(index).search("three", mode="keyword")] == ["three"]


def test_what_has_neither_text_nor_title_is_counted_and_named(run, tmp_path):
    records = tmp_path / "r.jsonl"
    records.write_text('{"id": "a", "title": "Tea", "text": ""}\n{"id": "b", "title": "", "text": ""}\n')
    result = run("index", records, "-i", tmp_path / "i")
    assert "1 document new, 1 without text and title, left out." in result.stdout
    assert "without text and title: b" in result.stdout
    assert "text from column 'text', title from column 'title'" in result.stderr


def test_patterns_choose_files(run, docs, tmp_path):
    found = told(run, docs, "-i", tmp_path / "i", "--exclude", "*.md")
    assert (found["added"], found["read"]["excluded"]) == (1, 1)
    assert told(run, docs, "-i", tmp_path / "i", "--include", "*.md")["added"] == 1


def test_the_same_id_in_a_name_that_is_not_utf8_stays_apart(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
        with open(name, "wb") as file:
            file.write(name[:3])
    assert told(run, ".", "-i", "ix")["added"] == 2
    assert told(run, ".", "-i", "ix")["unchanged"] == 2
    assert Index.open("ix").sources() == {"caf%E9.txt", "caf%E8.txt"}


def test_a_path_that_is_not_utf8_is_printed_as_utf8(run, docs, tmp_path):
    result = run("index", docs, "-i", tmp_path / os.fsdecode(b"caf\xe9"))
    assert (result.exit_code, f"{tmp_path}/caf%E9, is not UTF-8" in result.stderr) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]
    missing = run("index", tmp_path / os.fsdecode(b"gone\xe9"), "-i", tmp_path / "i")
    assert (missing.exit_code, "gone%E9" in missing.stderr) == (2, True)


def test_patterns_that_let_no_file_through_remove_nothing(run, tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("a.md", "b.md"):
        (tmp_path / "d" / name).write_text(f"The text of {name}.")
    assert run("index", tmp_path / "d", "-i", tmp_path / "i").exit_code == 0
    done = run("index", tmp_path / "d", "-i", tmp_path / "i", "--include", "*.nope", "--delete-missing", "--yes")
    assert done.exit_code == 1
    assert "Check --include and --exclude: they let no file through." in done.stderr
    assert "documents  2" in run("index", "--info", tmp_path / "i").stdout
