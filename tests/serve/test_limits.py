"""Bodies: announced and streamed ones."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serve.plain import ask, echo, pieces, read, refuse, respond

from vecloom.serve.limits import BodyLimit


def limited(limit, app=echo):
    return BodyLimit(app, limit, refuse)


@pytest.mark.parametrize(("size", "status"), [(0, 200), (99, 200), (100, 200), (101, 413), (10_000, 413)])
def test_an_announced_body_may_have_the_limit_and_no_byte_more(size, status):
    answer = ask(limited(100), "POST", "/", content=b"x" * size)
    assert answer.status_code == status
    if status == 413:
        assert "100 bytes" in answer.json()["refused"]
        assert answer.headers["connection"] == "close"
    else:
        assert answer.json()["length"] == size


def test_an_announced_body_is_refused_before_it_is_read():
    heard = []

    async def receive():
        heard.append(1)
        return {"type": "http.request", "body": b"x"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"101")]}
    asyncio.run(limited(100)(scope, receive, send))
    assert (heard, sent[0]["status"]) == ([], 413)


def test_a_stream_is_cut_at_the_chunk_that_is_too_much():
    taken = []

    async def body():
        for part in range(1000):
            taken.append(part)
            yield b"x" * 40

    assert ask(limited(100), "POST", "/", content=body()).status_code == 413
    # httpx's transport hands chunks out as they are asked for: 40, 80, and the third one is too much
    assert len(taken) == 3


def test_a_lie_about_the_length_is_counted():
    # A server refuses this by itself; behind another one it may come.
    answer = ask(limited(100), "POST", "/", content=pieces([b"x" * 101]), headers={"content-length": "5"})
    assert answer.status_code == 413


def test_an_application_that_swallows_the_error_does_not_get_its_answer_out():
    async def swallowing(scope, receive, send):
        for _ in range(3):
            try:
                await read(receive)
            except Exception:
                continue
        await respond(send, 200, b'"fine"')

    answer = ask(limited(100, swallowing), "POST", "/", content=pieces([b"x" * 101]))
    assert (answer.status_code, list(answer.json())) == (413, ["refused"])


def test_what_is_not_http_passes():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(limited(1, app)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


@given(st.lists(st.integers(0, 60), max_size=8), st.integers(0, 200))
def test_a_stream_passes_exactly_if_its_sum_does(sizes, limit):
    answer = ask(limited(limit), "POST", "/", content=pieces([b"x" * size for size in sizes]))
    assert answer.status_code == (200 if sum(sizes) <= limit else 413)
    if answer.status_code == 200:
        assert answer.json()["length"] == sum(sizes)
