"""The command as a shell runs it, with the bundled model: exit codes, silent pipes, Ctrl-C, kill -9, closed pipes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

VECLOOM = [sys.executable, "-m", "vecloom"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return {**os.environ, "VECLOOM_CACHE": str(tmp_path_factory.mktemp("cache")), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def call(environment):
    def run(*args, stdin=""):
        command = [*VECLOOM, *map(str, args)]
        return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def index(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    (folder / "docs").mkdir()
    (folder / "docs" / "tea.md").write_text("# Brewing\nPour hot water on the leaves and wait four minutes.")
    (folder / "docs" / "bread.md").write_text("# Baking\nKnead the dough, let it rise, and put it into the oven.")
    done = call("index", folder / "docs", "-i", folder / "i", "--backend", "openvino")
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "i"


def test_a_question_is_answered_by_meaning_and_a_pipe_gets_no_colours(call, index):
    done = call("search", index, "how do I make a hot drink", "-k", 1, "--backend", "openvino")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" 1. ")
    assert "tea.md#0" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_mistyped_model_is_answered_with_a_close_name(call, tmp_path):
    done = call("embed", "-", "-o", tmp_path / "a.npy", "-m", "minilmm", stdin="x\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no model 'minilmm' here.\nDid you mean minilm?")
    assert done.stdout == ""


def test_every_exit_code(call, index):
    assert call("search", index, "tea", "--mode", "keyword").returncode == 0
    assert call("search", f"{index}.gone", "tea").returncode == 1
    assert call("search", index, "tea", "--where", "((").returncode == 2


def test_head_after_search_leaves_no_word(environment, index):
    queries = "tea\n" * 2000  # far more answers than a pipe holds
    command = [*VECLOOM, "search", str(index), "--mode", "keyword", "--json"]
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipe) as process:
        feeder = subprocess.Popen([sys.executable, "-c", f"print({queries!r})"], stdout=process.stdin)
        process.stdin.close()
        assert json.loads(process.stdout.readline())["query"] == "tea"
        process.stdout.close()
        said = process.stderr.read()
        process.wait(60)
        feeder.wait(60)
    assert (said, process.returncode) == ("", 0)


def many(path, count):
    path.write_text(
        "".join(
            json.dumps({"text": f"sentence number {i} about {i * 7919 % 1000} things"}) + "\n" for i in range(count)
        )
    )
    return path


def interrupt(environment, output, texts, with_signal):
    """Stop ``embed`` with a signal when its first part is there."""
    command = [*VECLOOM, "embed", str(texts), "-o", str(output), "--backend", "openvino"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    parts = output.with_name(f".{output.name}.parts")
    while process.poll() is None and not (parts.exists() and any(parts.glob("*.done"))):
        time.sleep(0.01)
    process.send_signal(with_signal)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow  # encodes 40,000 texts with the real model: the parts of a job are large
def test_stopped_and_called_again_it_gives_the_same_bytes(call, environment, tmp_path, stop):
    texts = many(tmp_path / "texts.jsonl", 20_000)
    code, said = interrupt(environment, tmp_path / "a.npy", texts, stop)
    if stop == signal.SIGINT:
        assert code == 130
        assert said.strip() == "Stopped. Finished parts are kept: the same command goes on from there."
    else:
        assert code == -signal.SIGKILL
    assert not (tmp_path / "a.npy").exists()
    again = call("embed", texts, "-o", tmp_path / "a.npy", "--backend", "openvino", "--json")
    assert json.loads(again.stdout)["encoded"] == 20_000 - 16_384
    assert call("embed", texts, "-o", tmp_path / "b.npy", "--backend", "openvino").returncode == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
