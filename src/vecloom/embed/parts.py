"""The folder of finished parts beside an output: what makes a job survive ``kill -9``.

``.NAME.parts/`` holds ``job.json`` (the settings that decide the result, and the int8 range once it is known), and for
each finished buffer its data files and then a marker ``000000.done``, each written atomically and synced. A part counts
when its marker is there and its files have the sizes that the marker names. One process at a time holds the lock.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vecloom import files
from vecloom.embed.quantize import Int8Range
from vecloom.errors import OutputError, UsageError, from_os_error

VERSION = 1  # of the folder's layout; another one cannot be resumed


@dataclass(frozen=True)
class Part:
    """A finished buffer, as its marker tells.

    Attributes:
        rows: number of rows.
        digest: of the input rows that it was made from.
        truncated: texts longer than the encoder reads.
        sizes: bytes of each data file, by name.
    """

    rows: int
    digest: str
    truncated: int
    sizes: Mapping[str, int]


def folder_of(output: Path) -> Path:
    """Where the parts of ``output`` are kept until it is complete; hidden, so that no folder of inputs includes it."""
    return output.with_name(f".{output.name}.parts")


class PartFolder:
    """The parts of one output; made by ``opened``."""

    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        self.path = path
        self._job = dict(job)
        self.span: Int8Range | None = None

    def stem(self, number: int) -> Path:
        """What the names of part ``number``'s files begin with."""
        return self.path / f"{number:06d}"

    def find(self, number: int) -> Part | None:
        """The finished part ``number``, or None where it has to be made."""
        try:
            data = json.loads(self._marker(number).read_text(encoding="utf-8"))
            part = Part(**data)
            whole = all((self.path / name).stat().st_size == size for name, size in part.sizes.items())
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return part if whole else None

    def finish(self, number: int, paths: Sequence[Path], *, rows: int, digest: str, truncated: int) -> Part:
        """Declare part ``number`` finished: its files are in place and synced."""
        part = Part(rows, digest, truncated, {path.name: path.stat().st_size for path in paths})
        files.write_text(self._marker(number), json.dumps(asdict(part)))
        return part

    def keep_span(self, span: Int8Range) -> None:
        """Store the int8 range, before the first part that uses it."""
        self.span = span
        self.write_manifest()

    def write_manifest(self) -> None:
        """Write ``job.json``."""
        span = None if self.span is None else self.span.as_dict()
        files.write_text(
            self.path / "job.json", json.dumps({"version": VERSION, "job": self._job, "int8": span}, indent=1)
        )

    def read_manifest(self) -> None:
        """Take over what ``job.json`` says, or write it where there is none.

        Raises:
            UsageError: the folder belongs to a job with other settings.
        """
        try:
            stored = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.write_manifest()
            return
        except ValueError as error:
            raise UsageError(f"{self.path / 'job.json'} cannot be read: {error}.", self.advice) from error
        if stored.get("version") != VERSION:
            raise UsageError(f"{self.path} was made by another version of vecloom.", self.advice)
        changes = _changes(stored["job"], self._job)
        if changes and not any(self.path.glob("*.done")):
            self.write_manifest()  # nothing was finished, so nothing is lost by other settings
            return
        if changes:
            raise UsageError(f"{self.path} belongs to an unfinished job with other settings: {changes}.", self.advice)
        self.span = Int8Range.from_dict(stored["int8"]) if stored["int8"] else None

    @property
    def advice(self) -> str:
        """What to do when the folder does not fit the job."""
        return "Give the first settings and inputs again to go on, or use --restart (restart=True) to begin anew."

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for path in self.path.iterdir():
            if path.name.startswith(".") and path.name != LOCK:
                path.unlink(missing_ok=True)

    def _marker(self, number: int) -> Path:
        return self.path / f"{number:06d}.done"


LOCK = ".lock"


@contextmanager
def opened(output: Path, job: Mapping[str, Any], *, restart: bool = False) -> Iterator[PartFolder]:
    """Hold the folder of parts for ``output``; it stays where the block fails and goes where the block ends well.

    Args:
        output: the file to be made.
        job: everything that decides the result besides the input, as plain JSON values.
        restart: throw away the parts that are there.

    Raises:
        UsageError: the folder's parts were made with other settings.
        OutputError: another process works on it, or it cannot be written.
    """
    import filelock

    path = folder_of(output)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise OutputError(f"Another process is writing {output}.", "Wait for it, or choose another output.") from error
    except OSError as error:
        raise from_os_error(error, "Preparing the output", output) from error
    try:
        folder = PartFolder(path, job)
        if restart:
            _empty(path)
        folder.sweep()
        folder.read_manifest()
        yield folder
        _empty(path)
    finally:
        lock.release()
    shutil.rmtree(path, ignore_errors=True)


def _empty(path: Path) -> None:
    # The manifest goes last: without it, parts that are left could be taken for another job's.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == "job.json"):
        if entry.name != LOCK:
            entry.unlink()


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in new if old.get(name) != new[name]]
    return ", ".join(f"{name} was {_short(old.get(name))}, now {_short(new[name])}" for name in names)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 24 else f"{text[:20]}...{text[-1]}"
