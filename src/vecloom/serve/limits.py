"""The size of a request's body, held whether or not the client says it beforehand."""

from __future__ import annotations

from contextlib import suppress

from vecloom.serve.asgi import ASGIApp, Message, Receive, Refuse, Scope, Send, header


class BodyLimit:
    """ASGI middleware: bodies above ``limit`` bytes are answered with 413.

    A body whose ``Content-Length`` is too large is refused before a byte of it is read; one that comes in chunks is counted and
    refused at the chunk that is too much. At most ``limit`` bytes and one chunk are held.
    """

    def __init__(self, app: ASGIApp, limit: int, refuse: Refuse) -> None:
        self.app, self.limit, self.refuse = app, limit, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._announced(scope) > self.limit:
            await self._refuse(scope, receive, send)
            return
        counted = _Counted(receive, send, self.limit)
        with suppress(_TooLargeError):
            await self.app(scope, counted.receive, counted.send)
        if counted.over and not counted.started:
            await self._refuse(scope, receive, send)

    def _announced(self, scope: Scope) -> int:
        value = header(scope, b"content-length")
        return int(value) if value.isdigit() else 0

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            # The rest of the body is not read, so nothing can follow on this connection.
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        told = f"The request is larger than the {self.limit:,} bytes that are allowed; send it in parts."
        await self.refuse(scope, 413, told)(scope, receive, closing)


class _TooLargeError(Exception):
    """Ends the application's reading."""


class _Counted:
    """One request's reading and writing. What the application answers to a body that was cut off is dropped."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit
        self.over = self.started = False

    async def receive(self) -> Message:
        """The next message; raises where the body is too large, each time."""
        if self.over:
            raise _TooLargeError
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.over = True
                raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on, unless the request was refused."""
        if self.over and not self.started:
            return
        self.started = True
        await self._send(message)
