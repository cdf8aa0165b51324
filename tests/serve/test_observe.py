"""Request ids, log lines, counts; and no word of a client in a log that was not asked for."""

import asyncio
import io
import json
import logging
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.serve.plain import ask, pieces, read, refuse, respond

from vecloom.serve import logs
from vecloom.serve.metrics import Metrics
from vecloom.serve.observe import Observe

SECRET = "Xylophon-4711"


class Route:
    path = "/v1/indexes/{name}/search"


async def fine(scope, receive, send):
    await read(receive)
    scope["route"] = Route
    await respond(send, 200, b"1234567")


async def failing(scope, receive, send):
    body = (await read(receive)).decode()
    logging.getLogger("some.library").warning("strange text %s", body)
    warnings.warn(f"strange text {body}", UserWarning, stacklevel=1)
    try:
        json.loads(body + "{")
    except ValueError as error:
        raise KeyError(f"{body} {scope['path']}") from error


@pytest.fixture
def log():
    """What is logged, as lines, to be configured by the test."""
    stream, before = io.StringIO(), logging.getLogger().handlers[:]

    def configured(**options):
        logs.configure(stream=stream, **options)
        return stream

    yield configured
    logging.getLogger().handlers[:] = before
    logging.getLogger("uvicorn.access").disabled = False
    logging.captureWarnings(False)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def observed(app, **options):
    return Observe(app, options.pop("metrics", Metrics()), refuse, **options)


# ---- ids -------------------------------------------------------------------------------------------------------------


def test_a_request_keeps_its_id_or_gets_one(log):
    stream = log()
    given_id = ask(observed(fine), "POST", "/x", headers={"X-Request-ID": "abc-1.2_3"}).headers["x-request-id"]
    made = ask(observed(fine), "POST", "/x").headers["x-request-id"]
    assert (given_id, len(made)) == ("abc-1.2_3", 32)
    assert [line["request_id"] for line in lines(stream)] == [given_id, made]


@pytest.mark.parametrize("bad", ["a b", "a" * 129, "ä", '"x"', "{}"])
def test_an_id_that_could_do_harm_is_replaced(bad):
    answer = ask(observed(fine), "POST", "/x", headers={"X-Request-ID": bad.encode()})
    assert len(answer.headers["x-request-id"]) == 32


# ---- lines ------------------------------------------------------------------------------------------------------------


def test_a_line_says_what_happened_and_not_what_was_asked(log):
    stream = log()
    ask(observed(fine), "POST", f"/v1/indexes/{SECRET}/search?q={SECRET}", content=SECRET.encode() * 2)
    (line,) = lines(stream)
    assert SECRET not in stream.getvalue()
    seconds = line.pop("seconds")
    assert 0 <= seconds < 60
    del line["time"], line["request_id"]
    assert line == {
        "level": "info", "logger": "vecloom.serve.access", "message": "request", "method": "POST",
        "route": "/v1/indexes/{name}/search", "status": 200, "bytes_in": 26, "bytes_out": 7, "client": "10.0.0.9", "key": None,
    }  # fmt: skip


def test_asked_for_texts_are_there_up_to_a_bound(log):
    stream = log(texts=True)
    parts = [SECRET.encode(), b"x" * 10_000]
    ask(observed(fine, texts=True), "POST", f"/{SECRET}?q=1", content=pieces(parts))
    (line,) = lines(stream)
    assert line["path"] == f"/{SECRET}?q=1"
    assert line["body"] == SECRET + "x" * (4096 - len(SECRET))
    assert line["bytes_in"] == 10_000 + len(SECRET)


def test_a_failure_is_answered_with_500_and_told_by_its_place(log):
    stream, metrics = log(), Metrics()
    answer = ask(observed(failing, metrics=metrics), "POST", f"/{SECRET}", content=SECRET.encode())
    assert answer.status_code == 500
    assert answer.json()["refused"] == "The server failed; its log says where."
    assert answer.headers["x-request-id"]
    assert SECRET not in stream.getvalue()
    told = [line for line in lines(stream) if line["level"] == "error"]
    assert told[0]["error"]["type"] == "KeyError"
    assert "test_observe.py" in told[0]["error"]["at"][-1]
    assert told[0]["error"]["cause"]["type"] == "JSONDecodeError"
    assert {line["logger"] for line in lines(stream)} == {
        "some.library",
        "py.warnings",
        "vecloom.serve",
        "vecloom.serve.access",
    } - ({"vecloom.serve"})
    assert metrics.http.value("POST", "-", "500") == 1


def test_a_failure_is_told_in_full_where_texts_are_asked_for(log):
    stream = log(texts=True)
    ask(observed(failing, texts=True), "POST", "/x", content=SECRET.encode())
    told = {line["logger"]: line for line in lines(stream)}
    assert told["some.library"]["message"] == f"strange text {SECRET}"
    assert SECRET in json.dumps(told["vecloom.serve.access"])


def test_half_an_answer_breaks_off():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    sent = []

    async def call():
        async def send(message):
            sent.append(message["type"])

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await observed(half)(scope, None, send)

    with pytest.raises(RuntimeError):
        asyncio.run(call())
    assert sent == ["http.response.start", "http.response.body"]


# ---- counts -----------------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_not_by_path():
    metrics = Metrics()
    for number in range(3):
        ask(observed(fine, metrics=metrics), "POST", f"/v1/indexes/{number}/search")
    ask(observed(fine, metrics=metrics), "BREW", "/coffee")
    assert metrics.http.value("POST", Route.path, "200") == 3
    assert metrics.http.value("OTHER", Route.path, "200") == 1
    assert metrics.http_duration.count(Route.path) == 4
    assert metrics.http_open.value() == 0


def test_a_client_that_left_is_counted_as_gone():
    async def nothing(scope, receive, send):
        return

    metrics = Metrics()
    asyncio.run(observed(nothing, metrics=metrics)({"type": "http", "method": "GET", "headers": []}, None, None))
    assert metrics.http.value("GET", "-", "499") == 1


# ---- properties ---------------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=30).filter(
    lambda word: not word.isascii() or word.isalpha()
)
LEVELS = st.sampled_from(["warning", "error", "exception"])
VALUES = st.text() | st.integers() | st.binary()
LOGGERS = st.sampled_from(["httpx", "lance", "root", "a.b"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    secret=WORDS,
    level=st.sampled_from(["warning", "error", "exception"]),
    logger=st.sampled_from(["httpx", "lance", "root", "a.b"]),
)
def test_whatever_a_library_says_of_a_text_stays_out(log, secret, level, logger):
    stream = log()
    stream.seek(0)
    stream.truncate()
    try:
        raise ValueError(f"cannot read {secret!r}: {secret}")
    except ValueError:
        getattr(logging.getLogger(logger), level)(f"failed on {secret} and %s", secret)
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert secret not in written
    assert secret not in json.dumps(json.loads(written), ensure_ascii=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    extra=st.dictionaries(st.text(min_size=1, max_size=9), st.text() | st.integers() | st.binary(), max_size=3),
    text=st.text(),
)
def test_every_record_is_one_line_of_json(log, extra, text):
    stream = log(texts=True)
    stream.seek(0)
    stream.truncate()
    known = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    logging.getLogger("vecloom.serve").info("%s", text, extra={k: v for k, v in extra.items() if k not in known})
    (line,) = stream.getvalue().split("\n")[:-1]
    assert json.loads(line)["message"] == text
