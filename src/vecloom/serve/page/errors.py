"""What goes wrong, for browsers as a page, for programs in the shape of their API.

``answer`` is for the application, ``refuse`` for middlewares, which know nothing but the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecloom.serve.asgi import ASGIApp, Scope, header
from vecloom.serve.page.rendering import bare, trouble
from vecloom.serve.problems import Problem, is_openai, response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def for_browser(scope: Scope) -> bool:
    """Whether a page is wanted: a browser names HTML first among what it takes; APIs below ``/v1/`` have no pages."""
    return header(scope, b"accept").lstrip().startswith((b"text/html", b"application/xhtml")) and not is_openai(
        scope["path"]
    )


async def answer(request: Request, problem: Problem) -> Response:
    """The answer to a request that failed inside of the application."""
    if for_browser(request.scope):
        return await trouble(request, problem)
    return response(request.url.path, problem)


def refuse(scope: Scope, status: int, message: str) -> ASGIApp:
    """For middlewares: an ASGI application that gives one answer."""
    problem = Problem(status, message)
    return bare(problem) if for_browser(scope) else response(scope["path"], problem)
