import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data import ReadReport, read
from vecloom.data.names import file_of, normal, shown

BYTES = st.binary(min_size=1, max_size=12).filter(lambda name: name not in (b".", b"..") and not {0, 47} & set(name))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_bytes_that_are_not_utf8_are_two_documents_whose_ids_open_the_files(folder):
    os.mkdir("n")
    for name, text in ((b"n/caf\xe9.md", "Roast the beans."), (b"n/caf\xe8.md", "Steep the leaves.")):
        with open(name, "w") as file:
            file.write(text)
    documents = list(read(["n"]))
    assert [document.id for document in documents] == ["n/caf%E8.md", "n/caf%E9.md"]
    assert [Path(file_of(document.id)).read_text() for document in documents] == [
        "Steep the leaves.",
        "Roast the beans.",
    ]
    # what is shown can be given, and a glob finds it too
    assert [document.id for document in read(["n/caf%E9.md"])] == ["n/caf%E9.md"]
    assert [document.id for document in read(["n/*.md"])] == ["n/caf%E8.md", "n/caf%E9.md"]


def test_names_in_utf8_stay_as_they_are(folder):
    for name in ("100%.txt", "a%20b.txt", "caf%C3%A9.txt", "café.txt"):
        (folder / name).write_text("text")
        assert [document.id for document in read([name])] == [name]


def test_a_file_that_has_the_quoted_name_itself_is_another(folder):
    for name in (b"caf\xe9.md", b"caf%E9.md"):
        with open(name, "w") as file:
            file.write(repr(name))
    documents = list(read(["."]))
    assert len({document.id for document in documents}) == 2
    assert all(Path(file_of(document.id)).read_text() == document.text for document in documents)


def test_a_folder_with_such_a_name_is_named_so_in_all_below_it(folder):
    os.mkdir(b"d\xff")
    with open(b"d\xff/50%.txt", "w") as file:
        file.write("text")
    (document,) = read([os.fsdecode(b"d\xff")])
    assert document.id == document.source == "d%FF/50%25.txt"
    assert Path(file_of(document.id)).read_text() == "text"


def test_a_report_of_such_names_is_utf8(folder):
    with open(b"\xe9.css", "w") as file:
        file.write("a { b: 0 }")
    (folder / "a.txt").write_text("text")
    report = ReadReport()
    list(read(["."], report=report))
    assert "%E9.css" in report.summary().encode().decode()


@given(names=st.lists(BYTES, min_size=1, max_size=6, unique=True))
def test_ids_are_unique_turn_back_into_paths_and_are_the_same_twice(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("n")
    made = set()
    for name in names:
        if name.startswith(b"."):
            continue
        with open(os.path.join(os.fsencode(folder), name + b".txt"), "wb") as file:
            file.write(b"text")
        made.add(os.path.join(os.fsencode(folder), name + b".txt"))
    ids = [document.id for document in read([str(folder)], allow_empty=True)]
    assert ids == [document.id for document in read([str(folder)], allow_empty=True)]
    assert len(set(ids)) == len(ids)
    assert {os.fsencode(file_of(name)) for name in ids} == made
    assert all(name.encode() for name in ids)


def test_dash_is_standard_input_and_a_file_called_so_is_not(folder):
    (folder / "-").write_text("The file is called so.")
    assert normal("./-") == "./-"
    assert [document.id for document in read(["./-"])] == ["./-"]


def test_shown_leaves_text_alone():
    assert shown("ä%E4") == "ä%E4"
