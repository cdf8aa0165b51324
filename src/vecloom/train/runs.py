"""The folder beside a model in which its run lives: checkpoints, the best model so far, and what the run was about.

``OUTPUT.run`` holds ``run.json`` (what decides the curve: recipe, data, model), ``checkpoint-N`` (whole where ``vecloom.json``
lies in it, which is written last), ``best`` (a model), ``before.json`` (scores of the model before the first step),
``finished.json`` and TensorBoard's ``runs``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vecloom.errors import UsageError
from vecloom.files import one_process, sync, write_text

MARK = "vecloom.json"
LOSS_STATE = "loss_state.pt"
_CHECKPOINT = "checkpoint-"


class RunFolder:
    """The folder of one run.

    Args:
        output: the model directory that the run is to write.
    """

    def __init__(self, output: str | os.PathLike[str]) -> None:
        self.output = Path(output)
        self.path = self.output.with_name(f"{self.output.name}.run")
        self.best = self.path / "best"

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.path / f"{_CHECKPOINT}{step}"

    def checkpoints(self) -> list[Path]:
        """Whole checkpoints, in order of their steps."""
        found = [path.parent for path in self.path.glob(f"{_CHECKPOINT}*/{MARK}")]
        return sorted(found, key=lambda path: int(path.name.removeprefix(_CHECKPOINT)))

    def complete(self, checkpoint: Path, state: Mapping[str, Any]) -> None:
        """Call a checkpoint whole: everything in it is on disk before the mark is."""
        for file in checkpoint.rglob("*"):
            sync(file)
        write_text(checkpoint / MARK, json.dumps(state))

    def keep(self, count: int) -> None:
        """Remove all whole checkpoints but the last ones."""
        for old in self.checkpoints()[:-count]:
            # the mark first: what is half removed must not look whole
            (old / MARK).unlink()
            shutil.rmtree(old)

    def state(self, checkpoint: Path) -> dict[str, Any]:
        """What ``complete`` was given."""
        found: dict[str, Any] = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        return found

    def write(self, name: str, value: Any) -> None:
        """Keep a JSON value."""
        write_text(self.path / name, json.dumps(value, ensure_ascii=False, indent=1))

    def read(self, name: str) -> Any:
        """A kept value, or None."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def claim(self, decides: Mapping[str, Any], *, resume: bool) -> None:
        """Begin here, or go on where the same run stopped.

        Args:
            decides: flat keys and values of all that decides the run's curve.
            resume: whether to go on; otherwise what lies here is removed.

        Raises:
            UsageError: another run lies here, or the output is a directory that no run made.
        """
        known = self.read("run.json")
        if resume and known is not None:
            self._check_same(known, decides)
        elif self.output.exists() and (resume or not (self.output / "modules.json").is_file()):
            todo = (
                "Choose another output, or train anew over it with --no-resume." if resume else "Choose another output."
            )
            raise UsageError(f"{self.output} is there already, and no run of it is known.", todo)
        if not resume:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        for torn in self.path.glob(f"{_CHECKPOINT}*"):
            if not (torn / MARK).is_file():
                shutil.rmtree(torn)
        self.write("run.json", dict(decides))

    def _check_same(self, known: Mapping[str, Any], decides: Mapping[str, Any]) -> None:
        now = json.loads(json.dumps(dict(decides)))
        for key in [*now, *known]:
            if known.get(key) != now.get(key):
                raise UsageError(
                    f"{self.path} holds a run in which {key} was {known.get(key)!r}, and now it is {now.get(key)!r}.",
                    "Set it back to go on, choose another output, or begin anew with --no-resume.",
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while the block runs.

        Raises:
            UsageError: another process trains here.
        """
        with one_process(self.path, f"Another process trains {self.output} at the moment."):
            yield
