"""What answers from the first moment on: 200 to ``/live`` and 503 to all else while models load, then the application itself.

Loading takes seconds, or minutes for large models. A supervisor that asks a port on which nobody answers cannot tell a server
that loads from one that hangs, so the port answers before anything is loaded. The load runs in a thread of its own, and
connections that came meanwhile are kept.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from vecloom.serve.asgi import ASGIApp, Message, Receive, Scope, Send
from vecloom.serve.problems import Problem, response

if TYPE_CHECKING:
    from fastapi import FastAPI

RETRY_SECONDS = 2  # what clients are told to wait for; nobody knows how long a load takes


class Opening:
    """ASGI application for the whole life of a server.

    Args:
        load: makes the application; called once, in a thread.
        opened: called on the event loop once the application answers.
        failed: called on the event loop where it never will.

    Attributes:
        error: what ``load``, or the application's start or end, raised; or None.
        loading: whether ``load`` is still under way.
    """

    def __init__(self, load: Callable[[], FastAPI], opened: Callable[[], None], failed: Callable[[], None]) -> None:
        self._load, self._opened, self._failed = load, opened, failed
        self._made: Future[FastAPI] = Future()
        self._app: ASGIApp = starting
        self.error: BaseException | None = None

    @property
    def loading(self) -> bool:
        """Whether ``load`` is still under way."""
        return not self._made.done()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        threading.Thread(target=self._make, name="loading", daemon=True).start()
        await send({"type": "lifespan.startup.complete"})
        ending = asyncio.ensure_future(receive())
        making = asyncio.wrap_future(self._made)
        either: tuple[asyncio.Future[Any], ...] = (ending, making)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            await self._open(making, ending)
        await send({"type": "lifespan.shutdown.complete"})

    def _make(self) -> None:
        try:
            self._made.set_result(self._load())
        except BaseException as error:  # also what ends a thread, or the server would be starting for ever
            self._made.set_exception(error)

    async def _open(self, making: asyncio.Future[FastAPI], ending: asyncio.Future[Message]) -> None:
        self.error = making.exception()
        if self.error is None:
            app = making.result()
            try:
                async with app.router.lifespan_context(app):
                    self._app = app
                    self._opened()
                    await ending
            except Exception as error:
                self.error = error
        if self.error is not None:
            self._failed()
            await ending


async def starting(scope: Scope, receive: Receive, send: Send) -> None:
    """The answers while models load."""
    if scope["path"] == "/live":
        await Response()(scope, receive, send)
        return
    from vecloom.serve.page.errors import for_browser  # not above: the port answers before the pages are imported
    from vecloom.serve.page.rendering import bare
    from vecloom.serve.page.static import ASSETS, asset

    problem = Problem(503, "The server is starting.", headers={"Retry-After": str(RETRY_SECONDS)})
    name = scope["path"].removeprefix("/assets/")
    if name in ASSETS:
        await asset(name)(scope, receive, send)
    elif for_browser(scope):
        await bare(problem, again=True)(scope, receive, send)
    else:
        await response(scope["path"], problem)(scope, receive, send)
