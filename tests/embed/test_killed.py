"""Kill -9 at random moments, again and again, until the job is done: the files must be those of a job left in peace."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed.py")


def start(output, dtype, kill_after=None):
    """True when the process said that it was done."""
    process = subprocess.Popen([sys.executable, SCRIPT, str(output), dtype], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    timer = threading.Timer(kill_after, process.kill) if kill_after is not None else None
    if timer:
        timer.start()
    said, _ = process.communicate()
    if timer:
        timer.cancel()
    return "done" in said


@pytest.mark.parametrize(("suffix", "dtype"), [(".npy", "float32"), (".parquet", "int8"), (".jsonl", "float16")])
def test_killed_again_and_again_it_gives_the_same_bytes(tmp_path, suffix, dtype):
    (tmp_path / "calm").mkdir()
    (tmp_path / "rough").mkdir()
    assert start(tmp_path / "calm" / f"out{suffix}", dtype)
    moments = random.Random(7)
    kills = 0
    # The first comes at once, so that there is one however fast the machine is; later ones leave more and more time.
    while not start(
        tmp_path / "rough" / f"out{suffix}", dtype, moments.uniform(0.0, 0.35) + kills / 50 if kills else 0.0
    ):
        kills += 1
        assert kills < 200, "it makes no progress"
    assert kills > 0
    calm = {path.name: path.read_bytes() for path in (tmp_path / "calm").iterdir()}
    rough = {path.name: path.read_bytes() for path in (tmp_path / "rough").iterdir()}
    assert rough == calm  # no parts, no temporary files, the same bytes
