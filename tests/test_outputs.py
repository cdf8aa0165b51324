"""What is written is none of what is read: files are compared, not spellings."""

import os
import subprocess
import sys

import pytest

from vecloom.errors import UsageError
from vecloom.outputs import check_apart, glob_matches, relation_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n" / "sub").mkdir(parents=True)
    (tmp_path / "n" / "a.jsonl").write_text("{}")
    (tmp_path / "link.jsonl").symlink_to("n/a.jsonl")
    (tmp_path / "linked").symlink_to("n")
    os.link(tmp_path / "n/a.jsonl", tmp_path / "hard.jsonl")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "given", "relation"),
    [
        ("n/a.jsonl", "n/a.jsonl", "is"),
        ("./n//a.jsonl", "n/a.jsonl", "is"),
        ("n/sub/../a.jsonl", "n/a.jsonl", "is"),
        ("link.jsonl", "n/a.jsonl", "is"),
        ("n/a.jsonl", "link.jsonl", "is"),
        ("hard.jsonl", "n/a.jsonl", "is"),
        ("linked/a.jsonl", "n/a.jsonl", "is"),
        ("linked", "n", "is"),
        ("n/new.jsonl", "n", "lies within"),
        ("linked/sub/new.jsonl", "n", "lies within"),
        ("hard.jsonl", "n", "lies within"),
        ("n", "n/a.jsonl", "holds"),
        (".", "n/a.jsonl", "holds"),
        ("linked", "n/a.jsonl", "holds"),
        ("n/a.jsonl", "n/*.jsonl", "is matched by"),
        ("n/new.jsonl", "n/*.jsonl", "is matched by"),
        ("linked/new.jsonl", "n/*.jsonl", "is matched by"),
        ("hard.jsonl", "n/*.jsonl", "is matched by"),
        ("n/sub/new/x.jsonl", "**/*.jsonl", "is matched by"),
        ("n/sub/new.jsonl", "n/s*", "is matched by"),
        ("new.jsonl", "n", None),
        ("n.jsonl", "n", None),
        ("n/new.parquet", "n/*.jsonl", None),
        ("n/sub/new.jsonl", "n/*.jsonl", None),
        ("new.jsonl", "minilm", None),
    ],
)
def test_an_output_is_compared_with_an_input_as_a_file(folder, output, given, relation):
    assert relation_of(output, given) == relation
    if relation is None:
        check_apart(output, [given])
        return
    with pytest.raises(UsageError, match=relation if relation != "is" else "is "):
        check_apart(output, ["minilm", given])
    check_apart(output, [given], allowed=[relation])


def test_standard_input_may_be_the_output_too(folder):
    code = "from vecloom.outputs import relation_of; print(relation_of('n/a.jsonl', '-'))"
    for name, expected in (("n/a.jsonl", "is"), (os.devnull, "None")):
        with open(name) as stdin:
            done = subprocess.run([sys.executable, "-c", code], stdin=stdin, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_a_glob_leaves_hidden_names_alone():
    assert glob_matches("/n/.a/*", "/n/.a/b")
    assert not glob_matches("/n/**", "/n/.a/b")
    assert not glob_matches("/n/*/b", "/n/.a/b")
