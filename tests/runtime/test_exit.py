"""A program that ends while its model is alive ends well."""

import subprocess
import sys

import openvino

import vecloom as vl

TEXTS = [f"text number {n} " * (1 + n % 40) for n in range(300)]
PROGRAM = """
import vecloom as vl
model = vl.load("minilm", backend="openvino")
model.encode([f"text number {n} " * (1 + n % 40) for n in range(300)])
"""


def test_a_queue_keeps_its_callback(monkeypatch):
    # One that is replaced is dropped by one of OpenVINO's threads, perhaps after the interpreter's end.
    given = []

    class Counted(openvino.AsyncInferQueue):
        def set_callback(self, callback):
            given.append(callback)
            super().set_callback(callback)

    monkeypatch.setattr(openvino, "AsyncInferQueue", Counted)
    model = vl.load("minilm", backend="openvino")
    for _ in range(3):
        model.encode(TEXTS)
    assert len(given) == 1


def test_a_model_that_is_alive_at_the_end_does_no_harm():
    for _ in range(4):  # where callbacks are replaced, a sixth to three quarters of the runs abort
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
