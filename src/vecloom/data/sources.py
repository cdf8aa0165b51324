"""From what the user typed to a list of files: paths, folders, globs and "-", always in the same order, each file once."""

from __future__ import annotations

import difflib
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from vecloom.data.context import Source
from vecloom.data.decoding import SNIFF, is_binary
from vecloom.data.formats import FORMATS, format_of, maildir_part, mbox
from vecloom.data.formats.manual import is_manual
from vecloom.data.names import STDIN, file_of, given_file, normal, shown
from vecloom.data.prose import is_prose
from vecloom.data.report import ReadReport
from vecloom.data.selection import ALL, Selection
from vecloom.errors import DataError, UsageError
from vecloom.outputs import glob_matches

KINDS = ", ".join(suffix.removeprefix(".") for suffix in FORMATS)
Identity: TypeAlias = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""


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
        if name == STDIN or os.path.exists(given_file(name)):
            continue
        if not glob.has_magic(name):
            raise UsageError(f"There is no file or folder {shown(name)!r}.", _advice(name))
        if next(glob.iglob(name, recursive=True), None) is None:
            raise UsageError(f"No file matches {shown(name)!r}.", "Check the pattern; ** stands for any folders.")


def find(
    inputs: Sequence[str],
    report: ReadReport,
    *,
    selection: Selection = ALL,
    known: Mapping[Identity, str] | None = None,
    allow_empty: bool = False,
) -> Iterator[Source]:
    """Yield the files to read, folders and globs in sorted order; what is left out is counted and the first few named.

    A file that comes by a second time, by a link or because it was named twice, is left out. A link to a file or folder that
    is found by itself in what was named is left out too: the file has one name, whatever the order.

    Args:
        inputs: what to read.
        report: counts what is met.
        selection: which files of folders and globs.
        known: names that files have already; they keep these.
        allow_empty: a folder that holds nothing to read is not an error.

    Raises:
        UsageError: see ``check_inputs``.
        DataError: a folder or the matches of a glob hold nothing that can be read.
    """
    check_inputs(inputs)
    folders = [os.path.realpath(name) for name in map(given_file, inputs) if os.path.isdir(name)]
    finder = _Finder(report, selection, known or {}, folders)
    for name in inputs:
        path = given_file(name)
        if name == STDIN:
            yield Source(STDIN)
        elif os.path.isdir(path):
            yield from _some(finder.walk(normal(path), ""), name, finder, allow_empty)
        elif os.path.exists(path):
            yield from finder.take(normal(path), explicit=True)
        else:
            yield from _some(finder.matches(name), name, finder, allow_empty)


def input_bytes(inputs: Sequence[str], selection: Selection = ALL) -> int | None:
    """Sum of the sizes of all files that ``read`` would open, for a progress bar; None where it cannot be known.

    ``ReadReport.bytes_read`` grows to this sum.
    """
    total = 0
    for source in find(inputs, ReadReport(), selection=selection, allow_empty=True):
        if source.name == STDIN or not source.path.is_file():
            return None
        total += source.path.stat().st_size
    return total


def identity_of(path: str) -> Identity | None:
    """What a regular file is; None for what is none, or is not there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) and status.st_ino else None


def known_files(sources: Iterable[str]) -> dict[Identity, str]:
    """Names by what their files are, of those that are there."""
    found = ((identity_of(file_of(name)), name) for name in sorted(sources, reverse=True) if name != STDIN)
    return {identity: name for identity, name in found if identity is not None}


def covers(inputs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a document's source is one of the inputs, lies in one or is matched by one, however they are spelled."""
    roots = [one for name in inputs for one in _spellings(given_file(name)) if name != STDIN and not _is_glob(name)]
    globs = [one for name in inputs if _is_glob(name) for one in _spellings(name)]

    def within(source: str) -> bool:
        if source == STDIN:
            return STDIN in inputs
        places = _spellings(file_of(source))
        below = any(place == root or place.startswith(os.path.join(root, "")) for root in roots for place in places)
        return below or any(glob_matches(pattern, place) for pattern in globs for place in places)

    return within


def _is_glob(name: str) -> bool:
    return glob.has_magic(name) and not os.path.exists(given_file(name))


def _spellings(path: str) -> tuple[str, str]:
    return os.path.abspath(path), os.path.realpath(path)


def is_index(folder: str) -> bool:
    """Whether a folder is a search index: what it holds is made of documents, and is none."""
    try:
        return _lists_index(os.listdir(folder))
    except OSError:
        return False


def _lists_index(names: Sequence[str]) -> bool:
    return "index.json" in names and any(name.endswith(".lance") for name in names)


def _advice(name: str) -> str:
    path = Path(name)
    try:
        close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=3)
    except OSError:
        return f"There is no folder {shown(str(path.parent))!r} either."
    near = " or ".join(repr(shown(str(path.parent / other))) for other in close)
    return f"Did you mean {near}?" if near else "Check the spelling."


def _some(sources: Iterator[Source], name: str, finder: _Finder, allow_empty: bool) -> Iterator[Source]:
    """Pass sources on, and raise where there are none."""
    report, before, again = finder.report, dict(finder.report.left_out), finder.again
    first = next(sources, None)
    if first is not None:
        yield first
        yield from sources
    elif not (allow_empty or finder.again > again or report.left_out["repeated"] > before["repeated"]):
        counts = {kind: report.left_out[kind] - before[kind] for kind in before}
        seen = report.listed(counts, names=False) or "it is empty"
        what = f"{shown(name)!r} holds no file that can be read ({seen})."
        if counts.get("excluded"):
            raise DataError(what, "Check --include and --exclude: they let no file through.")
        raise DataError(what, f"These formats are read: {KINDS}.")


