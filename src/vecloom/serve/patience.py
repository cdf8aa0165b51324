"""How long a connection may keep the server waiting: uvicorn's HTTP protocol with an end to idle and half-sent requests.

uvicorn ends a connection that is idle after an answer, and no other: one that never sends, or sends a byte now and then, is
kept for ever. Here a request's head has to come within a time; its body has to come at a rate, once that time is over; and a
client has to take its answer. Time in which the client waits for the server counts for nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypeAlias

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vecloom.serve.problems import Problem, response

Awaited: TypeAlias = Literal["head", "body", ""]

SLOWEST = 500  # bytes of a body per second, as Apache's mod_reqtimeout has it
HEAD_BYTES = 256 * 1024  # of a request line and its headers: an id and a filter in a query may be long


def patient(seconds: float) -> type[asyncio.Protocol]:
    """The protocol of connections that may keep the server waiting so long."""
    return type("Patient", (PatientProtocol,), {"patience": seconds})


class PatientProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        patience: seconds for a request's head, for the first of its body, and for a client that does not read.
        awaited: the part of a request of which there is more to come.
    """

    patience = 30.0
    awaited: Awaited = ""
    _running: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._timer: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._began, self._received, self._timed, self._begun = 0.0, 0, "", False
        self._unsent = 0
        self.awaited = "head"
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.awaited = ""
        self._watch()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._received += len(data)
        super().data_received(data)
        self._watch()
        if self.awaited == "head" and self._received > HEAD_BYTES:
            self._refuse("/", Problem(431, f"The request line and headers are larger than {HEAD_BYTES:,} bytes."))

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request."""
        self.awaited, self._timed, self._begun = "head", "another", True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw the end of the head."""
        self.awaited = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser saw the end of the request."""
        self.awaited, self._begun = "", False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(self.patience, self._look)

    def resume_writing(self) -> None:
        """The client takes its answer again."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def _look(self) -> None:
        """End the connection of a client that took nothing since the last look."""
        left = self.transport.get_write_buffer_size()
        if left >= self._unsent:
            self.transport.abort()
        else:
            self._unsent = left
            self._stuck = self.loop.call_later(self.patience, self._look)

    def _watch(self) -> None:
        """Keep a timer for what is awaited; a request that came whole costs none."""
        if self.awaited == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed, self._began, self._received = self.awaited, self.loop.time(), 0
        if self.awaited:
            self._timer = self.loop.call_later(self.patience, self._late)

    def _late(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused or (self.awaited == "head" and self._answering()):
            self._began, self._received = now, 0  # the client waits for the server
        allowed = self.patience + (self._received / SLOWEST if self.awaited == "body" else 0)
        left = self._began + allowed - now
        if left > 0:
            self._timer = self.loop.call_later(left, self._late)
        elif self.awaited == "body":
            told = (
                f"The body came too slowly: after {self.patience:g} seconds it has to come at {SLOWEST} bytes a second."
            )
            self._refuse(self.scope["path"], Problem(408, told))
        elif self._begun:
            told = f"The request came too slowly: its headers have to be here within {self.patience:g} seconds."
            self._refuse("/", Problem(408, told))
        else:
            self.transport.close()

    def _answering(self) -> bool:
        """Whether the request before is still being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, path: str, problem: Problem) -> None:
        """Answer by hand, unless an answer has begun, and end the connection."""
        if self.transport.is_closing():
            return
        if not self._answering() or (self.awaited == "body" and not self.cycle.response_started):
            self.transport.write(_written(response(path, problem)))
        self._give_up()
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What came cannot be read as HTTP."""
        self._give_up()
        super().send_400_response(msg)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _give_up(self) -> None:
        """Tell what answers that nobody will hear it, before the connection ends under it."""
        for cycle in {self._running, self.cycle} - {None}:  # of pipelined requests the last is not the one that runs
            cycle.disconnected = True
            cycle.message_event.set()


def _written(answer: Response) -> bytes:
    head = [
        b"HTTP/1.1 %d %s"
        % (answer.status_code, {408: b"Request Timeout", 431: b"Header Too Large"}[answer.status_code])
    ]
    head += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*head, b"connection: close", b"", bytes(answer.body)])
