"""Who asks: the local reader, somebody who logged in, or nobody known; and the token that tells our forms from other sites'."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from vecloom.desk import Reader, readers, tokens
from vecloom.errors import TokenError
from vecloom.serve.problems import Problem
from vecloom.serve.state import state_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from vecloom.serve.room.room import Room

SESSION = "vecloom_session"
FORM_LASTS = 24 * 3600
NOBODY = 0  # whom the form of somebody unknown is for


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks.

    Attributes:
        reader: None: not logged in.
        form: token for the forms of the pages that are made for them.
        multi_user: whether one can log in, and out.
        mails: whether the room can send mails.
        secret: of the session, or "".
    """

    reader: Reader | None
    form: str
    multi_user: bool
    mails: bool
    secret: str = ""

    @property
    def number(self) -> int | None:
        """The reader's number."""
        return self.reader.id if self.reader else None


def room_of(request: Request) -> Room:
    """The reading room.

    Raises:
        Problem: 404, the server has none.
    """
    room = state_of(request).room
    if room is None:
        raise Problem(404, "This server has no desk. Start it with: vecloom serve --desk")
    return room


async def visitor_of(request: Request) -> Visitor | None:
    """Who sent a request; None where the server has no reading room."""
    room = state_of(request).room
    if room is None:
        return None
    secret = request.cookies.get(SESSION, "")
    return await to_thread.run_sync(recognise, room, secret)


def recognise(room: Room, secret: str) -> Visitor:
    """Who holds a session's secret. Blocks."""
    reader = room.local() if not room.multi_user else None
    if room.multi_user and secret:
        reader = readers.of_session(room.desk, secret, room.now())
        if reader is not None and not room.lets_in(reader.email):
            reader = None  # taken off the list since
    try:
        form = tokens.make(room.desk, "form", reader.id if reader else NOBODY, room.now(), FORM_LASTS)
    except sqlite3.OperationalError:
        form = ""  # a new desk on a full disk has no key to sign with; pages can be read all the same
    return Visitor(reader, form, room.multi_user, room.post is not None, secret if reader else "")


def check_form(room: Room, visitor: Visitor, token: str) -> None:
    """Hold forms of other sites' pages off. Blocks.

    Raises:
        Problem: 403, the token is not that of a page that this visitor got in the last day.
    """
    try:
        subject = tokens.read(room.desk, "form", token, room.now())
    except TokenError:
        subject = -1
    if subject != (visitor.number or NOBODY):
        raise Problem(403, "This page is too old, or of another login. Load it again, and send once more.")


def who(request: Request, visitor: Visitor) -> str:
    """Whom ``Pace`` counts: a reader who logged in, or an address."""
    if visitor.multi_user and visitor.number is not None:
        return f"reader {visitor.number}"
    return request.client.host if request.client else "?"
