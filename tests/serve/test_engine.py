"""The engine around an encoder that waits when it is told to: overload, clients that leave, the end, the cache, failures."""

import asyncio
import threading
import time
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import HashEncoder
from tests.serve.served import new_state

from vecloom.errors import BackendError
from vecloom.serve import engine as engine_module
from vecloom.serve.compute import LIGHT, Ask
from vecloom.serve.engine import ClientGoneError, Engine, TooLongError
from vecloom.serve.metrics import Metrics
from vecloom.serve.problems import Problem
from vecloom.serve.settings import Settings


class Held(HashEncoder):
    """Computes when it is let: each call waits for ``go``, and is written down."""

    def __init__(self, max_length=1_000_000):
        super().__init__()
        self.go, self.calls = threading.Event(), []
        self._most = max_length

    @property
    def max_length(self):
        return self._most

    def encode(self, texts, **how):
        self.calls.append(list(texts))
        assert self.go.wait(20)
        if "fail" in texts:
            raise RuntimeError("a secret text")
        return super().encode(texts, **how)


def run(scenario, encoder=None, free=True, **limits):
    """Run ``scenario(engine, encoder)`` on a running engine."""
    encoder = encoder or Held()
    if free:
        encoder.go.set()
    made = Engine({"m": encoder}, Settings(**limits), Metrics())

    async def within():
        made.start()
        try:
            return await asyncio.wait_for(scenario(made, encoder), 30)
        finally:
            encoder.go.set()
            await made.close()

    return asyncio.run(within())


async def until(true):
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in 5 s")


texts = st.lists(st.text(max_size=20), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from([0, 2**20]))
def test_every_request_gets_the_encoders_vectors_in_its_order(requests, cache):
    async def scenario(engine, _):
        answers = await asyncio.gather(*[engine.embed("m", request, Ask()) for request in requests * 2])
        return [answer.vectors for answer in answers]

    for request, vectors in zip(requests * 2, run(scenario, cache_bytes=cache), strict=True):
        np.testing.assert_array_equal(vectors, HashEncoder().encode(request, normalize=False))


def test_a_text_asked_for_again_comes_from_the_cache_unless_it_is_off():
    async def scenario(engine, encoder):
        for _ in range(3):
            await engine.embed("m", ["a", "b"], Ask())
        return len(encoder.calls), engine._metrics.cache_hits.value("cache")

    assert run(scenario) == (1, 4)
    assert run(scenario, cache_bytes=0) == (3, 0)


def test_the_cache_keeps_queries_apart_from_documents():
    async def scenario(engine, encoder):
        await engine.embed("m", ["a"], Ask("document"))
        await engine.embed("m", ["a"], Ask("query"))
        await engine.embed("m", ["a"], Ask("document", "prompt: "))
        return len(encoder.calls)

    assert run(scenario) == 3


def test_equal_texts_under_way_are_computed_once():
    async def scenario(engine, encoder):
        jobs = [asyncio.create_task(engine.embed("m", ["same", "same"], Ask())) for _ in range(5)]
        await asyncio.sleep(0.05)
        encoder.go.set()
        await asyncio.gather(*jobs)
        return list(chain(*encoder.calls))

    assert run(scenario, free=False, cache_bytes=0) == ["same"]


def test_more_requests_than_the_limit_are_told_to_come_again():
    async def scenario(engine, _):
        with engine.admitted(), engine.admitted(), pytest.raises(Problem) as refused, engine.admitted():
            pass
        with engine.admitted():  # there is room again
            return refused.value

    problem = run(scenario, max_concurrent_requests=2)
    assert problem.status == 429
    assert int(problem.headers["Retry-After"]) >= 1


def test_a_full_queue_refuses_and_what_it_took_is_answered():
    async def scenario(engine, encoder):
        taken = [asyncio.create_task(engine.embed("m", [f"running {i}"], Ask())) for i in range(1)]
        await until(lambda: encoder.calls)
        taken.append(asyncio.create_task(engine.embed("m", ["x" * 300] * 3 + ["y" * 300], Ask())))
        await asyncio.sleep(0.05)  # an empty queue takes any one request
        with pytest.raises(Problem) as refused:
            await engine.embed("m", ["z" * 300], Ask())
        patient = asyncio.create_task(engine.embed("m", ["z" * 300], Ask(), patient=True))
        await asyncio.sleep(0.05)
        waiting = engine.waiting()
        encoder.go.set()
        done = [len((await task).vectors) for task in [*taken, patient]]
        assert int(refused.value.headers["Retry-After"]) >= 1
        return refused.value.status, waiting, done, engine.waiting()

    # HashEncoder has no tokenizer: 300 letters count as 101 tokens
    assert run(scenario, free=False, max_queue_tokens=210) == (429, 2, [1, 4, 1], 0)


