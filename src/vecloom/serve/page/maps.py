"""Maps of indexes: made once for each state of an index, in a process of their own, with progress, and kept in the cache folder.

A server answers others while a map is computed, so that happens outside it: ``python -m vecloom.serve.page.maps FOLDER
OUT``. The process writes how far it is beside its result, and the result under its name when it is whole.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.files import atomic_path, cache_place, text_digest, write_text
from vecloom.search import Index
from vecloom.serve.page import projection
from vecloom.serve.page.projection import Layout

MOST_POINTS = 500_000
TEXT = 400  # characters of a chunk that are read for labels
FULL_DISK = 75  # exit code: nothing can be written


@dataclass
class Maps:
    """The maps of a server's indexes; make them with ``state``, read them with ``layout``."""

    _running: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)
    _failed: dict[Path, str] = field(default_factory=dict)
    _read: dict[Path, Layout] = field(default_factory=dict)

    def state(self, index: Index) -> dict[str, Any]:
        """Begin where nothing was begun; ``{"state": "computing" | "ready" | "failed", "progress", "trouble"}``."""
        file = place(index)
        if file.is_file():
            return {"state": "ready", "progress": 1.0}
        if file not in self._failed:
            self._look_after(index, file)
        if file in self._failed:
            return {"state": "failed", "progress": 0.0, "trouble": self._failed[file]}
        progress = _beside(file, ".progress")
        return {"state": "computing", "progress": float(progress or 0.0)}

    def _look_after(self, index: Index, file: Path) -> None:
        """Begin, or see how it ended. A failure is remembered until the server ends or the index changes."""
        running = self._running.get(file)
        if running is None:
            command = [sys.executable, "-m", "vecloom.serve.page.maps", str(index.path), str(file)]
            self._running[file] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        elif running.poll() is not None:
            del self._running[file]
            if not file.is_file():
                told = f"The process that made the map ended with code {running.returncode}."
                if running.returncode == FULL_DISK:
                    told = "The disk is full or read-only."
                self._failed[file] = _beside(file, ".failed") or told

    def layout(self, index: Index) -> Layout | None:
        """The finished map, or None."""
        file = place(index)
        if file not in self._read and file.is_file():
            with np.load(file) as kept:
                labels = json.loads(str(kept["labels"]))
                self._read[file] = Layout(kept["keys"], kept["xy"], kept["clusters"], labels)
        return self._read.get(file)

    def close(self) -> None:
        """End what is running; it begins anew with the next server."""
        for process in self._running.values():
            process.terminate()


def place(index: Index) -> Path:
    """Where the map of this state of the index is kept; the folder may not be there yet."""
    return cache_place("maps") / f"{text_digest(f'{index.path.resolve()} {index.state}')[:24]}.npz"


def _beside(file: Path, suffix: str) -> str:
    """What the process wrote beside its result, or ""."""
    try:
        return file.with_suffix(suffix).read_text(encoding="utf-8")
    except OSError:
        return ""


def make(folder: Path, out: Path) -> None:
    """Compute a map and write it."""
    index = Index.open(folder)
    progress = out.with_suffix(".progress")

    def step(done: float) -> None:
        write_text(progress, f"{done:.3f}")

    step(0.0)
    keys, vectors = index.matrix()
    if len(keys) > MOST_POINTS:
        kept = np.sort(np.random.default_rng(projection.SEED).choice(len(keys), MOST_POINTS, replace=False))
        keys, vectors = keys[kept], vectors[kept]
    texts = dict(zip(*index.values("text"), strict=True))
    made = projection.layout(keys, vectors, [str(texts[key])[:TEXT] for key in keys.tolist()], step)
    with atomic_path(out) as temporary:
        np.savez(temporary, keys=made.keys, xy=made.xy, clusters=made.clusters, labels=json.dumps(list(made.labels)))


def main() -> None:
    """Make the map that the command line names; where that fails, leave a sentence, or say so by the exit code."""
    folder, out = (Path(argument) for argument in sys.argv[1:])
    failed = out.with_suffix(".failed")
    try:
        failed.unlink(missing_ok=True)
        make(folder, out)
    except OSError:
        sys.exit(FULL_DISK)
    except Exception as error:
        write_text(failed, str(error))
        raise
    finally:
        with suppress(OSError):
            out.with_suffix(".progress").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
