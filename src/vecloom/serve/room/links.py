"""Where the links of mails lead: ``/c/TOKEN`` (agree to mails), ``/l/TOKEN`` (log in), ``/u/TOKEN`` (no more mails).

Mail programs follow links to look what is behind them, so a GET changes nothing: it shows a page with a button. The token is
what allows the POST; no cookie and no form token is asked for, because RFC 8058 has mail providers send one without either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from vecloom.desk import readers, subscriptions, tokens
from vecloom.errors import VecloomError
from vecloom.serve.page.question import Question
from vecloom.serve.page.rendering import HEADERS, page, trouble
from vecloom.serve.problems import Problem
from vecloom.serve.room.room import Room
from vecloom.serve.room.visitors import SESSION
from vecloom.serve.state import state_of

router = APIRouter(include_in_schema=False)

T = TypeVar("T")


@router.get("/c/{token}")
async def agree(request: Request, token: str) -> Response:
    """Asks whether mails may come."""
    return await _ask(
        request,
        lambda room: tokens.read(room.desk, "confirm", token, room.now()),
        lambda number, room: (
            "Get mails",
            f"May digests of papers go to {readers.get(room.desk, number).email}?",
            "Yes",
        ),
    )


@router.post("/c/{token}")
async def agreed(request: Request, token: str) -> Response:
    """Mails may come."""
    return await _do(
        request,
        lambda room: readers.confirm(room.desk, token, room.now()),
        lambda reader: ("Thank you", f"Digests go to {reader.email} from now on. Each has a link that stops it."),
    )


@router.get("/u/{token}")
async def leave(request: Request, token: str) -> Response:
    """Asks whether mails should stop."""
    return await _ask(
        request,
        lambda room: subscriptions.of_unsubscribe_token(room.desk, token, room.now()),
        lambda one, _: ("No more mails", f"Stop the {one.period} mails of “{one.name}”?", "Stop them"),
    )


@router.post("/u/{token}")
async def left(request: Request, token: str) -> Response:
    """No more mails of a subscription: the one click of RFC 8058, or the page's button."""
    return await _do(
        request,
        lambda room: subscriptions.unsubscribe(room.desk, token, room.now()),
        lambda _: ("No more mails", "The mails of this subscription have stopped."),
    )


@router.get("/l/{token}")
async def enter(request: Request, token: str) -> Response:
    """Asks whether to log in here."""
    return await _ask(
        request,
        lambda room: tokens.read(room.desk, "login", token, room.now()),
        lambda number, room: ("Log in", f"Log in as {readers.get(room.desk, number).email}?", "Log in"),
    )


@router.post("/l/{token}")
async def entered(request: Request, token: str) -> Response:
    """Logs in: a cookie that scripts and other sites' forms cannot use."""
    try:
        room = _room(request)
        _, secret = await to_thread.run_sync(lambda: readers.login(room.desk, token, room.now()))
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    answer = RedirectResponse("/desk", 303, headers=HEADERS)
    secure = request.url.scheme == "https"
    answer.set_cookie(SESSION, secret, readers.SESSION_LASTS, httponly=True, samesite="lax", secure=secure)
    return answer


def _room(request: Request) -> Room:
    """The reading room.

    Raises:
        Problem: 404, there is none.
    """
    room = state_of(request).room
    if room is None:
        raise Problem(404, f"There is no {request.url.path} here.")
    return room


async def _ask(
    request: Request, check: Callable[[Room], T], told: Callable[[T, Room], tuple[str, str, str]]
) -> Response:
    """A page with a button; ``told`` gives its headline, its sentence and what the button says."""

    def found(room: Room) -> tuple[str, str, str]:
        return told(check(room), room)

    try:
        title, sentence, button = await to_thread.run_sync(found, _room(request))
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    return await page(
        request, "ask.html", question=Question(""), title=title, sentence=sentence, button=button, indexes=[]
    )


async def _do(request: Request, change: Callable[[Room], T], told: Callable[[T], tuple[str, str]]) -> Response:
    """Make a change, and say so."""
    try:
        title, sentence = told(await to_thread.run_sync(change, _room(request)))
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    return await page(request, "ask.html", question=Question(""), title=title, sentence=sentence, button="", indexes=[])
