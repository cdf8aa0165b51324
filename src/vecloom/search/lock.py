"""One writer at a time: a lock file in the index's folder that the system frees when its holder dies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vecloom.errors import StoreBusyError, from_os_error

FILE = "writer.lock"
HOLDER = "writer.pid"


@contextmanager
def writer_lock(folder: Path, timeout: float) -> Iterator[None]:
    """Hold the folder's writer lock.

    Args:
        folder: the index's folder.
        timeout: seconds to wait for another writer.

    Raises:
        StoreBusyError: another writer still holds it; the sentence names its process.
        OutputError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(str(folder / FILE), timeout=timeout)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreBusyError(
            f"{folder} is being written by {_holder(folder)}; it was not free within {timeout:g} s.",
            "Wait until that is done, then run the same command again.",
        ) from error
    except OSError as error:
        raise from_os_error(error, "locking the index", folder) from error
    try:
        with suppress(OSError):  # only names the holder in the other writer's error
            (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink()
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
