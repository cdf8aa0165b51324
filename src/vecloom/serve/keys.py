"""API keys: who may call the server, and whether to read or to write.

A key is 256 random bits as text, shown once when it is made. The file keeps its SHA-256 and nothing that leads back to it. A
slow password hash would protect secrets that people choose; it adds nothing to 256 random bits and would cost every
request milliseconds. A key that comes with a request is compared with every stored one, in constant time, so that
neither the time nor the answer tells how near a guess was.

The file is JSON, made with mode 0600 and replaced as a whole:
``{"format": 1, "keys": [{"name", "scopes", "sha256", "created"}]}``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from vecloom.errors import DataError, UsageError, VecloomError, from_os_error
from vecloom.files import write_text

Scope: TypeAlias = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FORMAT = 1
PREFIX = "vl_"  # lets people and secret scanners see what a leaked text is
SECRET_BYTES = 32
LOCK_TIMEOUT = 10.0  # seconds; a change takes milliseconds
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Correct it, or make the keys anew with: vecloom serve keys add NAME"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key.

    Attributes:
        name: for people and for the logs.
        scopes: ``read`` (embed, rerank, search), ``write`` (change an index), or both; neither includes the other.
        sha256: hex digest of the key itself.
        created: when, ISO 8601 in UTC.
    """

    name: str
    scopes: frozenset[Scope]
    sha256: str
    created: str


def new_secret() -> str:
    """A key: ``vl_`` and 43 characters of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: bytes) -> str:
    """Hex SHA-256 of a key's bytes."""
    return hashlib.sha256(secret).hexdigest()


def find(keys: Iterable[Key], secret: bytes) -> Key | None:
    """The key whose secret this is. Compares with all of them, each in constant time."""
    given, found = digest(secret), None
    for key in keys:
        if hmac.compare_digest(key.sha256, given):
            found = key
    return found


# ---- the file ---------------------------------------------------------------------------------------------------------


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file, in the order in which they were made.

    Raises:
        UsageError: there is no such file.
        DataError: it is not a key file.
        OutputError: it may not be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        todo = f"Make it with: vecloom serve keys add NAME --file {path}"
        raise UsageError(f"There is no key file {path}.", todo) from error
    except OSError as error:
        raise from_os_error(error, "reading the keys", path) from error
    except ValueError as error:  # not JSON, or not UTF-8
        raise DataError(f"{path} is not a key file: it is not JSON.", _AGAIN) from error
    try:
        if content["format"] != FORMAT:
            raise DataError(f"{path} has key format {content['format']!r}; this vecloom reads {FORMAT}.", _AGAIN)
        keys = tuple(_parsed(entry) for entry in content["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a key file: an entry lacks or mistypes something.", _AGAIN) from error
    if len({key.name for key in keys}) < len(keys):
        raise DataError(f"{path} names a key twice.", _AGAIN)
    return keys


def _parsed(entry: dict[str, Any]) -> Key:
    scopes = frozenset(entry["scopes"])
    if (
        not _NAME.fullmatch(entry["name"])
        or not scopes
        or scopes - set(SCOPES)
        or not _DIGEST.fullmatch(entry["sha256"])
    ):
        raise ValueError(entry["name"])
    return Key(entry["name"], scopes, entry["sha256"], str(entry["created"]))


def add_key(path: Path, name: str, scopes: Sequence[Scope]) -> str:
    """Make a key and keep its digest; the file is made where there is none.

    Returns:
        The key, which is nowhere else from now on.

    Raises:
        UsageError: the name is taken or cannot be one, or there is no scope.
        DataError: the file is not a key file.
        OutputError: it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A key cannot be named {name!r}.", "Use up to 64 letters, digits, dots, dashes and underscores."
        )
    if not scopes or set(scopes) - set(SCOPES):
        raise UsageError(f"A key cannot have the scopes {list(scopes)}.", f"Use one or more of {', '.join(SCOPES)}.")
    secret = new_secret()
    with _changing(path):
        keys = read_keys(path) if path.exists() else ()
        if any(key.name == name for key in keys):
            raise UsageError(f"{path} has a key {name!r} already.", "Choose another name, or remove that key first.")
        made = datetime.now(UTC).isoformat(timespec="seconds")
        _write(path, [*keys, Key(name, frozenset(scopes), digest(secret.encode()), made)])
    return secret


def remove_key(path: Path, name: str) -> None:
    """Take a key out; a running server refuses it from its next request on.

    Raises:
        UsageError: there is no file or no such key.
        DataError: the file is not a key file.
        OutputError: it cannot be written.
    """
    with _changing(path):
        keys = read_keys(path)
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            names = ", ".join(key.name for key in keys) or "none"
            raise UsageError(f"{path} has no key {name!r}.", f"Its keys: {names}.")
        _write(path, kept)


def _changing(path: Path) -> Any:
    """Two commands at a time take turns, so that neither loses the other's key."""
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, "making the folder of the keys", path.parent) from error
    return FileLock(str(path.with_name(f".{path.name}.lock")), timeout=LOCK_TIMEOUT)


def _write(path: Path, keys: Iterable[Key]) -> None:
    entries = [
        {"name": key.name, "scopes": sorted(key.scopes), "sha256": key.sha256, "created": key.created} for key in keys
    ]
    try:
        write_text(path, json.dumps({"format": FORMAT, "keys": entries}, indent=2) + "\n")
        path.chmod(0o600)
    except OSError as error:
        raise from_os_error(error, "writing the keys", path) from error


# ---- in a running server ----------------------------------------------------------------------------------------------


class KeyRing:
    """The keys of a file as it is now: made, removed and replaced keys count from the next request on.

    A file that vanishes or breaks while the server runs lets nobody in until it is whole again; the log says so.
    """

    def __init__(self, path: Path) -> None:
        """Read the keys; raises what ``read_keys`` raises, and UsageError where there are none."""
        self.path = path
        self._stamp = _stamp(path)
        self._keys = read_keys(path)
        if not self._keys:
            raise UsageError(f"{path} holds no keys.", f"Make one with: vecloom serve keys add NAME --file {path}")

    def find(self, secret: bytes) -> Key | None:
        """The key whose secret this is, or None."""
        self._refresh()
        return find(self._keys, secret)

    def _refresh(self) -> None:
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        try:
            self._keys = read_keys(self.path)
            log.info("keys were read again", extra={"count": len(self._keys)})
        except VecloomError as error:
            self._keys = ()
            log.error("keys cannot be read, nobody is let in: %s", type(error).__name__)
        self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file is replaced; cheaper than reading it for each request."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
