"""``vecloom index --watch``: the index follows its files until it is stopped.

Events only say that something happened; what happened is found by looking at all files again and comparing size, time and
inode, so nothing is missed and only what changed is read. Every change is committed by itself: whenever the process ends,
however it ends, the index is whole and the next start catches up.
"""

from __future__ import annotations

import glob
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from vecloom.cli import show
from vecloom.errors import MissingExtraError, UsageError, VecloomError, from_os_error

if TYPE_CHECKING:
    from vecloom.data import Document, ReadReport
    from vecloom.data.context import Context, Source
    from vecloom.search import Index

Stamp: TypeAlias = tuple[int, int, int, int]
DEBOUNCE = 1600  # milliseconds of events that are taken together at most
QUIET = 100  # milliseconds without an event, after which they are taken
LOOK = 1000  # milliseconds after which a stop is noticed


@dataclass
class Follower:
    """What the index was made of at the last look.

    Attributes:
        opened: the index.
        inputs: what was named.
        find: finds the files as they are now, and gives the context to read them with.
        yes: remove documents also where a folder is empty all at once.
        stop: set when it is to end.
        language: of all texts, where it is given.
        stamps: size, time and inode of each file, by name.
        ids: the documents of each file.
        empty: folders that were said to be empty.
        report: of the last look.
    """

    opened: Index
    inputs: Sequence[str]
    find: Callable[[], tuple[list[Source], Context]]
    yes: bool
    stop: threading.Event
    language: str | None = None
    stamps: dict[str, Stamp] = field(default_factory=dict)
    ids: dict[str, set[str]] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    report: ReadReport | None = None

    def look(self) -> dict[str, int]:
        """Bring the index up to date with its files; what was done, by count."""
        from vecloom.data.reader import read_sources

        sources, context = self.find()
        self.report = context.report
        now = {source.name: stamp_of(source) for source in sources}
        changed = [source for source in sources if self.stamps.get(source.name) != now[source.name]]
        fresh: dict[str, set[str]] = {source.name: set() for source in changed}
        added = self.opened.add(self._noted(read_sources(changed, context), fresh), language=self.language)
        done = {"added": added.added, "replaced": added.replaced, "removed": 0}
        if self.stop.is_set():
            return done
        broken = context.report.unreadable or context.report.bad_records
        stale = set[str]()
        for name, ids in fresh.items():
            kept = self.ids.get(name, set()) if broken and not ids else set[str]()
            stale |= self.ids.get(name, set()) - kept
            self.ids[name] = ids | kept
        gone = self._gone(now)
        stale = stale.union(*(self.ids.pop(name) for name in gone))
        done["removed"] = self._remove(stale)
        self.stamps = now
        return done

    def _noted(self, documents: Iterator[Document], fresh: dict[str, set[str]]) -> Iterator[Document]:
        for document in documents:
            if self.stop.is_set():
                return
            fresh.setdefault(document.source, set()).add(document.id)
            yield document

    def _gone(self, now: dict[str, Stamp]) -> list[str]:
        """Files that are not there any more; not those of a folder that is empty all at once."""
        from vecloom.data.sources import covers

        gone = [name for name in self.ids if name not in now]
        if not gone or self.yes:
            return gone
        for given in self.inputs:
            within = covers([given])
            if any(map(within, now)):
                continue
            if any(map(within, gone)) and given not in self.empty:
                self.empty.add(given)
                show.echo(f"{given} is empty now; its documents stay, unless --yes is given.", err=True)
            gone = [name for name in gone if not within(name)]
        return gone

    def _remove(self, ids: set[str]) -> int:
        here = set[str]().union(*self.ids.values())
        return self.opened.delete(sorted(ids - here)) if ids - here else 0


def stamp_of(source: Source) -> Stamp:
    """What changes when a file is written."""
    try:
        found = source.path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def folders_of(inputs: Sequence[str]) -> list[str]:
    """What has to be watched: folders, and those that hold the files and the matches of globs.

    Raises:
        UsageError: standard input cannot be watched.
    """
    from vecloom.data.names import STDIN, file_of
    from vecloom.data.sources import base_of

    if STDIN in inputs:
        raise UsageError("Standard input cannot be watched.", "Name files or folders.")
    found = []
    for path in map(file_of, inputs):
        if os.path.isdir(path):
            found.append(path)
        else:
            found.append(
                base_of(path) if glob.has_magic(path) and not os.path.exists(path) else os.path.dirname(path) or "."
            )
    return list(dict.fromkeys(map(os.path.realpath, found)))


def check_extra() -> None:
    """Say early that the watcher is missing.

    Raises:
        MissingExtraError: it is.
    """
    import importlib.util

    if importlib.util.find_spec("watchfiles") is None:
        raise MissingExtraError("Watching files needs watchfiles.", "watch")


def follow(follower: Follower, inputs: Sequence[str], told: Callable[[dict[str, int]], None]) -> None:
    """Look whenever something happens, until the stop is set; an error is said, and the next look tries again."""
    import watchfiles

    own = os.path.realpath(follower.opened.path)

    def counts(_: object, path: str) -> bool:
        return not (path == own or path.startswith(os.path.join(own, "")))

    events = watchfiles.watch(
        *folders_of(inputs),
        watch_filter=counts,
        debounce=DEBOUNCE,
        step=QUIET,
        rust_timeout=LOOK,
        yield_on_timeout=True,
        stop_event=follower.stop,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    due, said = True, ""  # what happened before the watch began
    for happened in events:
        if not (happened or due) or follower.stop.is_set():
            continue
        trouble = _looked(follower, told)
        due = bool(trouble)
        if trouble and trouble != said:
            show.echo(f"Error: {trouble} The watch goes on.", err=True)
        said = trouble


def _looked(follower: Follower, told: Callable[[dict[str, int]], None]) -> str:
    """Look once; what went wrong, or ""."""
    try:
        done = follower.look()
    except (VecloomError, OSError) as error:
        return str(error if isinstance(error, VecloomError) else from_os_error(error, "Reading the files"))
    if any(done.values()):
        told(done)
    return ""


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of ending the process in the middle of its work."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kinds = [signal.SIGINT, signal.SIGTERM]
    before = {kind: signal.signal(kind, lambda *_: stop.set()) for kind in kinds}
    try:
        yield stop
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        sys.stdout.flush()