def test_a_client_that_leaves_frees_its_work(monkeypatch):
    monkeypatch.setattr(engine_module, "PATIENCE", 0.01)

    async def scenario(engine, encoder):
        first = asyncio.create_task(engine.embed("m", ["first"], Ask()))
        await until(lambda: encoder.calls)

        async def gone():
            await asyncio.sleep(0.05)

        with pytest.raises(ClientGoneError):
            await engine.embed("m", [f"never {i}" for i in range(50)], Ask(), gone=gone)
        assert engine.waiting() == 0
        encoder.go.set()
        await first
        return encoder.calls

    assert run(scenario, free=False) == [["first"]]


def test_a_cancelled_request_frees_its_work():
    async def scenario(engine, encoder):
        first = asyncio.create_task(engine.embed("m", ["first"], Ask()))
        await until(lambda: encoder.calls)
        second = asyncio.create_task(engine.embed("m", ["second"], Ask()))
        await until(lambda: engine.waiting() == 1)
        second.cancel()
        await asyncio.sleep(0.01)
        assert engine.waiting() == 0
        encoder.go.set()
        await first
        return encoder.calls

    assert run(scenario, free=False) == [["first"]]


def test_closing_computes_what_waits():
    async def scenario(engine, encoder):
        jobs = [asyncio.create_task(engine.embed("m", ["text"], Ask()))]
        await until(lambda: encoder.calls)
        jobs += [asyncio.create_task(engine.embed("m", [f"text {i}"], Ask())) for i in range(19)]
        await until(lambda: engine.waiting() == 19)
        threading.Timer(0.05, encoder.go.set).start()
        await engine.close()
        return sum([len((await job).vectors) for job in jobs])

    assert run(scenario, free=False) == 20


def test_a_model_that_fails_fails_its_requests_alone_and_keeps_texts_to_itself():
    async def scenario(engine, _):
        with pytest.raises(BackendError) as failed:
            await engine.embed("m", ["fail"], Ask())
        return str(failed.value), (await engine.embed("m", ["fine"], Ask())).vectors.shape

    told, shape = run(scenario)
    assert "secret" not in told
    assert shape == (1, HashEncoder().dim)


def test_a_text_that_is_too_long_is_cut_or_refused():
    async def scenario(engine, _):
        cut = await engine.embed("m", ["a" * 300, "b"], Ask())
        with pytest.raises(TooLongError) as refused:
            await engine.embed("m", ["b", "a" * 301], Ask(), may_cut=False)
        return cut.cut, cut.tokens, refused.value.place, refused.value.limit

    assert run(scenario, Held(max_length=50)) == (1, 50 + 1, 1, 50)


def test_a_short_request_passes_a_long_job():
    order = []

    async def scenario(engine, encoder):
        async def embed(name, given):
            await engine.embed("m", given, Ask())
            order.append(name)

        long = asyncio.create_task(embed("long", [f"{i} " + "x" * 60 for i in range(400)]))
        await until(lambda: encoder.calls)
        short = asyncio.create_task(embed("short", ["quick"]))
        await asyncio.sleep(0.02)
        encoder.go.set()
        await asyncio.gather(long, short)
        return [batch for batch, call in enumerate(encoder.calls) if "quick" in call], len(encoder.calls)

    places, calls = run(scenario, free=False, max_batch_tokens=8 * 32 // LIGHT)
    assert order == ["short", "long"]
    assert places[0] <= 3  # of the many flights
    assert calls > 20


def test_an_encoder_for_threads_gives_the_same_vectors_and_takes_turns():
    async def scenario(engine, _):
        encoder = engine.encoder("m")
        got = await asyncio.gather(
            *[asyncio.to_thread(encoder.encode, [f"t{i}", "same"], dim=3) for i in range(8)],
            asyncio.to_thread(encoder.encode, []),
        )
        return got, (encoder.dim, encoder.fingerprint, encoder.name)

    got, facts = run(scenario)
    plain = HashEncoder()
    assert facts == (plain.dim, plain.fingerprint, plain.name)
    for i, vectors in enumerate(got[:-1]):
        np.testing.assert_allclose(vectors, plain.encode([f"t{i}", "same"], dim=3), atol=1e-6)
    assert got[-1].shape == (0, plain.dim)


def test_before_the_start_the_encoder_answers_itself(tmp_path):
    state = new_state(tmp_path)
    assert state.engine.encoder("hash").encode(["a"]).shape == (1, HashEncoder().dim)
    assert not state.ready


def test_requests_of_all_sizes_at_once_lose_nothing():
    async def scenario(engine, encoder):
        sizes = [1, 1, 1, 7, 300, 1, 40, 1, 2, 120] * 5
        began = time.perf_counter()
        answers = await asyncio.gather(
            *[engine.embed("m", [f"{n} {i}" for i in range(size)], Ask()) for n, size in enumerate(sizes)]
        )
        assert time.perf_counter() - began < 20
        for n, (size, answer) in enumerate(zip(sizes, answers, strict=True)):
            wanted = HashEncoder().encode([f"{n} {i}" for i in range(size)], normalize=False)
            np.testing.assert_array_equal(answer.vectors, wanted)
        computed = list(chain(*encoder.calls))
        return len(computed), len(set(computed)), engine.waiting()

    total = sum([1, 1, 1, 7, 300, 1, 40, 1, 2, 120]) * 5
    assert run(scenario) == (total, total, 0)
