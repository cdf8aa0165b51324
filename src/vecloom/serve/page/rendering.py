"""How a page is made: its template, who it is for, and the headers that allow nothing but what is ours."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.responses import Response

from vecloom.errors import UsageError, VecloomError
from vecloom.serve.page.question import MODE_NAMES, SORTS, Question, document_url, similar_url
from vecloom.serve.page.visible import visible
from vecloom.serve.problems import Problem, from_error
from vecloom.serve.room.papers import SORTS as ROOM_SORTS
from vecloom.serve.room.visitors import Visitor, visitor_of
from vecloom.serve.state import State, state_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

POLICY = "; ".join(
    [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ]
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    # "no-referrer" would have browsers send forms with "Origin: null", which tells nobody that the page was ours
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


async def page(
    request: Request, template: str, status: int = 200, *, visitor: Visitor | None = None, **shown_there: Any
) -> Response:
    """A page for whoever asks."""
    state = state_of(request)
    known = {
        "indexes": list(state.indexes),
        "sorts": sorts(state),
        "visitor": visitor or await visitor_of(request),
        "here": here(request),
    }
    text = _templates().get_template(template).render(**{**known, **shown_there})
    return Response(text, status, media_type="text/html", headers=HEADERS)


_FOR_A_SHELL = re.compile(r"\bvecloom\b|\bpip\b|(^|\s)-{1,2}\w")
HEADLINES = {
    400: "This cannot be asked",
    401: "You are not logged in",
    403: "This is not allowed",
    404: "This is not here",
    413: "This is too much at once",
    422: "This cannot be asked",
    429: "Too many at once",
    503: "Not ready yet",
    507: "Nothing can be saved",
}


def bare(problem: Problem, *, again: bool = False) -> Response:
    """A page that says what is wrong where nothing is known of who asks, as when the server is starting.

    Args:
        problem: what is wrong.
        again: the browser asks again by itself.
    """
    known: dict[str, Any] = {"indexes": [], "sorts": {}, "visitor": None, "here": "/"}
    text = (
        _templates()
        .get_template("missing.html")
        .render(
            **known,
            question=Question(""),
            trouble=problem.message,
            headline=_headline(problem.status),
            back="/",
            again=again,
        )
    )
    return Response(text, problem.status, media_type="text/html", headers={**HEADERS, **problem.headers})


def _headline(status: int) -> str:
    return HEADLINES.get(status, "That did not work" if status < 500 else "The server failed")


async def trouble(request: Request, error: VecloomError | Problem, *, missing: int | None = None) -> Response:
    """A page that says what is wrong.

    Args:
        request: that failed.
        error: why.
        missing: status of an error of vecloom; the one that the APIs give, where it is not said.
    """
    problem = error if isinstance(error, Problem) else from_error(error)
    status = missing if missing and not isinstance(error, Problem) else problem.status
    answer = await page(
        request, "missing.html", status, question=Question(""), trouble=told(error), headline=_headline(status),
        back=_before(request), again=False,
    )  # fmt: skip
    answer.headers.update(problem.headers)
    return answer


def _before(request: Request) -> str:
    """The page from which a form or link was sent, if it was one of ours; else the search."""
    place = urlsplit(request.headers.get("referer", ""))
    if place.netloc != request.url.netloc or place.path == request.url.path:
        return "/"
    return inside(place.path + (f"?{place.query}" if place.query else ""))


def told(error: VecloomError | Problem) -> str:
    """An error in a sentence; what to do is told where it is what a reader of the page can do."""
    if isinstance(error, Problem):
        return error.message
    shown = isinstance(error, UsageError) and not _FOR_A_SHELL.search(error.todo)
    return str(error) if shown else error.what


def sorts(state: State) -> dict[str, str]:
    """Orders of a search by name; with a reading room there are more."""
    return SORTS if state.room is None else {**SORTS, **ROOM_SORTS}


def here(request: Request) -> str:
    """The page that was asked for, to come back to."""
    asked = request.url.query.replace("part=answers", "").strip("&")
    return request.url.path + (f"?{asked}" if asked else "")


def inside(place: str) -> str:
    """A path of this server; anything else becomes "/"."""
    return place if place.startswith("/") and not place.startswith(("//", "/\\")) else "/"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("vecloom.serve.page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(visible=visible)
    made.globals.update(modes=MODE_NAMES, document_url=document_url, similar_url=similar_url, view="", choosable=True)
    return made
