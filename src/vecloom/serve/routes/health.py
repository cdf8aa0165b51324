"""``/live``: the process runs. ``/ready`` and ``/health``: it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from vecloom.serve.problems import Problem
from vecloom.serve.state import state_of

router = APIRouter(tags=["health"])


@router.get("/live", response_class=Response, summary="Whether the process runs.")
async def live() -> Response:
    """200 as long as there is a process; restart it where this fails."""
    return Response()


@router.get("/ready", response_class=Response, summary="Whether requests will be answered.")
@router.get("/ping", response_class=Response, summary="As /ready; SageMaker's name.")
@router.get("/health", response_class=Response, summary="As /ready; text-embeddings-inference's name.")
async def ready(request: Request) -> Response:
    """200, or 503 while models load and while the server drains; send requests elsewhere then."""
    if not state_of(request).ready:
        raise Problem(503, "The server is starting or stopping.")
    return Response()
