"""Which files of a folder or glob are taken: ``--include`` and ``--exclude``, patterns as .gitignore has them.

A pattern without a slash fits a name at any depth, one with a slash is anchored at the folder that was named; a folder that is
excluded is not entered; the last pattern that fits decides, and "!" turns one round. Files that were named are always read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vecloom.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Selection:
    """Patterns of what to read.

    Attributes:
        include: only files that one of these fits; all files where there is none.
        exclude: no file or folder that one of these fits; stronger than ``include``.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Whether a file is read, by its path below the folder that was named."""
        wanted = not self.include or self._included.match_file(path)
        return wanted and not (self.exclude and self._excluded.match_file(path))

    def enters(self, folder: str) -> bool:
        """Whether a folder is looked into."""
        return not self.exclude or not self._excluded.match_file(f"{folder}/")

    @cached_property
    def _included(self) -> GitIgnoreSpec:
        return _spec(self.include, "--include")

    @cached_property
    def _excluded(self) -> GitIgnoreSpec:
        return _spec(self.exclude, "--exclude")


def _spec(patterns: Sequence[str], option: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UsageError(
            f"{option} {' '.join(patterns)} is not a pattern: {error}.", "Write it as in .gitignore."
        ) from error


ALL = Selection()
