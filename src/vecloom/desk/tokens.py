"""Signed tokens: what a link in a mail carries, so that its holder and nobody else may do one thing.

A token is ``VERSION.SUBJECT.EXPIRES.MAC``: the key's version, who or what it is for, the second from which on it is worth
nothing (0: never), and HMAC-SHA256 over (purpose, version, subject, expires) in URL-safe base64. The purpose is not in the
token: one made for one purpose fails for every other.

Keys are random, stored in the desk (whose file only its owner can read), and numbered: ``rotate`` makes a new one, and tokens
of older ones hold until ``retire`` drops these.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
from typing import Literal, TypeAlias

from vecloom.desk.state import Desk
from vecloom.errors import TokenError

Purpose: TypeAlias = Literal["unsubscribe", "confirm", "login", "feed", "form"]
KEY_BYTES = 32
_AGAIN = "Ask for a new mail."


def make(desk: Desk, purpose: Purpose, subject: int, now: int, lasts: int = 0) -> str:
    """A token for ``subject`` (a reader's or a subscription's number) that holds ``lasts`` seconds; 0: for good."""
    version, secret = _newest(desk, now)
    expires = now + lasts if lasts else 0
    return f"{version}.{subject}.{expires}.{_mac(secret, purpose, version, subject, expires)}"


def read(desk: Desk, purpose: Purpose, token: str, now: int) -> int:
    """The subject of a token.

    Raises:
        TokenError: it is not one of this desk, not for this purpose, or too old.
    """
    subject, expires = _checked(desk, purpose, token)
    if expires and now >= expires:
        raise TokenError("This link is too old.", _AGAIN)
    return subject


def spend(db: sqlite3.Connection, desk: Desk, purpose: Purpose, token: str, now: int) -> int:
    """``read``, and remember that the token was used; call it in the transaction of what it allows.

    Raises:
        TokenError: as ``read``; or it was used before.
    """
    subject = read(desk, purpose, token, now)
    done = db.execute("INSERT OR IGNORE INTO used_token (mac, at) VALUES (?, ?)", (token.rpartition(".")[2], now))
    if not done.rowcount:
        raise TokenError("This link was used before.", _AGAIN)
    return subject


def rotate(desk: Desk, now: int) -> int:
    """Sign with a new key from now on; its version."""
    with desk.transaction() as db:
        return _insert(db, now)


def retire(desk: Desk, below: int) -> int:
    """Drop keys of versions below this one, and with them all links that they signed; how many keys."""
    with desk.transaction() as db:
        return db.execute("DELETE FROM signing_key WHERE version < ?", (below,)).rowcount


def mac(desk: Desk, now: int, *parts: str | int) -> str:
    """Hexadecimal, 24 digits: names what the parts say, the same each time, and cannot be guessed."""
    row = desk.db.execute("SELECT secret FROM signing_key ORDER BY version LIMIT 1").fetchone()
    secret = bytes(row["secret"]) if row else _newest(desk, now)[1]
    return hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:24]


def _newest(desk: Desk, now: int) -> tuple[int, bytes]:
    query = "SELECT version, secret FROM signing_key ORDER BY version DESC LIMIT 1"
    row = desk.db.execute(query).fetchone()
    if row is None:
        if desk.db.in_transaction:
            _insert(desk.db, now)
        else:
            with desk.transaction() as db:
                if db.execute(query).fetchone() is None:
                    _insert(db, now)
        row = desk.db.execute(query).fetchone()
    return int(row["version"]), bytes(row["secret"])


def _insert(db: sqlite3.Connection, now: int) -> int:
    values = (secrets.token_bytes(KEY_BYTES), now)
    done = db.execute("INSERT INTO signing_key (secret, created_at) VALUES (?, ?)", values)
    return int(done.lastrowid or 0)


def _checked(desk: Desk, purpose: Purpose, token: str) -> tuple[int, int]:
    parts = token.split(".")
    numbers = [part for part in parts[:3] if part.isascii() and part.isdecimal() and len(part) < 19]
    if len(parts) != 4 or len(numbers) != 3:
        raise TokenError("This link is not whole.", "Copy all of it from the mail.")
    version, subject, expires = map(int, numbers)
    row = desk.db.execute("SELECT secret FROM signing_key WHERE version = ?", (version,)).fetchone()
    good = row and _mac(bytes(row["secret"]), purpose, version, subject, expires)
    if not good or not hmac.compare_digest(good.encode(), parts[3].encode("utf-8", "surrogatepass")):
        raise TokenError("This link is not valid.", "Copy all of it from the mail, or ask for a new one.")
    return subject, expires


def _mac(secret: bytes, purpose: str, version: int, subject: int, expires: int) -> str:
    signed = hmac.new(secret, json.dumps([purpose, version, subject, expires]).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")
