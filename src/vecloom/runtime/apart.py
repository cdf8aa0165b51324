"""Try a backend in a process of its own: a native library that dies takes that process along, and not the caller's.

Networks that are converted for OpenVINO come in every shape, and some make it crash where others raise. What crashed in the trial
is not tried again in this process; what ran there runs here, from the same cached graph and kernels.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from vecloom.errors import BackendError
from vecloom.runtime.batching import Floats

LONGEST = 900
"""Seconds for conversion, compilation and the probe texts."""


def measure_apart(path: Path, backend: str, precision: str, variant: str, threads: int | None) -> tuple[Floats, float]:
    """The probe's vectors and the texts per second of a candidate, measured in another process.

    Args:
        path: the model directory.
        backend: as in ``choose.Trial``, and so are precision and variant.
        precision: "f32" or "bf16".
        variant: "" or what is special about it.
        threads: CPU threads.

    Raises:
        BackendError: it failed, crashed, or took longer than ``LONGEST``; the sentence says which.
    """
    with tempfile.TemporaryDirectory(prefix="vecloom-trial-") as folder:
        out = Path(folder, "vectors.npy")
        asked = json.dumps([str(path), backend, precision, variant, threads, str(out)])
        try:
            done = subprocess.run(
                [sys.executable, "-m", "vecloom.runtime.apart", asked],
                capture_output=True, text=True, timeout=LONGEST, check=False, env=_environment(),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise BackendError(f"The trial took longer than {LONGEST} s.", "") from error
        if done.returncode < 0:
            raise BackendError(f"It crashed (signal {-done.returncode}).", "")
        if done.returncode:
            raise BackendError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1], "")
        return np.load(out), float(done.stdout.split()[-1])


def _environment() -> dict[str, str]:
    """This process's environment, with its import path, so that the other one finds the same vecloom."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def main(asked: str) -> None:
    """Be that process: write the vectors, print the rate."""
    from vecloom.errors import first_line
    from vecloom.runtime.choose import make_session, measure
    from vecloom.runtime.directory import read_spec

    path, backend, precision, variant, threads, out = json.loads(asked)
    spec = read_spec(Path(path))
    try:
        vectors, rate = measure(spec, make_session(spec, backend, precision, variant, threads))
    except Exception as error:  # the caller needs one line
        sys.exit(first_line(error))
    np.save(out, vectors)
    sys.stdout.write(f"{rate}\n")


if __name__ == "__main__":
    main(sys.argv[1])
