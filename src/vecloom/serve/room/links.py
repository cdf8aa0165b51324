"""Where the links of mails lead: ``/c/TOKEN`` (agree to mails), ``/l/TOKEN`` (log in), ``/u/TOKEN`` (no more mails).

Mail programs follow links to look what is behind them, so a GET changes nothing: it shows a page with a button. The token is
what allows the POST; no cookie and no form token is asked for, because RFC 8058 has mail providers send one without either.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from vecloom.desk import readers, subscriptions, tokens
from vecloom.errors import VecloomError
from vecloom.serve.page.question import Question
from vecloom.serve.page.rendering import HEADERS, page, trouble
from vecloom.serve.problems import Problem
from vecloom.serve.room.room import Room
from vecloom.serve.room.visitors import SESSION, room_of

router = APIRouter(include_in_schema=False)


@router.get("/c/{token}")
async def agree(request: Request, token: str) -> Response:
    """Asks whether mails may come."""

    def work(room: Room) -> tuple[str, str, str]:
        reader = readers.get(room.desk, tokens.read(room.desk, "confirm", token, room.now()))
        return "Get mails", f"May digests of papers go to {reader.email}?", "Yes"

    return await _page(request, work)


@router.post("/c/{token}")
async def agreed(request: Request, token: str) -> Response:
    """Mails may come."""

    def work(room: Room) -> tuple[str, str, str]:
        reader = readers.confirm(room.desk, token, room.now())
        return "Thank you", f"Digests go to {reader.email} from now on. Each has a link that stops it.", ""

    return await _page(request, work)


@router.get("/u/{token}")
async def leave(request: Request, token: str) -> Response:
    """Asks whether mails should stop."""

    def work(room: Room) -> tuple[str, str, str]:
        one = subscriptions.of_unsubscribe_token(room.desk, token, room.now())
        return "No more mails", f"Stop the {one.period} mails of “{one.name}”?", "Stop them"

    return await _page(request, work)


@router.post("/u/{token}")
async def left(request: Request, token: str) -> Response:
    """No more mails of a subscription: the one click of RFC 8058, or the page's button."""

    def work(room: Room) -> tuple[str, str, str]:
        subscriptions.unsubscribe(room.desk, token, room.now())
        return "No more mails", "The mails of this subscription have stopped.", ""

    return await _page(request, work)


@router.get("/l/{token}")
async def enter(request: Request, token: str) -> Response:
    """Asks whether to log in here."""

    def work(room: Room) -> tuple[str, str, str]:
        reader = readers.get(room.desk, tokens.read(room.desk, "login", token, room.now()))
        return "Log in", f"Log in as {reader.email}?", "Log in"

    return await _page(request, work)


@router.post("/l/{token}")
async def entered(request: Request, token: str) -> Response:
    """Logs in: a cookie that scripts and other sites' forms cannot use."""
    try:
        room = room_of(request)
        secret = await to_thread.run_sync(_session, room, token)
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    answer = RedirectResponse("/desk", 303, headers=HEADERS)
    secure = request.url.scheme == "https"
    answer.set_cookie(SESSION, secret, readers.SESSION_LASTS, httponly=True, samesite="lax", secure=secure)
    return answer


def _session(room: Room, token: str) -> str:
    """The secret of a new session; a link holds for minutes, in which its address may have come off the list."""
    reader, secret = readers.login(room.desk, token, room.now())
    if not room.lets_in(reader.email):
        readers.logout(room.desk, secret)
        raise Problem(403, f"{reader.email} may not log in here.")
    return secret


async def _page(request: Request, work: Callable[[Room], tuple[str, str, str]]) -> Response:
    """A page with what ``work`` gives: a headline, a sentence, and what a button says that sends it; "" for none."""
    try:
        title, sentence, button = await to_thread.run_sync(work, room_of(request))
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    return await page(
        request, "ask.html", question=Question(""), title=title, sentence=sentence, button=button, indexes=[]
    )
