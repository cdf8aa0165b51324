"""The application: routes and middlewares, put together. Nothing is decided here.

A module of ``routes`` exports ``router``, a ``fastapi.APIRouter``; it finds what it needs with ``state_of(request)``. To add one,
name it in ``ROUTERS``. Middlewares are plain ASGI and stand in ``middleware.stack``, the outermost first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from vecloom import __version__
from vecloom.serve import documents, middleware, problems
from vecloom.serve.page import errors
from vecloom.serve.page import routes as page
from vecloom.serve.room import forms, links
from vecloom.serve.room import pages as room
from vecloom.serve.routes import health, indexes, metrics, openai, rerank, tei
from vecloom.serve.settings import Settings
from vecloom.serve.state import State

ROUTERS = (
    openai.inference,
    openai.router,
    tei.inference,
    tei.router,
    rerank.inference,
    indexes.router,
    health.router,
    metrics.router,
    page.router,
    room.router,
    forms.router,
    links.router,
)


def create_app(state: State, settings: Settings) -> FastAPI:
    """An ASGI application that serves what ``state`` holds; its lifespan starts and ends the engine."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await state.start()
        try:
            yield
        finally:
            await state.close()

    app = FastAPI(
        title="vecloom", version=__version__, lifespan=lifespan, middleware=middleware.stack(state, settings),
        redirect_slashes=False, docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.state.server = state
    for router in ROUTERS:
        # Not include_router: it wraps each request once more, and no prefix is needed.
        app.router.routes.extend(router.routes)
    problems.install(app, errors.answer)
    documents.install(app, state, settings)
    return app
