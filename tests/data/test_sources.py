import os

import pytest

from vecloom.data import ReadReport, input_bytes, read
from vecloom.data.sources import find
from vecloom.errors import DataError, UsageError


@pytest.fixture
def tree(tmp_path):
    for name, data in {
        "b.txt": b"b",
        "a.md": b"# a",
        "sub/c.txt": b"c",
        "sub/.secret/d.txt": b"d",
        ".hidden.txt": b"h",
        "image.png": b"\x89PNG\0\0",
        "main.c": b"int main;",
        "sub/core.txt": b"ELF\0\0",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def names(inputs, report=None):
    return [source.name for source in find([str(one) for one in inputs], report or ReadReport())]


def test_folder_is_read_recursively_in_sorted_order_and_counts_what_it_leaves_out(tree):
    report = ReadReport()
    documents = list(read([str(tree)], report=report))
    assert [document.id for document in documents] == [str(tree / "a.md"), str(tree / "b.txt"), str(tree / "sub/c.txt")]
    assert (report.hidden, report.binary, report.unsupported, report.files) == (2, 2, 1, 4)


def test_link_loops_end_and_linked_folders_are_read_once(tree):
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "twice").symlink_to(tree / "sub")
    (tree / "broken.txt").symlink_to(tree / "nowhere")
    report = ReadReport()
    found = names([tree], report)
    assert len(found) == len({os.path.realpath(name) for name in found}) == 4
    assert report.unreadable == 1


def test_glob_finds_files_in_sorted_order(tree):
    assert names([f"{tree}/*.t?t"]) == [str(tree / "b.txt")]
    assert names([f"{tree}/**/*.txt"]) == [str(tree / name) for name in ("b.txt", "sub/c.txt", "sub/core.txt")]
    assert names([f"{tree}/s*"]) == [str(tree / "sub/c.txt"), str(tree / "sub/core.txt")]


def test_file_whose_name_is_a_pattern_is_that_file(tree):
    (tree / "[1].txt").write_text("one")
    assert names([tree / "[1].txt"]) == [str(tree / "[1].txt")]


def test_named_files_keep_the_order_given(tree):
    assert names([tree / "sub/c.txt", tree / "a.md"]) == [str(tree / "sub/c.txt"), str(tree / "a.md")]


def test_glob_without_match_is_a_usage_error(tree):
    with pytest.raises(UsageError, match="No file matches"):
        read([f"{tree}/*.parquet"])


def test_missing_path_offers_close_names(tree):
    with pytest.raises(UsageError, match=r"main\.d") as caught:
        read([str(tree / "main.d")])
    assert "main.c" in caught.value.todo


def test_missing_folder_is_said(tree):
    with pytest.raises(UsageError, match="no folder"):
        read([str(tree / "nowhere" / "x.txt")])


@pytest.mark.parametrize("inputs", [[], ["-", "-"]])
def test_impossible_inputs_are_usage_errors(inputs):
    with pytest.raises(UsageError):
        read(inputs)


def test_folder_without_readable_files_says_what_it_holds(tree):
    for name in ("a.md", "b.txt", "sub/c.txt", "sub/core.txt"):
        (tree / name).unlink()
    with pytest.raises(DataError, match="2 hidden, 1 binary, 1 of other formats") as caught:
        list(read([str(tree)]))
    assert "jsonl" in caught.value.todo


def test_pipe_in_a_folder_is_left_out(tree):
    os.mkfifo(tree / "pipe.txt")
    report = ReadReport()
    assert str(tree / "pipe.txt") not in names([tree], report)
    assert report.unsupported == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_stops_when_named_and_is_counted_in_a_folder(tree):
    (tree / "b.txt").chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        list(read([str(tree / "b.txt")]))
    report = ReadReport()
    list(read([str(tree)], report=report))
    assert report.unreadable == 1


def test_input_bytes_is_what_reading_counts(tree):
    report = ReadReport()
    list(read([str(tree)], report=report))
    assert input_bytes([str(tree)]) == report.bytes_read > 0
    assert input_bytes(["-"]) is None
