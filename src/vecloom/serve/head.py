"""HEAD: the status and headers of GET, without a body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

from vecloom.serve.asgi import ASGIApp, Message, Receive, Scope, Send


class Head:
    """ASGI middleware: what is inside of it sees GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HEAD passes through."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, bare)
        finally:
            scope["route"] = asked.get("route")  # for logs and metrics, which are outside
