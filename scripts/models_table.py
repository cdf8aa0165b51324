"""Print the tables of docs/models.md: each kind of model folder, what opens it, and how far its vectors are off.

    python -m scripts.models_table > tables.md

Each layout is built and opened in a process of its own, since a native library may crash on one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

BACKENDS = {"openvino": "OpenVINO", "torch": "torch", "onnx": "ONNX"}


def row(name: str) -> str:
    """A line of the first table."""
    from tests.encoders.test_zoo import TEXTS, expected
    from tests.encoders.zoo import LAYOUTS

    import vecloom as vl

    with tempfile.TemporaryDirectory() as folder:
        path = LAYOUTS[name](Path(folder))
        encoder = vl.load(path)
        worst = max(
            float(abs(encoder.encode(TEXTS, kind=kind) - theirs).max())
            for kind, theirs in zip(("query", "document"), expected(path), strict=True)
        )
        session = getattr(encoder, "session", None)
        how = f"{BACKENDS[session.backend]}, {session.precision}" if session else "torch, f32"
        how = "NumPy" if type(encoder).__name__ == "StaticEncoder" else how
        return f"| {name} | {type(encoder).__name__} | {how} | {worst:.1e} |"


def refused(name: str) -> str:
    """A line of the second table."""
    from tests.encoders.zoo import REFUSED

    import vecloom as vl
    from vecloom.errors import ModelError

    with tempfile.TemporaryDirectory() as folder:
        path = REFUSED[name][0](Path(folder))
        try:
            vl.load(path)
        except ModelError as error:
            return f"| {name} | {error.what.replace(str(path), 'It')} | {error.todo} |"
    raise SystemExit(f"{name} was opened.")


def main() -> None:
    """Print both tables."""
    from tests.encoders.zoo import LAYOUTS, REFUSED

    print("| layout | opened by | computed by | largest difference |\n| --- | --- | --- | ---: |")
    for name in LAYOUTS:
        print(apart("row", name), flush=True)
    print("\n| layout | what you are told | what to do |\n| --- | --- | --- |")
    for name in REFUSED:
        print(apart("refused", name), flush=True)


def apart(what: str, name: str) -> str:
    """A line that another process makes."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.models_table", what, name], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    if not lines:
        raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return lines[-1]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print({"row": row, "refused": refused}[sys.argv[1]](sys.argv[2]))
    else:
        main()