@dataclass
class _Finder:
    """One call of ``find``: what was seen so far.

    Attributes:
        report: counts what is left out.
        selection: which files are taken.
        known: names that files have already.
        folders: the folders that were named, links resolved.
        files: names of the files that came by.
        entered: the folders that were looked into.
        again: how many folders came by once more.
    """

    report: ReadReport
    selection: Selection
    known: Mapping[Identity, str]
    folders: Sequence[str]
    files: dict[Identity, str] = field(default_factory=dict)
    entered: set[Identity] = field(default_factory=set)
    again: int = 0

    def matches(self, pattern: str) -> Iterator[Source]:
        """The matches of a glob; folders among them are read whole."""
        base = base_of(pattern)
        for name in sorted(glob.glob(pattern, recursive=True)):
            below = os.path.relpath(name, base)
            # below "**" the folders' files are matches themselves
            if os.path.isdir(name):
                if "**" not in pattern and self.selection.enters(below):
                    yield from self.walk(normal(name), below)
            elif any(map(is_index, _between(base, name))):
                self.report.leave_out("index_files", shown(normal(name)))
            else:
                yield from self._file(normal(name), below)

    def walk(self, folder: str, below: str) -> Iterator[Source]:
        """A folder's files, names in order of their characters; ``below`` is its path under what was named."""
        try:
            status = os.stat(folder)
            names = sorted(os.listdir(folder))
        except OSError as error:
            self._unreadable(folder, error)
            return
        identity = (status.st_dev, status.st_ino)
        if identity in self.entered:
            self.again += 1
            return
        self.entered.add(identity)
        if _lists_index(names):
            self.report.leave_out("index_files", shown(folder))
            return
        for name in names:
            path, part = normal(os.path.join(folder, name)), os.path.join(below, name)
            if name.startswith(".") and not _is_maildir(path):
                self.report.leave_out("hidden", shown(path))
            elif not os.path.isdir(path):
                yield from self._file(path, part)
            elif not self.selection.enters(part):
                self.report.leave_out("excluded", shown(path))
            elif not (os.path.islink(path) and self._comes_by_itself(path)):
                yield from self.walk(path, part)

    def _file(self, path: str, below: str) -> Iterator[Source]:
        if not self.selection.takes(below):
            self.report.leave_out("excluded", shown(path))
        elif os.path.islink(path) and self._comes_by_itself(path):
            self.report.leave_out("repeated", f"{shown(path)} is {shown(os.path.relpath(os.path.realpath(path)))}")
        elif self._is_readable(path):
            yield from self.take(path, explicit=False)

    def take(self, path: str, *, explicit: bool) -> Iterator[Source]:
        """The file, unless it came by before; by the name that it has already."""
        name, identity = shown(path), identity_of(path)
        if identity is None:
            yield Source(name, explicit, path)
            return
        if identity in self.files:
            self.report.leave_out(
                "repeated", f"{name} is {self.files[identity]}" if self.files[identity] != name else name
            )
            return
        kept = self.known.get(identity, name)
        if kept != name:
            self.report.leave_out("renamed", f"{name} is {kept}")
        self.files[identity] = kept
        yield Source(kept, explicit, path)

    def _comes_by_itself(self, link: str) -> bool:
        """Whether what a link leads to is found in one of the folders that were named, without the link."""
        real = os.path.realpath(link)
        for folder in self.folders:
            if real == folder or not real.startswith(os.path.join(folder, "")):
                continue
            below = os.path.relpath(real, folder)
            seen = not any(part.startswith(".") for part in below.split(os.sep))
            taken = self.selection.enters(below) if os.path.isdir(real) else self.selection.takes(below)
            if seen and taken and not any(map(is_index, _between(folder, real))):
                return os.path.exists(real)
        return real in self.folders

    def _is_readable(self, path: str) -> bool:
        """Whether a file found in a folder is to be read; counts it where it is not."""
        try:
            regular = stat.S_ISREG(os.stat(path).st_mode)
            half_delivered = maildir_part(Path(path)) == "tmp"
            if regular and not half_delivered and (format_of(path) is not None or _reads_as_text(path)):
                return True
            binary = regular and is_binary(_head(path))
        except OSError as error:
            self._unreadable(path, error)
            return False
        self.report.leave_out("binary" if binary else "unsupported", shown(path))
        return False

    def _unreadable(self, path: str, error: OSError) -> None:
        self.report.leave_out("unreadable", shown(path))
        self.report.note(f"{shown(path)}: {error.strerror}.")


def base_of(pattern: str) -> str:
    """The folder that a glob starts from: all before its first part with a wildcard."""
    base = pattern
    while glob.has_magic(base):
        base = os.path.dirname(base)
    return base or os.curdir


def _between(folder: str, path: str) -> Iterator[str]:
    """The folders from ``folder`` (itself left out) down to the one that holds ``path``."""
    at = folder
    for part in os.path.relpath(path, folder).split(os.sep)[:-1]:
        at = os.path.join(at, part)
        yield at


def _reads_as_text(path: str) -> bool:
    """Whether a file of unknown format is a folder of mails (Thunderbird gives these no suffix), a manual page, or prose."""
    return mbox.is_mbox(_head(path)) or is_manual(path) or is_prose(path)


def _is_maildir(folder: str) -> bool:
    """Whether a folder holds mails; those below another of its kind have names that begin with a dot."""
    return all(os.path.isdir(os.path.join(folder, part)) for part in ("cur", "new", "tmp"))


def _head(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(SNIFF)
