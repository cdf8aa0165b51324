"""Readers: the one who uses the desk without logging in, and those who log in by a link in a mail.

An address gets nothing but confirmation and login links until its owner has followed one (double opt-in). A login link holds for
15 minutes and works once; it proves the address too. A session's cookie holds a random secret, of which the desk keeps a digest.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from vecloom.desk import tokens
from vecloom.desk.letters import queue
from vecloom.desk.mail import Sender, address, notice
from vecloom.desk.migrations import LOCAL_READER
from vecloom.desk.state import Desk
from vecloom.errors import DeskError, UsageError

CONFIRM_LASTS = 48 * 3600
LOGIN_LASTS = 15 * 60
SESSION_LASTS = 30 * 86_400
LETTERS_AN_HOUR = 3  # confirmation and login mails to one address: nobody can fill another one's inbox


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. ``email`` is None for the local reader until one is given; ``confirmed_at`` until its owner agreed."""

    id: int
    email: str | None
    confirmed_at: int | None
    created_at: int


def get(desk: Desk, reader_id: int) -> Reader:
    """A reader by number.

    Raises:
        DeskError: there is none.
    """
    row = desk.db.execute("SELECT * FROM reader WHERE id = ?", (reader_id,)).fetchone()
    if row is None:
        raise DeskError(f"The desk has no reader {reader_id}.", "Log in again.")
    return Reader(*tuple(row))


def local(desk: Desk) -> Reader:
    """The reader of a desk without logins."""
    return get(desk, LOCAL_READER)


def enrol(desk: Desk, sender: Sender, email: str, now: int, *, as_local: bool = False) -> Reader:
    """The reader of an address, made where there is none; one who has not confirmed is sent a mail that asks.

    Args:
        desk: the desk.
        sender: whose name the mail bears.
        email: the address.
        now: seconds since 1970.
        as_local: give the address to the local reader, who then has to confirm it.

    Raises:
        UsageError: it is no address, or belongs to another reader already.
    """
    email = address(email)
    with desk.transaction() as db:
        reader = _of_address(db, email)
        if as_local and (reader is None or reader.id != LOCAL_READER):
            if reader is not None:
                raise UsageError(f"{email} is another reader's address.", "Use that reader, or another address.")
            db.execute("UPDATE reader SET email = ?, confirmed_at = NULL WHERE id = ?", (email, LOCAL_READER))
            reader = _of_address(db, email)
        reader = reader or _insert(db, email, now)
        if reader.confirmed_at is None:
            _write(desk, db, sender, reader, "confirm", now)
    return reader


def confirm(desk: Desk, token: str, now: int) -> Reader:
    """The owner of an address agreed; following the link twice is following it once.

    Raises:
        TokenError: the link is not valid, or older than 48 hours.
    """
    reader_id = tokens.read(desk, "confirm", token, now)
    with desk.transaction() as db:
        _confirm(db, reader_id, now)
    return get(desk, reader_id)


def request_login(desk: Desk, sender: Sender, email: str, now: int) -> None:
    """Send a login link; an unknown address becomes a reader when the link is followed, and the answer is the same for both.

    Raises:
        UsageError: it is no address.
    """
    email = address(email)
    with desk.transaction() as db:
        reader = _of_address(db, email) or _insert(db, email, now)
        _write(desk, db, sender, reader, "login", now)


def login(desk: Desk, token: str, now: int) -> tuple[Reader, str]:
    """Follow a login link: the reader, and the secret of a session for a cookie (HttpOnly, Secure, SameSite=Lax).

    Raises:
        TokenError: the link is not valid, older than 15 minutes, or was used.
    """
    secret = secrets.token_urlsafe(32)
    with desk.transaction() as db:
        reader_id = tokens.spend(db, desk, "login", token, now)
        _confirm(db, reader_id, now)
        db.execute("DELETE FROM session WHERE expires_at <= ?", (now,))
        values = (_digest(secret), reader_id, now + SESSION_LASTS)
        db.execute("INSERT INTO session (digest, reader_id, expires_at) VALUES (?, ?, ?)", values)
    return get(desk, reader_id), secret


def of_session(desk: Desk, secret: str, now: int) -> Reader | None:
    """Whose session this is; None where it ended or never was."""
    query = "SELECT reader_id FROM session WHERE digest = ? AND expires_at > ?"
    row = desk.db.execute(query, (_digest(secret), now)).fetchone()
    return get(desk, row["reader_id"]) if row else None


def logout(desk: Desk, secret: str) -> None:
    """End a session."""
    with desk.transaction() as db:
        db.execute("DELETE FROM session WHERE digest = ?", (_digest(secret),))


def forget(desk: Desk, reader_id: int) -> None:
    """Remove a reader with all marks, subscriptions and mails; of the local reader everything but the place."""
    with desk.transaction() as db:
        if reader_id == LOCAL_READER:
            for table in ("event", "tag", "subscription", "letter", "session", "suggestion", "delivery"):
                db.execute(f"DELETE FROM {table} WHERE reader_id = ?", (reader_id,))
            db.execute("UPDATE reader SET email = NULL, confirmed_at = NULL WHERE id = ?", (reader_id,))
        else:
            db.execute("DELETE FROM reader WHERE id = ?", (reader_id,))


def _of_address(db: sqlite3.Connection, email: str) -> Reader | None:
    row = db.execute("SELECT * FROM reader WHERE email = ?", (email,)).fetchone()
    return Reader(*tuple(row)) if row else None


def _insert(db: sqlite3.Connection, email: str, now: int) -> Reader:
    done = db.execute("INSERT INTO reader (email, created_at) VALUES (?, ?)", (email, now))
    return Reader(int(done.lastrowid or 0), email, None, now)


def _confirm(db: sqlite3.Connection, reader_id: int, now: int) -> None:
    db.execute("UPDATE reader SET confirmed_at = ? WHERE id = ? AND confirmed_at IS NULL", (now, reader_id))


def _write(desk: Desk, db: sqlite3.Connection, sender: Sender, reader: Reader, kind: str, now: int) -> None:
    """Queue a confirmation or login mail, unless the address had enough of them."""
    query = "SELECT count(*) FROM letter WHERE recipient = ? AND kind IN ('confirm', 'login') AND created_at > ?"
    if reader.email is None or db.execute(query, (reader.email, now - 3600)).fetchone()[0] >= LETTERS_AN_HOUR:
        return
    if kind == "confirm":
        lasts, token = CONFIRM_LASTS, tokens.make(desk, "confirm", reader.id, now, CONFIRM_LASTS)
    else:
        lasts, token = LOGIN_LASTS, tokens.make(desk, "login", reader.id, now, LOGIN_LASTS)
    name = f"{kind}.{reader.id}.{secrets.token_hex(12)}"
    content = notice(sender, reader.email, kind, token, sender.message_id(name), now)
    queue(db, reader.id, kind, sender.message_id(name), reader.email, content, now, now + lasts)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
