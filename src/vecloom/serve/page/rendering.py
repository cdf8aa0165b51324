"""How a page is made: its template, who it is for, and the headers that allow nothing but what is ours."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vecloom.errors import VecloomError
from vecloom.serve.page.question import MODE_NAMES, SORTS, Question, document_url, similar_url
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


async def trouble(request: Request, error: VecloomError | Problem, *, missing: int | None = None) -> Response:
    """A page that says what is wrong.

    Args:
        request: that failed.
        error: why.
        missing: status of an error of vecloom; the one that the APIs give, where it is not said.
    """
    problem = error if isinstance(error, Problem) else from_error(error)
    status = missing if missing and not isinstance(error, Problem) else problem.status
    answer = await page(request, "missing.html", status, question=Question(""), trouble=told(error))
    answer.headers.update(problem.headers)
    return answer


def told(error: VecloomError | Problem) -> str:
    """An error in a sentence."""
    return error.message if isinstance(error, Problem) else " ".join(str(part) for part in error.args if part)


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
    made.globals.update(modes=MODE_NAMES, document_url=document_url, similar_url=similar_url)
    return made
