"""Whether what a command would write is, holds or lies within something that it reads: then nothing is written.

Replacing a file that is read loses it, replacing a folder loses what lies in it, and a file written into a folder that is read
is read as input the next time. Paths are compared as files, not as they are spelled: links, hard links and globs count.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from vecloom.errors import UsageError

STANDARD = "-"
Relation: TypeAlias = Literal["is", "holds", "lies within", "is matched by"]
_TODO = "Choose another output; nothing was written."


def check_apart(
    output: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]], allowed: Sequence[Relation] = ()
) -> None:
    """Refuse an output that would touch an input.

    Args:
        output: a file or folder that would be written; it need not exist.
        inputs: files, folders, globs and "-"; what is not there is no matter here.
        allowed: relations that do no harm, as for an index, which may lie within the folder that it indexes.

    Raises:
        UsageError: the output is one of the inputs, holds one, lies within one or is matched by one.
    """
    target = os.fspath(output)
    if target == STANDARD:
        return
    for given in (os.fspath(one) for one in inputs):
        relation = relation_of(target, given)
        if relation is not None and relation not in allowed:
            named = "standard input" if given == STANDARD else f"the input {_text(given)}"
            if relation == "is" and _text(given) == _text(target):
                raise UsageError(f"The output {_text(target)} is one of the inputs.", _TODO)
            raise UsageError(f"The output {_text(target)} {relation} {named}.", _TODO)


def relation_of(output: str, given: str) -> Relation | None:
    """What an output is to an input; None where they have nothing in common."""
    if given == STANDARD:
        return "is" if _is_stdin(output) else None
    if not os.path.exists(given):
        return "is matched by" if glob.has_magic(given) and _matched(output, given) else None
    written, read = os.path.realpath(output), os.path.realpath(given)
    if written == read or _same(output, given):
        return "is"
    if _below(read, written):
        return "holds"
    if os.path.isdir(read) and (_below(written, read) or _linked_within(written, read)):
        return "lies within"
    return None


def glob_matches(pattern: str, path: str) -> bool:
    """Whether a glob finds a path, or a folder above it; both absolute, and the path need not exist.

    >>> glob_matches("/n/**/*.txt", "/n/a/b.txt"), glob_matches("/n/*", "/n/a/b.txt"), glob_matches("/n/*", "/n/.a")
    (True, True, False)
    """
    parts, place = pattern.split(os.sep), path.split(os.sep)
    # below "**" the files are matches themselves, otherwise a folder that is found is read whole
    ends = range(len(place) if "**" in parts else 1, len(place) + 1)
    return any(_parts_match(parts, place[:end]) for end in ends)


def _parts_match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        visible = next((at for at, part in enumerate(path) if part.startswith(".")), len(path))
        return any(_parts_match(pattern[1:], path[skip:]) for skip in range(visible + 1))
    if not path or (path[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(path[0], pattern[0]) and _parts_match(pattern[1:], path[1:])


def _matched(output: str, pattern: str) -> bool:
    if any(_same(output, found) for found in glob.iglob(pattern, recursive=True)):
        return True
    return any(glob_matches(one, other) for one, other in zip(_spellings(pattern), _spellings(output), strict=True))


def _spellings(path: str) -> Iterator[str]:
    """A path from the root on: as it is spelled, and with the links of what exists of it resolved."""
    yield os.path.abspath(path)
    yield os.path.realpath(path)


def _below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _linked_within(path: str, folder: str) -> bool:
    """Whether a file of several names has one in the folder."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    if os.path.isdir(path) or status.st_nlink < 2:
        return False
    return any(_same(path, os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def _is_stdin(output: str) -> bool:
    try:
        return os.path.samestat(os.fstat(0), os.stat(output)) and os.path.isfile(output)
    except OSError:
        return False


def _text(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
