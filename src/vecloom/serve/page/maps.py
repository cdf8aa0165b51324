"""Maps of indexes: made once for each state of an index, in a process of their own, with progress, and kept in the cache folder.

A server answers others while a map is computed, so that happens outside it: ``python -m vecloom.serve.page.maps FOLDER
OUT``. The process writes how far it is beside its result, and the result under its name when it is whole.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.files import atomic_path, cache_dir, text_digest, write_text
from vecloom.search import Index
from vecloom.serve.page import projection
from vecloom.serve.page.projection import Layout

MOST_POINTS = 500_000
TEXT = 400  # characters of a chunk that are read for labels


@dataclass
class Maps:
    """The maps of a server's indexes; make them with ``state``, read them with ``layout``."""

    _running: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)
    _read: dict[Path, Layout] = field(default_factory=dict)

    def state(self, index: Index) -> dict[str, Any]:
        """Begin where nothing was begun; ``{"state": "computing" | "ready" | "failed", "progress", "trouble"}``."""
        file = place(index)
        if file.is_file():
            return {"state": "ready", "progress": 1.0}
        trouble = file.with_suffix(".failed")
        running = self._running.get(file)
        if running is None and not trouble.is_file():
            command = [sys.executable, "-m", "vecloom.serve.page.maps", str(index.path), str(file)]
            self._running[file] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        elif running is not None and running.poll() is not None:
            del self._running[file]
            if not trouble.is_file() and not file.is_file():
                write_text(trouble, f"The process that made the map ended with code {running.returncode}.")
        if trouble.is_file() and file not in self._running:
            return {"state": "failed", "progress": 0.0, "trouble": trouble.read_text(encoding="utf-8")}
        progress = file.with_suffix(".progress")
        return {"state": "computing", "progress": float(progress.read_text()) if progress.is_file() else 0.0}

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
    """Where the map of this state of the index is kept."""
    return cache_dir("maps") / f"{text_digest(f'{index.path.resolve()} {index.state}')[:24]}.npz"


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
    progress.unlink(missing_ok=True)


def main() -> None:
    """Make the map that the command line names; leave a sentence where that fails."""
    folder, out = (Path(argument) for argument in sys.argv[1:])
    try:
        make(folder, out)
    except Exception as error:
        write_text(out.with_suffix(".failed"), str(error))
        raise


if __name__ == "__main__":
    main()
