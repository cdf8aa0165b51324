"""``Desk``: the SQLite database of what readers marked, subscribed to and were sent.

Write-ahead logging lets a page read while a digest is written. ``synchronous=FULL`` keeps what was committed also when the
power fails: a mail that was marked as sent stays so. Each thread has a connection of its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vecloom.desk.migrations import migrate
from vecloom.errors import DeskError, from_os_error

FILE = "desk.sqlite"
BUSY_MS = 10_000  # a writer's transaction takes milliseconds


def beside(index: str | os.PathLike[str]) -> Path:
    """Where the desk of an index is: in the folder that holds the index, one for all indexes there."""
    return Path(index).absolute().parent / FILE


class Desk:
    """An open desk; safe to use from several threads.

    Args:
        path: the database; made, readable by its owner only, where there is none.

    Raises:
        DeskError: it is no desk, broken, or of a newer vecloom.
        OutputError: it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise from_os_error(error, "opening the desk", self.path) from error
        try:
            migrate(self.db, str(self.path))
        except sqlite3.DatabaseError as error:
            raise DeskError(
                f"{self.path} cannot be used as a desk: {error}.", "Restore it, or name another."
            ) from error

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection: for reading; write inside ``transaction``."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # isolation_level=None: transactions begin where the code says so
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
            with self._opening:
                self._all.append(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write: all of the block or nothing. Writers take turns from its beginning on, so what it reads stays true.

        Within another one it is a part of that.
        """
        connection = self.db
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close all connections; no thread may use the desk any more."""
        with self._opening:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
