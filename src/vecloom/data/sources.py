"""From what the user typed to a list of files: paths, folders, globs and "-", always in the same order."""

from __future__ import annotations

import difflib
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from vecloom.data.context import STDIN, Source
from vecloom.data.decoding import SNIFF, is_binary
from vecloom.data.formats import FORMATS, format_of
from vecloom.data.report import ReadReport
from vecloom.errors import DataError, UsageError

KINDS = ", ".join(suffix.removeprefix(".") for suffix in FORMATS)


def check_inputs(inputs: Sequence[str]) -> None:
    """Raise for an input that is not there.

    Raises:
        UsageError: no inputs, a path that does not exist (close names are offered), or a glob without a match.
    """
    if not inputs:
        raise UsageError("No input was given.", "Name files, folders or globs, or - for standard input.")
    if list(inputs).count(STDIN) > 1:
        raise UsageError("Standard input (-) was given twice.", "Name it once.")
    for name in inputs:
        if name == STDIN or os.path.exists(name):
            continue
        if not glob.has_magic(name):
            raise UsageError(f"There is no file or folder {name!r}.", _advice(name))
        if next(glob.iglob(name, recursive=True), None) is None:
            raise UsageError(f"No file matches {name!r}.", "Check the pattern; ** stands for any folders.")


def find(inputs: Sequence[str], report: ReadReport) -> Iterator[Source]:
    """Yield the files to read, folders and globs in sorted order; what is left out is counted.

    Raises:
        UsageError: see ``check_inputs``.
        DataError: a folder or the matches of a glob hold nothing that can be read.
    """
    check_inputs(inputs)
    for name in inputs:
        if name == STDIN:
            yield Source(STDIN)
        elif os.path.isdir(name):
            yield from _some(_walk(name, report, set()), name, report)
        elif os.path.exists(name):
            yield Source(name)
        else:
            yield from _some(_matches(name, report), name, report)


def input_bytes(inputs: Sequence[str]) -> int | None:
    """Sum of the sizes of all files that ``read`` would open, for a progress bar; None where it cannot be known.

    ``ReadReport.bytes_read`` grows to this sum.
    """
    total = 0
    for source in find(inputs, ReadReport()):
        if source.name == STDIN or not source.path.is_file():
            return None
        total += source.path.stat().st_size
    return total


def _advice(name: str) -> str:
    path = Path(name)
    try:
        close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=3)
    except OSError:
        return f"There is no folder {str(path.parent)!r} either."
    near = " or ".join(repr(str(path.parent / other)) for other in close)
    return f"Did you mean {near}?" if near else "Check the spelling."


def _some(sources: Iterator[Source], name: str, report: ReadReport) -> Iterator[Source]:
    """Pass sources on, and raise where there are none."""
    before = (report.hidden, report.binary, report.unsupported, report.unreadable)
    first = next(sources, None)
    if first is None:
        now = (report.hidden, report.binary, report.unsupported, report.unreadable)
        counts = [after - earlier for earlier, after in zip(before, now, strict=True)]
        seen = "{} hidden, {} binary, {} of other formats, {} unreadable".format(*counts)
        raise DataError(f"{name!r} holds no file that can be read ({seen}).", f"These formats are read: {KINDS}.")
    yield first
    yield from sources


def _matches(pattern: str, report: ReadReport) -> Iterator[Source]:
    seen: set[tuple[int, int]] = set()
    for name in sorted(glob.glob(pattern, recursive=True)):
        # below "**" the folders' files are matches themselves
        if os.path.isdir(name):
            if "**" not in pattern:
                yield from _walk(name, report, seen)
        elif _is_readable(name, report):
            yield Source(name, explicit=False)


def _walk(folder: str, report: ReadReport, seen: set[tuple[int, int]]) -> Iterator[Source]:
    """Yield a folder's files, names in order of their characters; links are followed, but no folder twice."""
    try:
        status = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError as error:
        report.unreadable += 1
        report.note(f"{folder}: {error.strerror}.")
        return
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return
    seen.add(identity)
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith("."):
            report.hidden += 1
        elif os.path.isdir(path):
            yield from _walk(path, report, seen)
        elif _is_readable(path, report):
            yield Source(path, explicit=False)


def _is_readable(path: str, report: ReadReport) -> bool:
    """Whether a file found in a folder is to be read; counts it where it is not."""
    try:
        status = os.stat(path)
        if format_of(path) is not None and stat.S_ISREG(status.st_mode):
            return True
        binary = stat.S_ISREG(status.st_mode) and is_binary(_head(path))
    except OSError as error:
        report.unreadable += 1
        report.note(f"{path}: {error.strerror}.")
        return False
    if binary:
        report.binary += 1
    else:
        report.unsupported += 1
    return False


def _head(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(SNIFF)
