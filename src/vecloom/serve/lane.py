"""One model's way through the server: a fair queue in front, its computer in worker threads behind.

Requests come from the event loop (``submit``) and get their vectors there. Worker threads take flights under the lane's
condition. Nothing but item lists and vectors crosses between them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Hashable, Sequence

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import BackendError
from vecloom.serve.compute import Computer, Flight, Read
from vecloom.serve.fair import FairQueue, Item, Job
from vecloom.serve.metrics import Metrics

log = logging.getLogger("vecloom.serve.lane")

FIRST_RATE = 10_000.0  # tokens a second that are assumed until some were seen
RATE_MEMORY = 0.9  # weight of what was known of the rate when a flight lands


class QueueFullError(Exception):
    """There is no room for a request's tokens; ``seconds`` is about how long until there will be."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is full for about {seconds:.1f} s")
        self.seconds = seconds


class Waiting(Job):
    """A request's texts on their way. ``future`` ends with (n, d) float32 vectors in the order of the texts.

    ``taken`` is when the first of them was handed to the model (``time.perf_counter``), 0 before.
    """

    __slots__ = ("future", "left", "taken", "texts", "vectors")

    def __init__(self, texts: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.texts = self.left = texts
        self.taken = 0.0
        self.future: asyncio.Future[Vectors] = loop.create_future()
        self.vectors: Vectors | None = None

    def give(self, place: int, vector: Vectors) -> None:
        """One text is done."""
        if self.future.done():
            return
        if self.texts == 1:
            self.future.set_result(vector[None])
            return
        if self.vectors is None:
            self.vectors = np.empty((self.texts, len(vector)), np.float32)
        self.vectors[place] = vector
        self.left -= 1
        if not self.left:
            self.future.set_result(self.vectors)


class Lane:
    """A model's queue and threads.

    Args:
        name: of the model, for threads.
        computer: the model.
        budget: tokens of a micro-batch.
        most: tokens that may wait.
        metrics: instruments to write to.
    """

    def __init__(self, name: str, computer: Computer, *, budget: int, most: int, metrics: Metrics) -> None:
        self.name, self.computer, self.most, self.metrics = name, computer, most, metrics
        self.queue = FairQueue(budget * computer.scale)
        self._changed = threading.Condition()
        self._flying = 0
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rate = FIRST_RATE * computer.scale
        self._landed = 0.0

    # ---- from the event loop --------------------------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to compute for requests of this loop."""
        self._loop, self._closing = loop, False
        run = self.computer.run
        count = self.computer.threads
        self._threads = [threading.Thread(target=run, args=(self,), name=f"lane-{self.name}-{i}") for i in range(count)]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    async def close(self) -> None:
        """Compute what still waits, then end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        loop = asyncio.get_running_loop()
        for thread in self._threads:
            await loop.run_in_executor(None, thread.join)

    def submit(self, texts: Sequence[tuple[Hashable, Read]]) -> Waiting:
        """Let different texts wait for the model.

        Raises:
            QueueFullError: they do not fit. Whatever comes to an empty queue fits.
        """
        assert self._loop is not None
        job = Waiting(len(texts), self._loop)
        with self._changed:
            queue = self.queue
            more = queue.missing((key for key, _ in texts), (read.cost for _, read in texts))
            if queue.tokens and queue.tokens + more > self.most:
                raise QueueFullError(self.backlog)
            shared = queue.add(job, ((key, read.cost, read.payload) for key, read in texts))
            self._changed.notify()
        self.metrics.cache_hits.add(shared, "queue")
        return job

    def drop(self, job: Waiting) -> None:
        """Nobody waits for this job any more: free its work."""
        with self._changed:
            self.queue.drop(job)

    @property
    def backlog(self) -> float:
        """Seconds until what waits now is computed, about."""
        return self.queue.tokens / self._rate

    def _land(self, items: Sequence[Item], vectors: Vectors) -> None:
        for item, vector in zip(items, vectors, strict=True):
            for job, place in item.waiters:
                job.give(place, vector)  # type: ignore[attr-defined]

    def _crash(self, items: Sequence[Item]) -> None:
        for item in items:
            for job, _ in item.waiters:
                if not job.future.done():  # type: ignore[attr-defined]
                    failed = BackendError(f"The model {self.name!r} failed.", "The server's log says where.")
                    job.future.set_exception(failed)  # type: ignore[attr-defined]

    # ---- from worker threads (``compute.Work``) -------------------------------------------------------------------

    def wait(self) -> Flight | None:
        """See ``Work.wait``."""
        with self._changed:
            while not self.queue.texts:
                if self._closing:
                    return None
                self._changed.wait()
            return self._take()

    def more(self) -> Flight | None:
        """See ``Work.more``."""
        with self._changed:
            while True:
                if self.queue.texts and self._may_fly():
                    return self._take()
                if not self._flying:
                    return None
                self._changed.wait()

    def done(self, flight: Flight, items: Sequence[Item], vectors: Vectors) -> None:
        """See ``Work.done``."""
        self._finish(flight, items)
        self.metrics.tokens.add(sum(item.cost for item in items))
        self._call(self._land, items, vectors)

    def failed(self, flight: Flight, items: Sequence[Item], error: Exception) -> None:
        """See ``Work.failed``."""
        log.error("a model failed", extra={"model": self.name, "texts": len(items)}, exc_info=error)
        self._finish(flight, items)
        self._call(self._crash, items)

    def _may_fly(self) -> bool:
        """A stream is free; or all are busy and a whole micro-batch waits, which then is ready when one is done."""
        free = self.computer.parallel - self._flying
        return free > 0 or (free == 0 and self.queue.tokens >= self.queue.budget)

    def _take(self) -> Flight:
        flight = Flight(self.queue.take())
        self._flying += 1
        now = time.perf_counter()
        for item in flight.items:
            for job, _ in item.waiters:
                job.taken = job.taken or now  # type: ignore[attr-defined]
        self.metrics.batch_size.observe(len(flight.items))
        self.metrics.batch_tokens.observe(sum(item.cost for item in flight.items))
        return flight

    def _finish(self, flight: Flight, items: Sequence[Item]) -> None:
        with self._changed:
            self.queue.done(items)
            flight.left -= len(items)
            if not flight.left:
                self._flying -= 1
                self._note_rate(sum(item.cost for item in flight.items))
                self._changed.notify_all()

    def _note_rate(self, tokens: int) -> None:
        """Learn how fast the model is while it is busy: the time between two landings with others waiting."""
        now = time.perf_counter()
        if self._landed and self.queue.texts:
            rate = tokens / max(now - self._landed, 1e-6)
            self._rate = RATE_MEMORY * self._rate + (1 - RATE_MEMORY) * rate
        self._landed = now

    def _call(self, function: object, *given: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *given)  # type: ignore[arg-type]
