"""An index that follows its files: a process of its own, real files, real signals."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from vecloom.search import Index

pytest.importorskip("watchfiles")
PROGRAM = Path(__file__).with_name("watching.py")
PATIENCE = 60  # seconds until a change that does not come is a failure


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"Page {number}.")
    return folder


@contextmanager
def watching(*args):
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, args), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def comes(index, expected):
    """Wait until the index holds these sources."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (index / "index.json").exists() and {Path(name).name for name in Index.open(index).sources()} == expected:
            return True
        time.sleep(0.1)
    return False


def test_changes_are_followed_until_a_signal_ends_it(docs, tmp_path):
    index = tmp_path / "i"
    with watching(docs, "-i", index, "--exclude", "*.md") as process:
        assert json.loads(process.stdout.readline())["added"] == 3
        (docs / "new.txt").write_text("A new page.")
        (docs / "left.md").write_text("# Not this")
        assert comes(index, {"0.txt", "1.txt", "2.txt", "new.txt"})
        (docs / "0.txt").unlink()
        (docs / "1.txt").unlink()  # half of them: it was seen to happen, so nobody has to agree
        assert comes(index, {"2.txt", "new.txt"})
        (docs / "2.txt").write_text("Another text.")
        end = time.monotonic() + PATIENCE
        while not Index.open(index).search("another", mode="keyword") and time.monotonic() < end:
            time.sleep(0.1)
        assert Index.open(index).search("another", mode="keyword")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert Index.open(index).info().documents == 2


def test_an_error_does_not_end_it(docs, tmp_path):
    index = tmp_path / "i"
    with watching(docs, "-i", index) as process:
        process.stdout.readline()
        (docs / "bad.jsonl").write_text("not JSON\n")
        time.sleep(2)
        assert process.poll() is None
        (docs / "bad.jsonl").write_text('{"id": "good", "text": "Now it is."}\n')
        assert comes(index, {"0.txt", "1.txt", "2.txt", "bad.jsonl"})
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_a_folder_that_is_empty_all_at_once_loses_nothing(docs, tmp_path):
    index = tmp_path / "i"
    with watching(docs, "-i", index) as process:
        process.stdout.readline()
        assert process.stderr.readline().startswith("Watching")
        for path in docs.iterdir():
            path.unlink()
        assert "is empty now; its documents stay" in process.stderr.readline()
    assert Index.open(index).info().documents == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_leaves_an_index_that_the_next_start_completes(docs, tmp_path, seed):
    index, drawn = tmp_path / "i", random.Random(seed)
    with watching(docs, "-i", index) as process:
        process.stdout.readline()
        for number in range(40):
            (docs / f"more{number}.txt").write_text(f"More page {number}. " * 20)
        time.sleep(drawn.uniform(0, 1.5))
        process.kill()
    assert Index.open(index).info().documents >= 3
    (docs / "0.txt").unlink()
    with watching(docs, "-i", index) as process:
        assert json.loads(process.stdout.readline())["removed"] == 1
        expected = {"1.txt", "2.txt", *(f"more{number}.txt" for number in range(40))}
        assert comes(index, expected)


def test_standard_input_cannot_be_watched(tmp_path):
    with watching("-", "-i", tmp_path / "i") as process:
        assert process.wait(PATIENCE) == 2
        assert "cannot be watched" in process.stderr.read()
    assert not (tmp_path / "i").exists()
