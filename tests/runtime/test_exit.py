"""A program that ends while its model is alive ends well."""

import subprocess
import sys

PROGRAM = """
import vecloom as vl
model = vl.load("minilm", backend="openvino")
model.encode([f"text number {n} " * (1 + n % 40) for n in range(300)])
"""


def test_a_model_that_is_alive_at_the_end_does_no_harm():
    # one of OpenVINO's threads called into the interpreter when that was gone, most of the time
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
