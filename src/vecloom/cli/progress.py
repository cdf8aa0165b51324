"""A progress bar with rate and remaining time on a terminal; elsewhere nothing, or a line from time to time for hours of work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vecloom.cli import show

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vecloom.data import ReadReport
    from vecloom.data.selection import Selection

EVERY = 10.0
"""Seconds between plain lines: enough to see that work goes on, and few in a log of hours."""


class Bar:
    """What a verb tells about its progress; does nothing by itself."""

    def advance(self, count: int) -> None:
        """So many more are finished."""

    def total(self, count: int) -> None:
        """So many there are in all."""

    def build(self, done: int, total: int) -> None:
        """So many of so many rows are in the graph: a second line, from its first call on."""


class TerminalBar(Bar):
    """Draws what it is told.

    Args:
        progress: rich's display.
        what: the word before the bar.
        size: bytes of all input, None where that is unknown.
        report: counts documents and bytes while they are read.
    """

    def __init__(self, progress: Progress, what: str, size: int | None, report: ReadReport) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=None, rate="")
        self._graph: TaskID | None = None
        self._size = size
        self._report = report
        self._known: int | None = None
        self._started = time.perf_counter()
        self._done = 0

    def advance(self, count: int) -> None:
        """So many more are finished."""
        self._done += count
        rate = self._done / max(time.perf_counter() - self._started, 1e-9)
        total = self._known or self._guess()
        self._progress.update(self._task, completed=self._done, total=total, rate=f"{rate:,.0f}/s")

    def total(self, count: int) -> None:
        """So many there are in all."""
        self._known = count
        self._progress.update(self._task, total=count)

    def build(self, done: int, total: int) -> None:
        """So many of so many rows are in the graph: a second line, from its first call on."""
        if self._graph is None:
            self._graph = self._progress.add_task("Building the graph", rate="")
        self._progress.update(self._graph, completed=done, total=total)

    def _guess(self) -> int | None:
        if self._size is None or not self._report.bytes_read:
            return None
        guessed = self._report.documents * self._size // self._report.bytes_read
        return max(self._done, guessed)


@contextmanager
def bar(what: str, inputs: Sequence[str], report: ReadReport, selection: Selection | None = None) -> Iterator[Bar]:
    """Show a bar on stderr while the block runs, if stderr is a terminal.

    The remaining time follows from how many documents came out of the bytes read so far, until their number is known.

    Args:
        what: the word before the bar.
        inputs: what is read, as the user gave it.
        report: counts documents and bytes while they are read.
        selection: which files of folders and globs are read.
    """
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich import progress as rich
    from rich.console import Console

    from vecloom.data.selection import ALL
    from vecloom.data.sources import input_bytes

    columns = [
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeRemainingColumn(),
    ]
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        yield TerminalBar(drawn, what, input_bytes(inputs, selection or ALL), report)


def plain_lines(what: str, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int, str], None]:
    """Print a line to stderr every ``EVERY`` seconds, and one at the end of work that took longer than that.

    Args:
        what: the word before the figures.
        clock: seconds that only rise.

    Returns:
        what to tell: steps done, steps in all, and what to say beside.
    """
    last, said = clock(), False

    def tell(done: int, total: int, now: str) -> None:
        nonlocal last, said
        if clock() - last < EVERY and not (said and done >= total):
            return
        last, said = clock(), True
        show.echo(f"{what}: step {done:,} of {total:,} ({done / max(total, 1):.0%}), {now}", err=True)

    return tell


@contextmanager
def steps(what: str, *, time_left: bool = False) -> Iterator[Callable[[int, int, str], None]]:
    """A bar over a training's steps, told the step, how many there are and what to say beside.

    Off a terminal (a log file, a batch system) it is a plain line on stderr now and then: see ``plain_lines``.
    """
    if not sys.stderr.isatty():
        yield plain_lines(what)
        return
    from rich import progress as rich
    from rich.console import Console

    columns: list[rich.ProgressColumn] = [
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[now]}"),
        *([rich.TimeRemainingColumn()] if time_left else []),
    ]
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(what, total=None, now="")

        def tell(done: int, total: int, now: str) -> None:
            drawn.update(task, completed=done, total=total, now=now)

        yield tell
