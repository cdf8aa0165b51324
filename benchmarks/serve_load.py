"""The load for ``benchmarks/serve.py``: a process of its own that asks a server over loopback and says how it was answered.

    python benchmarks/serve_load.py < job.json > answer.json

A closed loop: each client has one connection, sends a request, waits for the whole answer, sends the next. A job is bounded
in count and in time. The client is one ``asyncio.Protocol`` with as little in it as possible, since it shares the cores with
the server it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.came, self.wanted = bytearray(), -1

    def connection_made(self, transport: Any) -> None:
        """Keep what is written to."""
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """An answer that will not come is an error."""
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        self.came += data
        if self.wanted < 0:
            end = self.came.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.came[:end]).lower()
            start = head.index(LENGTH) + len(LENGTH)
            self.wanted = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
            self.body = end + 4
        if len(self.came) >= self.wanted and self.answer:
            status, body = int(self.came[9:12]), bytes(self.came[self.body : self.wanted])
            self.came.clear()
            self.wanted = -1
            self.answer.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; status and body of its answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


def post(path: str, content: Any) -> bytes:
    """A whole request."""
    body = json.dumps(content).encode()
    return HEAD % (path.encode(), len(body)) + body


def request(method: str, path: str, content: Any = None) -> bytes:
    """A whole request of any method."""
    made = (
        post(path, content) if content is not None else b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode()
    )
    return method.encode() + made[4:]


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        sent: requests.
        seconds: from the first request sent to the last answer.
        latencies: seconds of each answered request.
        wrong: statuses and answers that are not what was asked for, by what is wrong.
    """

    sent: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """One more of this kind."""
        self.wrong[what] = self.wrong.get(what, 0) + 1


async def load(port: int, clients: int, requests: Iterator[tuple[bytes, int]], limit: float) -> Seen:
    """Send all requests; each comes with the number of embeddings that its answer has to hold."""
    loop, seen = asyncio.get_running_loop(), Seen()
    opened = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(clients)]
    began = time.perf_counter()

    async def client(connection: Connection) -> None:
        for body, wanted in requests:
            if time.perf_counter() - began > limit:
                return
            sent = time.perf_counter()
            seen.sent += 1
            try:
                status, answer = await connection.ask(body)
            except ConnectionResetError:
                seen.note("connection closed")
                return
            seen.latencies.append(time.perf_counter() - sent)
            if status != 200:
                seen.note(f"status {status}")
            elif answer.count(b'"embedding":') + answer.count(b'"embedding" :') != wanted:
                seen.note("embeddings missing")

    waiting = [asyncio.create_task(client(connection)) for connection in opened]
    _, late = await asyncio.wait(waiting, timeout=2 * limit)
    for task in late:
        task.cancel()
        seen.note(f"no answer within {2 * limit:g} s")
    seen.seconds = time.perf_counter() - began
    for connection in opened:
        connection.transport.close()
    return seen


def bodies(job: dict[str, Any]) -> list[tuple[bytes, int]]:
    """The requests of a job, made before the clock runs."""
    texts, each = job["texts"], job["each"]
    groups = [texts[start : start + each] for start in range(0, len(texts), each)]
    return [
        (
            post(job["path"], {"model": job["model"], "input": group if each > 1 else group[0], **job["options"]}),
            len(group),
        )
        for group in groups
    ]


def main() -> None:
    job = json.load(sys.stdin)
    seen = asyncio.run(load(job["port"], job["clients"], iter(bodies(job)), job["limit"]))
    json.dump({"seconds": seen.seconds, "latencies": seen.latencies, "wrong": seen.wrong}, sys.stdout)


if __name__ == "__main__":
    main()
