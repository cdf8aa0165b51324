"""Computes vectors for all requests of a server.

``await engine.embed(model, texts, ask)`` from the event loop: texts are looked up in the cache, the others tokenised (in threads
where that takes long), put into the model's fair queue, and computed together with those of other requests.
``engine.encoder(model)`` is the same from worker threads, as an ``Encoder``; indexes are opened with it.

A request that is given up (its client left, its task was cancelled) leaves the queue at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from vecloom.encoders.protocol import Encoder, Vectors
from vecloom.runtime import cpu
from vecloom.runtime.pipeline import blocks
from vecloom.serve.cache import Known, VectorCache
from vecloom.serve.compute import Ask, Computer, Read, computer_for
from vecloom.serve.facade import EngineEncoder
from vecloom.serve.lane import Lane, QueueFullError, Waiting
from vecloom.serve.metrics import Gauge, Metrics
from vecloom.serve.problems import overloaded
from vecloom.serve.settings import Settings
from vecloom.serve.tracing import part

PATIENCE = 0.1  # seconds that a request waits before anybody looks whether its client is still there
AT_ONCE_CHARACTERS = 4000  # texts up to this are tokenised where they are: handing them to a thread takes as long
AT_ONCE_TEXTS = 8
CACHED_TEXTS = 8  # of larger requests nothing is cached: queries come again, a job's texts do not
RETRY = 0.2  # seconds between the tries of a caller that waits for room in the queue

RERANKER = "reranker"  # its lane; no model can have this name and be asked for vectors

Gone = Callable[[], Awaitable[None]]
"""Ends when the client of a request has left."""


class ClientGoneError(Exception):
    """The client left; nobody will read an answer."""


class TooLongError(Exception):
    """A text has more tokens than the model reads, and may not be cut: its place, and the limit."""

    def __init__(self, place: int, limit: int) -> None:
        super().__init__(f"text {place} is longer than {limit} tokens")
        self.place, self.limit = place, limit


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came out.

    Attributes:
        vectors: (n, d) float32 before cutting and normalisation; may be shared with the cache: do not write to it.
        tokens: read in all, repeated texts included.
        cut: how many texts were longer than the model reads.
        unverified: token ids were taken that may be another tokenizer's, since this model's have no special tokens to tell.
    """

    vectors: Vectors
    tokens: int
    cut: int
    unverified: bool = False


