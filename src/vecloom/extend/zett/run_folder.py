"""The folder beside a hypernetwork in which its training lives: what decides it, and the last checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vecloom.errors import ModelError, UsageError, first_line, from_os_error
from vecloom.files import atomic_path, one_process, write_text


class RunFolder:
    """``OUTPUT.run``, with ``run.json`` and ``checkpoint.pt``.

    Args:
        output: where the hypernetwork is to be written.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.run")
        self._checkpoint = self.path / "checkpoint.pt"

    def claim(self, decides: Mapping[str, Any]) -> None:
        """Begin here, or go on where the same training stopped.

        Args:
            decides: all that the outcome depends on, as JSON values.

        Raises:
            UsageError: another training lies here.
            OutputError: the folder cannot be made.
        """
        now = json.loads(json.dumps(dict(decides)))
        place = self.path / "run.json"
        try:
            known = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
            if not known:
                write_text(place, json.dumps(now, indent=1))
        except OSError as error:
            raise from_os_error(error, "beginning the training", self.path) from error
        for key in now if known else ():
            if known.get(key) != now[key]:
                raise UsageError(
                    f"{self.path} holds a training in which {key} was {known.get(key)!r}, and now it is {now[key]!r}.",
                    "Set it back to go on, choose another output, or begin anew with --no-resume.",
                )

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, wholly or not at all."""
        import torch

        try:
            with atomic_path(self._checkpoint) as temporary:
                torch.save(dict(state), temporary)
        except OSError as error:
            raise from_os_error(error, "writing a checkpoint", self._checkpoint) from error

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None.

        Raises:
            ModelError: it cannot be read.
        """
        import torch

        if not self._checkpoint.is_file():
            return None
        try:
            found: dict[str, Any] = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises whatever the unpickler did
            raise ModelError(
                f"The checkpoint {self._checkpoint} cannot be read: {first_line(error)}.",
                "Begin anew with --no-resume.",
            ) from error
        return found

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while the block runs.

        Raises:
            UsageError: another process trains here.
        """
        with one_process(self.path, f"Another process trains {self.output} at the moment."):
            yield
