"""Files on disk: the cache folder and writes that happen wholly or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vecloom.errors import OutputError, UsageError


def cache_place(*parts: str) -> Path:
    """A folder below vecloom's cache, ``$VECLOOM_CACHE`` or the system's user cache, which may not be there."""
    import platformdirs

    root = os.environ.get("VECLOOM_CACHE") or platformdirs.user_cache_dir("vecloom", appauthor=False)
    return Path(root, *parts)


def cache_dir(*parts: str) -> Path:
    """Return (and make) a folder below vecloom's cache."""
    folder = cache_place(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that replaces it, synced to disk, when the block ends well.

    A crash at any moment leaves either the old file or the new one, never a part; an exception in the
    block removes the temporary file and leaves ``target`` as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place, synced to disk, when the block ends well.

    What stood at ``target`` is removed then, and not before; an exception in the block leaves it as it was.
    """
    target = Path(target).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        for path in made.rglob("*"):
            sync(path)
        old = _aside(target) if target.exists() else None
        made.replace(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    if old:
        shutil.rmtree(old, ignore_errors=True)


def check_free(target: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        OutputError: ``target`` is a file or a folder that is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target} exists and is not an empty folder.", "Choose another, or remove it first.")


def check_output(target: Path, *, overwrite: bool) -> None:
    """Have a place for a folder that a command was told to write.

    Raises:
        UsageError: something is there.
        OutputError: the folder above is missing or a file.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not overwrite):
        raise UsageError(f"{target} exists.", "Choose another output, or add --overwrite.")
    above = target.absolute().parent
    if not above.is_dir():
        raise OutputError(f"The folder {above} does not exist.", "Make it first.")


@contextmanager
def one_process(folder: Path, taken: str) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs, by a lock beside it.

    Raises:
        UsageError: another process holds the lock; ``taken`` says so.
    """
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(taken, "Wait for it, or stop it.") from None
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _aside(target: Path) -> Path:
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.replace(old)
    return old


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's list of files, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def text_digest(text: str) -> str:
    """Hex digest of a text: 32 digits of BLAKE2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes, remembered by path, size and modification time."""
    stat = os.stat(path)
    key = f"{os.path.realpath(path)} {stat.st_size} {stat.st_mtime_ns}"
    return str(remembered("digests", key, lambda: _sha256(path)))


def remembered(kind: str, key: str, compute: Callable[[], Any], *, renew: bool = False) -> Any:
    """Return the JSON value stored under ``key``, computing and storing it the first time, or again where ``renew``.

    A cache that cannot be written or read costs time, never the result.
    """
    if not renew:
        with suppress(OSError, ValueError):
            return json.loads((cache_dir(kind) / f"{text_digest(key)}.json").read_text(encoding="utf-8"))
    value = compute()
    with suppress(OSError):
        write_text(cache_dir(kind) / f"{text_digest(key)}.json", json.dumps(value))
    return value


def _sha256(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