class Engine:
    """One for a server.

    Args:
        models: encoders by name.
        settings: limits.
        metrics: instruments to write to.
        reranker: what scores pairs, or None.

    Attributes:
        lanes: by model.
        readers: threads that tokenise.
        loop: the event loop whose requests are computed; None before the start and after the end.
    """

    def __init__(
        self, models: Mapping[str, Encoder], settings: Settings, metrics: Metrics, reranker: Computer | None = None
    ) -> None:
        self._models, self._settings, self._metrics = models, settings, metrics
        computers = {name: computer_for(encoder) for name, encoder in models.items()}
        if reranker is not None:
            computers[RERANKER] = reranker
        most, budget = settings.max_queue_tokens, settings.max_batch_tokens
        self.lanes = {
            name: Lane(name, computer, budget=budget, most=most, metrics=metrics)
            for name, computer in computers.items()
        }
        self._cache = VectorCache(settings.cache_bytes)
        self.readers = max(2, cpu.threads())
        self._threads = ThreadPoolExecutor(self.readers, thread_name_prefix="reading")
        self.loop: asyncio.AbstractEventLoop | None = None
        self._open = 0
        metrics.queue_size = Gauge(metrics.queue_size.name, metrics.queue_size.help, self.waiting)

    @property
    def running(self) -> bool:
        """Whether requests are computed."""
        return self.loop is not None

    def waiting(self) -> int:
        """How many texts wait for a model."""
        return sum(lane.queue.texts for lane in self.lanes.values())

    def start(self) -> None:
        """Begin to compute, for requests of the running event loop; called by the application's lifespan."""
        self.loop = asyncio.get_running_loop()
        for lane in self.lanes.values():
            lane.start(self.loop)

    async def close(self) -> None:
        """Compute what still waits, then end the threads."""
        self.loop = None
        for lane in self.lanes.values():
            await lane.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def encoder(self, model: str) -> Encoder:
        """A model as an ``Encoder`` for worker threads, whose calls take their fair turn and wait where the queue is full."""
        return EngineEncoder(self, model, self._models[model])

    def computer(self, model: str) -> Computer:
        """How a model reads texts."""
        return self.lanes[model].computer

    def warm_up(self) -> None:
        """Load every network before the first request; blocks."""
        for encoder in self._models.values():
            encoder.encode(["warm"])
            encoder.encode(["warm", "and warm again"])

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """One request for inference is being answered.

        Raises:
            Problem: 429, there are too many.
        """
        if self._open >= self._settings.max_concurrent_requests:
            raise overloaded(max(lane.backlog for lane in self.lanes.values()))
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def embed(
        self,
        model: str,
        texts: Sequence[str],
        ask: Ask,
        *,
        may_cut: bool = True,
        gone: Gone | None = None,
        patient: bool = False,
    ) -> Embedded:
        """Vectors of texts.

        Args:
            model: one of the engine's.
            texts: n strings.
            ask: how to read them.
            may_cut: whether a text longer than the model's limit is cut.
            gone: ends when the client has left.
            patient: wait for room in the queue, instead of refusing.

        Raises:
            TooLongError: a text is too long, and may not be cut.
            Problem: 429, the queue is full.
            ClientGoneError: the client has left.
        """
        lane = self.lanes[model]
        start = (model, ask)
        keys: list[Hashable] = [(start, text) for text in texts]
        known = self._look_up(keys)
        missing = [(key, text) for key, text in dict(zip(keys, texts, strict=True)).items() if key not in known]
        if missing:
            reads = await self._read(lane.computer, [text for _, text in missing], ask)
            if not may_cut:
                self._check_length(keys, [(key, read.cut) for (key, _), read in zip(missing, reads, strict=True)], lane)
            waiting = [(key, read) for (key, _), read in zip(missing, reads, strict=True)]
            vectors = await self._compute(lane, waiting, gone, patient)
            for (key, text), read, vector in zip(missing, reads, vectors, strict=True):
                known[key] = Known(vector, read.cost, read.cut)
                if len(keys) <= CACHED_TEXTS:
                    self._cache.put(key, text, known[key])
        return _assembled([known[key] for key in keys], vectors if len(missing) == len(keys) else None)

    async def embed_ids(
        self, model: str, sequences: Sequence[Sequence[int]], *, may_cut: bool = True, gone: Gone | None = None
    ) -> Embedded:
        """Vectors of complete token id sequences; raises as ``embed`` does, and ValueError for ids that cannot be."""
        lane = self.lanes[model]
        reads = await self._in_thread(lambda: [lane.computer.take_ids(ids) for ids in sequences])
        keys: list[Hashable] = [(model, read.payload.tobytes()) for read in reads]
        if not may_cut:
            self._check_length(keys, [(key, read.cut) for key, read in zip(keys, reads, strict=True)], lane)
        different = dict(zip(keys, reads, strict=True))
        vectors = await self._compute(lane, list(different.items()), gone, patient=False)
        known = {
            key: Known(vector, read.cost, read.cut)
            for (key, read), vector in zip(different.items(), vectors, strict=True)
        }
        made = _assembled([known[key] for key in keys], vectors if len(known) == len(keys) else None)
        return replace(made, unverified=not any(lane.computer.frame))

    # ---- the steps ------------------------------------------------------------------------------------------------

    def _look_up(self, keys: Sequence[Hashable]) -> dict[Hashable, Known]:
        found: dict[Hashable, Known] = {}
        if self._cache.most:
            for key in keys:
                hit = self._cache.get(key)
                if hit is not None:
                    found[key] = hit
        if found:
            self._metrics.cache_hits.add(sum(1 for key in keys if key in found), "cache")
        return found

    async def _read(self, computer: Computer, texts: Sequence[str], ask: Ask) -> list[Read]:
        began = time.perf_counter()
        if len(texts) <= AT_ONCE_TEXTS and sum(map(len, texts)) <= AT_ONCE_CHARACTERS:
            reads = computer.read(texts, ask)
        else:
            reads = []
            for start, stop in blocks(texts):
                part = texts[start:stop]
                reads += await self._in_thread(lambda part=part: computer.read(part, ask))  # type: ignore[misc]
        self._metrics.tokenizing.observe(time.perf_counter() - began)
        for read in reads:
            self._metrics.input_length.observe(read.cost)
        return reads

    async def _in_thread(self, work: Callable[[], list[Read]]) -> list[Read]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _check_length(self, keys: Sequence[Hashable], cut: Sequence[tuple[Hashable, bool]], lane: Lane) -> None:
        for key, was_cut in cut:
            if was_cut:
                raise TooLongError(keys.index(key), lane.computer.limit)

    async def _compute(
        self, lane: Lane, texts: Sequence[tuple[Hashable, Read]], gone: Gone | None, patient: bool
    ) -> Vectors:
        began = time.perf_counter()
        job = await self._submitted(lane, texts, patient)
        self._metrics.cache_misses.add(len(texts))
        watch = _Watch(job, gone) if gone else None
        try:
            with part("compute", model=lane.name, texts=len(texts)):
                return await job.future
        except BaseException:
            lane.drop(job)
            raise
        finally:
            if job.taken:
                self._metrics.queueing.observe(job.taken - began)
                self._metrics.inference.observe(time.perf_counter() - job.taken)
            if watch:
                watch.stop()

    async def _submitted(self, lane: Lane, texts: Sequence[tuple[Hashable, Read]], patient: bool) -> Waiting:
        while True:
            try:
                return lane.submit(texts)
            except QueueFullError as full:
                if not patient:
                    raise overloaded(full.seconds) from None
            await asyncio.sleep(RETRY)


class _Watch:
    """Looks whether a client is still there, for requests that take longer than ``PATIENCE``: most need no task for it."""

    def __init__(self, job: Waiting, gone: Gone) -> None:
        self._job, self._gone = job, gone
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        await self._gone()
        if not self._job.future.done():
            self._job.future.set_exception(ClientGoneError())


def _assembled(known: Sequence[Known], vectors: Vectors | None) -> Embedded:
    """Put the texts of a request in order; ``vectors`` are those of all of them, where none repeats or was known."""
    if vectors is None:
        vectors = np.stack([each.vector for each in known])
    return Embedded(vectors, sum(each.tokens for each in known), sum(each.cut for each in known))
