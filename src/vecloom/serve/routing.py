"""The way of a request for inference: its body is read and checked, counted, answered, and given up when its client leaves.

FastAPI writes the document from the endpoint's signature; at run time its dependency machinery is left out, which costs a short
request more than everything else here together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

from fastapi.routing import APIRoute
from pydantic import ConfigDict, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vecloom.errors import BackendError, UsageError
from vecloom.serve import problems
from vecloom.serve.asgi import Receive, Scope, Send
from vecloom.serve.bodies import Taken
from vecloom.serve.engine import ClientGoneError, Gone, TooLongError
from vecloom.serve.problems import Problem, is_openai
from vecloom.serve.settings import Settings
from vecloom.serve.state import state_of
from vecloom.wording import counted

FAILURES = {400: "validation", 413: "validation", 422: "validation", 424: "backend", 500: "backend", 429: "overloaded"}


class Body(Taken):
    """What a client sends. Unknown fields are ignored, as OpenAI does."""

    model_config = ConfigDict(extra="ignore")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        raise NotImplementedError


class InferenceRoute(APIRoute):
    """For endpoints ``async def name(request: Request, body: SomeBody) -> Response``."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        body = next(kind for name, kind in _annotations(self.endpoint).items() if name == "body")
        self._body: TypeAdapter[Body] = TypeAdapter(body)
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        metrics, began = state_of(request).metrics, time.perf_counter()
        try:
            response, method = await self._respond(request)
        except Problem as problem:
            metrics.failed.add(1, FAILURES.get(problem.status, "other"))
            response = problems.response(scope["path"], problem)
        except (ClientGoneError, ClientDisconnect):
            metrics.failed.add(1, "gone")
            return  # nobody is there to be told
        except BaseException:
            metrics.failed.add(1, "backend")
            raise
        else:
            metrics.succeeded.add(1, method)
            metrics.duration.observe(time.perf_counter() - began)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> tuple[Response, str]:
        """The answer, and what TEI's metrics call the kind of request."""
        state = state_of(request)
        _check_type(request.headers.get("content-type", ""))
        raw = await request.body()
        with state.engine.admitted():
            body = self._parsed(request.url.path, raw)
            method = "single" if body.count == 1 else "batch"
            state.metrics.requests.add(1, method)
            try:
                answer: Response = await self.endpoint(request, body)
            except TooLongError as error:
                raise _too_long(request.url.path, error) from None
            except BackendError as error:
                raise Problem(500 if is_openai(request.url.path) else 424, str(error)) from None
            except UsageError as error:
                raise Problem(_wrong(request.url.path), str(error)) from None
            return answer, method

    def _parsed(self, path: str, raw: bytes) -> Body:
        try:
            return self._body.validate_json(raw)
        except ValidationError as error:
            raise problems.invalid(path, error.errors(include_url=False, include_input=False)) from None


def gone_from(request: Request) -> Gone:
    """Ends when the client of a request, whose body was read, has left."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)

    return gone


def check_texts(texts: Sequence[str], settings: Settings, where: str) -> None:
    """Hold the limits on texts.

    Raises:
        Problem: 413, there are too many, or one is too long.
    """
    check_count(len(texts), settings, where)
    check_lengths(texts, settings, where)


def check_lengths(texts: Sequence[str], settings: Settings, where: str) -> None:
    """Hold the limit on the characters of a text.

    Raises:
        Problem: 413, one is too long.
    """
    most = settings.max_text_characters
    if max(map(len, texts), default=0) > most:
        place = next(i for i, text in enumerate(texts) if len(text) > most)
        told = f"Text {place} has {counted(len(texts[place]), 'character')}; {most:,} are allowed."
        raise Problem(413, told, param=where)


def check_count(count: int, settings: Settings, where: str) -> None:
    """Hold the limit on how many.

    Raises:
        Problem: 413, there are too many.
    """
    if count > settings.max_texts:
        told = f"{counted(count, 'text')} are more than the {settings.max_texts:,} of one request; send them in parts."
        raise Problem(413, told, param=where)


def _annotations(endpoint: Any) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(endpoint)


def _check_type(kind: str) -> None:
    """Only JSON: a web page can send anything else to a server on this machine without being asked who it is."""
    name = kind.partition(";")[0].strip().lower()
    if name != "application/json":
        raise Problem(415, f"The content type is {name or 'missing'!r}; send application/json.")


def _wrong(path: str) -> int:
    return 400 if is_openai(path) else 422


def _too_long(path: str, error: TooLongError) -> Problem:
    told = f"Text {error.place} is longer than the {error.limit:,} tokens that this model reads; cut it, or ask for truncate."
    if is_openai(path):
        return Problem(400, told, code="context_length_exceeded", param="input")
    return Problem(413, told)


def count_of(value: str | Sequence[Any]) -> int:
    """How many texts an input is: a string and a list of token ids are one."""
    if isinstance(value, str) or (value and isinstance(value[0], int)):
        return 1
    return len(cast(Sequence[Any], value))
