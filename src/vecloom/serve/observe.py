"""The outermost layer: each request gets an id, a log line, its place in the metrics, a span, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecloom.serve.asgi import ASGIApp, Message, Receive, Refuse, Scope, Send, header
from vecloom.serve.logs import REQUEST_ID

if TYPE_CHECKING:
    from vecloom.serve.metrics import Metrics
    from vecloom.serve.tracing import Tracing

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GONE = 499  # nginx's number for a client that left before its answer; it appears in logs and metrics alone
BODY_IN_LOG = 4096  # bytes of a request that are logged where texts are asked for
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = logging.getLogger("vecloom.serve.access")


def request_id(scope: Scope) -> str:
    """The client's ``X-Request-ID`` where it is harmless, else a new one."""
    given = header(scope, b"x-request-id").decode("latin-1")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def route_of(scope: Scope) -> str:
    """The route's template, ``/v1/indexes/{name}/search``; "-" where no route took the request."""
    return str(getattr(scope.get("route"), "path", "-"))


@dataclass
class Exchange:
    """One request and what became of it."""

    scope: Scope
    id: str
    began: float
    status: int = 0
    received: int = 0
    sent: int = 0
    body: bytes = b""

    def line(self, seconds: float, texts: bool) -> dict[str, Any]:
        """What is logged."""
        key = self.scope["state"].get("key")
        line = {
            "method": _method(self.scope),
            "route": route_of(self.scope),
            "status": self.status,
            "seconds": round(seconds, 6),
            "bytes_in": self.received,
            "bytes_out": self.sent,
            "client": (self.scope.get("client") or ("",))[0],
            "key": key.name if key else None,
        }
        if texts:
            path = self.scope.get("raw_path") or self.scope["path"].encode()
            query = self.scope.get("query_string", b"")
            line["path"] = (path + (b"?" + query if query else b"")).decode("utf-8", "replace")
            line["body"] = self.body.decode("utf-8", "replace")
        return line


class Observe:
    """ASGI middleware; has to be the outermost one, so that refusals of the others are seen too."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, refuse: Refuse, *, texts: bool = False, tracing: Tracing | None = None
    ) -> None:
        self.app, self.metrics, self.refuse, self.texts, self.tracing = app, metrics, refuse, texts, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = Exchange(scope, request_id(scope), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = seen.id
        token = REQUEST_ID.set(seen.id)
        span = self.tracing.start(scope) if self.tracing else None
        self.metrics.http_open.add(1)
        try:
            await self._answer(seen, receive, send)
        finally:
            self._record(seen)
            if self.tracing and span is not None:
                self.tracing.end(span, route_of(scope), seen.status)
            REQUEST_ID.reset(token)

    async def _answer(self, seen: Exchange, receive: Receive, send: Send) -> None:
        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body = message.get("body", b"")
                seen.received += len(body)
                if self.texts and len(seen.body) < BODY_IN_LOG:
                    seen.body += body[: BODY_IN_LOG - len(seen.body)]
            return message

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", seen.id.encode())]
            elif message["type"] == "http.response.body":
                seen.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(seen.scope, heard, told)
        except Exception:
            log.exception("a request failed")
            if seen.status:  # half an answer is out: the connection has to break, or the client takes it for whole
                raise
            await self.refuse(seen.scope, 500, "The server failed; its log says where.")(seen.scope, heard, told)

    def _record(self, seen: Exchange) -> None:
        seconds = time.perf_counter() - seen.began
        seen.status = seen.status or GONE
        route = route_of(seen.scope)
        self.metrics.http_open.add(-1)
        self.metrics.http.add(1, _method(seen.scope), route, str(seen.status))
        self.metrics.http_duration.observe(seconds, route)
        if log.isEnabledFor(logging.INFO):
            log.info("request", extra=seen.line(seconds, self.texts))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "OTHER"
