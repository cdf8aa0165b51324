"""How the server says no: in OpenAI's shape below ``/v1/``, in text-embeddings-inference's everywhere else.

OpenAI: ``{"error": {"message", "type", "param", "code"}}``. TEI: ``{"error", "error_type"}``. A route raises ``Problem``;
``install`` turns all else that an application raises (an unknown path, a wrong method, a body that is not what the document
says, vecloom's own errors) into one of them. What went wrong inside is logged, not told. Browsers get a page instead
(``page.errors``).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from starlette.responses import Response

from vecloom.errors import (
    DataError,
    DeskError,
    DocumentNotFoundError,
    FilterTimeError,
    OutputError,
    StoreBusyError,
    TokenError,
    UsageError,
    VecloomError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger("vecloom.serve")

OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
OPENAI_CODES = {
    401: "invalid_api_key",
    403: "insufficient_scope",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "rate_limit_exceeded",
    503: "not_ready",
}
CANNOT_WRITE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
FULL = "The server's disk is full or read-only: nothing was saved."
TEI_TYPES = {413: "Validation", 422: "Validation", 424: "Backend", 429: "Overloaded", 500: "Backend", 503: "Unhealthy"}


class Problem(Exception):  # noqa: N818 - it is an answer as much as an error
    """An answer that says no.

    Args:
        status: HTTP status.
        message: what is wrong and what to do; goes to the client.
        code: OpenAI's machine-readable word; by status where it is not given.
        param: which part of the request is wrong.
        kind: TEI's ``error_type``; by status where it is not given.
        headers: to send along (``Retry-After``).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.kind = status, message, code, param, kind
        self.headers = dict(headers or {})


def overloaded(seconds: float) -> Problem:
    """429: try again in so many seconds."""
    wait = max(1, round(seconds))
    return Problem(429, "The server is busy; try again later.", headers={"Retry-After": str(wait)})


def is_openai(path: str) -> bool:
    """Which of the two shapes a path has."""
    return path.startswith(("/v1/", "/v2/")) or path == "/embeddings"


def response(path: str, problem: Problem) -> Response:
    """The answer, in the shape that clients of this path expect."""
    status = problem.status
    if is_openai(path):
        kind = OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        code = problem.code or OPENAI_CODES.get(status)
        body: dict[str, Any] = {
            "error": {"message": problem.message, "type": kind, "param": problem.param, "code": code}
        }
    else:
        body = {"error": problem.message, "error_type": problem.kind or TEI_TYPES.get(status, "Validation")}
    return Response(orjson.dumps(body), status, problem.headers, "application/json")


def from_error(error: VecloomError) -> Problem:
    """What a client is told of an error of vecloom: all of a wrong call, only the kind of anything else."""
    if isinstance(error, UsageError | DataError):
        return Problem(400, str(error))
    if isinstance(error, FilterTimeError):
        return Problem(503, str(error), code="filter_timeout", param="where")
    if isinstance(error, DocumentNotFoundError):
        return Problem(404, str(error), code="document_not_found")
    if isinstance(error, TokenError):
        return Problem(403, str(error))
    if isinstance(error, DeskError):
        return Problem(404, str(error))
    if isinstance(error, OutputError):
        return Problem(507, FULL)
    if isinstance(error, StoreBusyError):
        return Problem(
            503, "Another process writes to this index; try again.", code="busy", headers={"Retry-After": "5"}
        )
    return Problem(500, "The server failed; its log says where.")


def from_database(error: sqlite3.Error) -> Problem:
    """What a client is told of a write to the desk that failed; the desk is as it was before."""
    what = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if what in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Problem(503, "Another process writes to the desk; try again.", headers={"Retry-After": "5"})
    if what in CANNOT_WRITE:
        return Problem(507, FULL)
    return Problem(500, "The server failed; its log says where.")


def not_allowed(request: Request) -> Problem:
    """405 with all methods of a path; the framework names those of the first route alone."""
    from starlette.routing import Match

    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in routes for method in route.methods or ()}
    allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    told = f"{request.url.path} does not take {request.method}; it takes {allowed}."
    return Problem(405, told, headers={"Allow": allowed})


Answer: TypeAlias = "Callable[[Request, Problem], Awaitable[Response]]"


def install(app: FastAPI, answer: Answer) -> None:
    """Have the application answer with ``answer`` whatever it raises."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return await answer(request, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return await answer(request, not_allowed(request))
        told = f"There is no {request.url.path}." if error.status_code == 404 else str(error.detail)
        return await answer(request, Problem(error.status_code, told, headers=error.headers))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await answer(request, invalid(request.url.path, error.errors()))

    async def on_database(request: Request, error: Exception) -> Response:
        assert isinstance(error, sqlite3.Error)
        log.error("the desk could not be read or written", exc_info=error)
        return await answer(request, from_database(error))

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, VecloomError)
        problem = from_error(error)
        if problem.status in (500, 507):
            log.error("a request failed", exc_info=error)
        return await answer(request, problem)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(VecloomError, on_error)
    app.add_exception_handler(sqlite3.Error, on_database)


def invalid(path: str, errors: Any) -> Problem:
    """A body, path or query that is not what the document says: names the first place, quotes nothing.

    Where a value may be of several types, the errors of all are given; one that is not about the type tells most.
    """
    broken = next((error for error in errors if error["type"] == "json_invalid"), None)
    if broken is not None:  # its place, if there is one, is a character's and not a field's
        where = f" at character {broken['loc'][-1] + 1}" if broken["loc"] else ""
        why = str(broken["ctx"]["error"])
        message = f"The body is not JSON: {why[:1].lower()}{why[1:]}{where}."
        return Problem(400 if is_openai(path) else 422, message, code="invalid_value")
    first = next((error for error in errors if not error["type"].endswith("_type")), errors[0])
    place = ".".join(str(part) for part in first["loc"] if part != "body" and not _is_type(part))
    if first["type"] in ("too_short", "string_too_short") and first["ctx"]["min_length"] == 1:
        return empty(place)
    what = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    message = f"{place or 'The request'}: {what}."
    return Problem(400 if is_openai(path) else 422, message, param=place or None, code="invalid_value")


def empty(place: str) -> Problem:
    """A text or a list without content: 400 in both APIs."""
    return Problem(400, f"{place} cannot be empty.", param=place, code="invalid_value", kind="Empty")


def _is_type(part: str | int) -> bool:
    """Whether a step of a place is not a field but which of several types was tried."""
    return isinstance(part, str) and (
        part in {"str", "bool", "int", "float", "Document", "constrained-str"} or "[" in part
    )
