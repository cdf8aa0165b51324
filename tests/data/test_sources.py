import gzip
import os

import pytest

from vecloom.data import ReadReport, input_bytes, read
from vecloom.data.selection import Selection
from vecloom.data.sources import find, identity_of
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
        "main.css": b"a { color: red; }",
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
    assert "main.css" in caught.value.todo


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


def test_what_is_left_out_is_named(tree):
    report = ReadReport()
    list(read([str(tree)], report=report))
    assert report.names["unsupported"] == [str(tree / "main.css")]
    assert report.names["hidden"] == [str(tree / ".hidden.txt"), str(tree / "sub/.secret")]
    assert f"1 of other formats ({tree}/main.css)" in report.summary()


def test_of_many_the_first_three_are_named(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.css").write_text("a { b: 0 }")
    (tmp_path / "a.txt").write_text("text")
    report = ReadReport()
    list(read([str(tmp_path)], report=report))
    shown = ", ".join(f"{tmp_path}/{number}.css" for number in range(3))
    assert f"9 of other formats ({shown} and 6 more)" in report.summary()


def test_each_spelling_of_a_path_is_one_name(tree, monkeypatch):
    monkeypatch.chdir(tree)
    expected = ["sub/c.txt", "sub/core.txt"]
    for spelling in ("sub", "./sub", "sub/", "sub//", "./sub/../sub", ".//sub/.", f"../{tree.name}/sub"):
        wanted = (
            expected if ".." not in spelling or spelling.startswith("./") else [f"../{tree.name}/{n}" for n in expected]
        )
        assert names([spelling]) == wanted
    assert names(["."])[:2] == ["a.md", "b.txt"]
    assert names(["./*.txt"]) == ["b.txt"]


def test_dots_behind_a_link_lead_where_the_link_leads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "a.txt").write_text("far")
    (tmp_path / "a.txt").write_text("near")
    (tmp_path / "link").symlink_to("far/deep")
    assert names(["link/../a.txt"]) == ["link/../a.txt"]
    assert [document.text for document in read(["link/../a.txt"])] == ["far"]


def test_a_file_named_twice_is_read_once(tree):
    report = ReadReport()
    assert names([tree / "sub", tree / "sub/c.txt", f"{tree}/sub/*.txt", tree / "b.txt", tree / "b.txt"], report) == [
        str(tree / name) for name in ("sub/c.txt", "sub/core.txt", "b.txt")
    ]
    assert report.repeated == 4


def test_a_folder_named_twice_is_read_once_however_it_is_spelled(tree, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "link").symlink_to("sub")
    expected = ["sub/c.txt", "sub/core.txt"]
    for again in ("sub", "sub/", "./sub", "../" + tree.name + "/sub", str(tree / "sub"), "link", "lin[k]", "sub/*"):
        assert names(["sub", again]) == expected, again


@pytest.mark.parametrize("link", ["a-link.txt", "z-link.txt"])
def test_a_link_to_a_file_of_the_same_folder_is_that_file(tree, link):
    (tree / link).symlink_to("b.txt")
    report = ReadReport()
    assert names([tree], report) == [str(tree / name) for name in ("a.md", "b.txt", "sub/c.txt", "sub/core.txt")]
    assert report.repeated == 1


def test_a_link_to_a_file_elsewhere_is_read_by_its_own_name(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "o.txt"
    other.write_text("other")
    (tree / "link.txt").symlink_to(other)
    assert str(tree / "link.txt") in names([tree])
    # and by the other's where that folder is named too, whichever comes first
    assert str(tree / "link.txt") not in names([tree, other.parent])
    assert str(other) in names([other.parent, tree])


def test_a_link_to_what_is_left_out_is_read(tree):
    (tree / "link.txt").symlink_to(tree / "sub/.secret/d.txt")
    assert str(tree / "link.txt") in names([tree])


def test_a_hard_link_is_one_document(tree):
    os.link(tree / "b.txt", tree / "c.txt")
    assert names([tree]) == [str(tree / name) for name in ("a.md", "b.txt", "sub/c.txt", "sub/core.txt")]


def test_a_file_keeps_the_name_under_which_it_is_known(tree, monkeypatch):
    monkeypatch.chdir(tree)
    report = ReadReport()
    found = list(find([str(tree)], report, known={identity_of("sub/c.txt"): "sub/c.txt"}))
    assert [source.name for source in found] == [
        str(tree / "a.md"),
        str(tree / "b.txt"),
        "sub/c.txt",
        str(tree / "sub/core.txt"),
    ]
    assert report.renamed == 1
    assert "known under another name and not added twice: 1" in report.summary()


def test_a_search_index_is_not_read(tree):
    (tree / "my.index" / "rows.lance").mkdir(parents=True)
    (tree / "my.index" / "index.json").write_text('{"text": "no document"}')
    (tree / "my.index" / "notes.txt").write_text("none either")
    report = ReadReport()
    expected = [str(tree / name) for name in ("a.md", "b.txt", "sub/c.txt", "sub/core.txt")]
    assert names([tree], report) == expected
    assert report.names["index_files"] == [str(tree / "my.index")]
    assert [name for name in names([f"{tree}/**/*.*"]) if "my.index" in name] == []
    with pytest.raises(DataError, match="1 of search indexes"):
        names([tree / "my.index"])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(include=("*.txt",)), ["b.txt", "sub/c.txt", "sub/core.txt"]),
        (Selection(include=("*.txt", "*.md"), exclude=("core.*",)), ["a.md", "b.txt", "sub/c.txt"]),
        (Selection(exclude=("sub/",)), ["a.md", "b.txt"]),
        (Selection(exclude=("/*.txt",)), ["a.md", "sub/c.txt", "sub/core.txt"]),
        (Selection(exclude=("*.txt", "!c.txt")), ["a.md", "sub/c.txt"]),
        (Selection(include=("/sub/",)), ["sub/c.txt", "sub/core.txt"]),
    ],
)
def test_patterns_choose_among_the_files_of_folders_and_globs(tree, selection, expected):
    for given in (str(tree), f"{tree}/**"):
        found = find([given], ReadReport(), selection=selection)
        assert [source.name for source in found] == [str(tree / name) for name in expected]


def test_a_file_that_was_named_is_read_whatever_the_patterns(tree):
    assert [s.name for s in find([str(tree / "a.md")], ReadReport(), selection=Selection(exclude=("*",)))] == [
        str(tree / "a.md")
    ]


@pytest.mark.parametrize("name", ["README.Debian", "NOTES", "changes.2024"])
def test_prose_of_unknown_suffix_is_read(inputs, name):
    inputs.write(name, "The package is built without the optional parts.\nSee the manual for more.\n")
    (document,) = inputs.read_folder()
    assert document.id.endswith(name)


def test_packed_prose_of_unknown_suffix_is_read(inputs):
    inputs.write("NEWS.Debian.gz", gzip.compress(b"The package is built without the optional parts."))
    (document,) = inputs.read_folder()
    assert document.text == "The package is built without the optional parts."


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.css", "The body is red and the rest is blue."),
        ("table", "a_1=2;b_2=3; {1} {2}"),
        ("key.pub", "AAAAB3NzaC1yc2EAAAADAQABAAABgQC7+/x= 8f3e:77"),
    ],
)
def test_programs_settings_and_numbers_of_unknown_format_are_not_read(inputs, name, data):
    inputs.write(name, data)
    inputs.write("a.txt", "text")
    assert [document.text for document in inputs.read_folder()] == ["text"]
    assert inputs.report.unsupported == 1
