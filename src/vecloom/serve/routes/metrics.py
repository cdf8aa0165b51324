"""``/metrics``: what was counted, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from vecloom.serve.metrics import CONTENT_TYPE
from vecloom.serve.state import state_of

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse, summary="Counters and histograms in Prometheus' text format.")
async def metrics(request: Request) -> Response:
    """Routes, states and the names of models and indexes; nothing that a client wrote."""
    return Response(state_of(request).metrics.page(), media_type=CONTENT_TYPE)
