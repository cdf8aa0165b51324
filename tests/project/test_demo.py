"""What `make demo` shows: the standard library's docstrings answer real questions."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import vecloom as vl

SCRIPT = Path(__file__).parents[2] / "scripts" / "stdlib_docs.py"
ASKED = ("argparse", "csv", "difflib", "multiprocessing", "subprocess", "textwrap")


@pytest.fixture(scope="module")
def records() -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, check=True, timeout=240)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_docstrings_of_the_public_library_are_found(records: list[dict[str, object]]) -> None:
    ids = [str(record["id"]) for record in records]
    assert len(ids) == len(set(ids)) > 5000
    assert {"csv.py", "difflib.py::Differ", "email/message.py::Message.get_payload"} <= set(ids)


def test_private_modules_tests_and_programs_are_left_out(records: list[dict[str, object]]) -> None:
    tops = {str(record["id"]).partition("/")[0].partition(".")[0] for record in records}
    left_out = runpy.run_path(str(SCRIPT))["LEFT_OUT"]
    assert not tops & (left_out | {"site-packages"})
    assert not [top for top in tops if top.startswith("_") and top != "__future__"]


def test_the_questions_of_the_demo_are_answered(records: list[dict[str, object]], tmp_path: Path) -> None:
    index = vl.Index.create(tmp_path / "index", vl.load("minilm"))
    index.add(record for record in records if str(record["title"]).partition(".")[0] in ASKED)
    expected = {
        "read a csv file row by row": "csv",
        "run a function in another process with a timeout": "multiprocessing",
        "find the differences between two texts": "difflib",
    }
    found = {question: index.search(question, 1)[0].title.partition(".")[0] for question in expected}
    assert found == expected
