"""Connections that are idle, half-sent or not read end; those that only wait for the server do not. Limits are a second here."""

import json
import socket
import time

import httpx
import pytest
from tests.serve.running import running

ENDS = 15  # seconds: far above the limits, far below what a hanging connection takes
BODY = json.dumps({"input": ["a"] * 3}).encode()
HEAD = (
    "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode()
GET = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def hasty():
    with running("--client-timeout", 1, "--keep-alive", 1) as found:
        yield found


@pytest.fixture
def line(hasty):
    url = httpx.URL(hasty.url)
    with socket.create_connection((url.host, url.port), timeout=ENDS) as made:
        yield made


def rest(line):
    """All that comes until the server ends the connection; fails where it does not."""
    parts = b""
    while part := line.recv(65536):
        parts += part
    return parts


def said(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def drip(line, text, pause=0.2):
    """A byte now and then, until the server has had enough."""
    try:
        for byte in text:
            line.sendall(bytes([byte]))
            time.sleep(pause)
    except OSError:
        pass


def test_a_connection_that_never_sends_ends(line):
    assert rest(line) == b""


@pytest.mark.parametrize("sent", [b"G", b"GET /live HTTP/1.1\r\n", GET[:-2], b"\x16"])
def test_a_half_sent_head_is_told_and_ends(line, sent):
    line.sendall(sent)
    answer = rest(line)
    assert answer.split()[1] in (b"408", b"400")


def test_a_head_that_drips_ends_all_the_same(line):
    drip(line, GET[:-1])
    assert line.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_half_sent_body_is_told_in_the_apis_shape_and_ends(line):
    line.sendall(HEAD + BODY[:5])
    status, told = said(rest(line))
    assert (status, told["error"]["type"]) == (408, "invalid_request_error")
    assert "500 bytes a second" in told["error"]["message"]


def test_a_body_that_drips_ends_all_the_same(line):
    drip(line, HEAD + BODY[:1], 0)
    drip(line, BODY[1:-1])
    assert line.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_body_at_a_fair_rate_may_take_longer(line):
    body = json.dumps({"input": "a " * 3000}).encode()
    line.sendall(HEAD.replace(str(len(BODY)).encode(), str(len(body)).encode()))
    for start in range(0, len(body), 400):
        line.sendall(body[start : start + 400])
        time.sleep(0.15)  # 2,700 bytes a second, for two seconds and more
    assert line.recv(100).startswith(b"HTTP/1.1 200 ")


def test_an_idle_connection_ends_after_its_answer(line):
    line.sendall(GET)
    answer = rest(line)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_connection_that_asks_again_is_kept(line):
    for _ in range(8):
        line.sendall(GET)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.3)


def test_half_a_request_behind_another_does_not_break_its_answer(line):
    body = json.dumps({"input": [f"a rather long text with several words, number {n}" for n in range(2500)]}).encode()
    line.sendall(HEAD.replace(str(len(BODY)).encode(), str(len(body)).encode()) + body + GET[:10])
    answer = rest(line)
    head, _, found = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(next(row.split()[1] for row in head.lower().split(b"\r\n") if row.startswith(b"content-length")))
    assert len(json.loads(found[:length])["data"]) == 2500
    assert found[length:].startswith(b"HTTP/1.1 408 ")


def test_a_client_that_does_not_take_its_answer_loses_the_connection(hasty):
    url = httpx.URL(hasty.url)
    body = json.dumps({"input": [f"text {n % 7}" for n in range(2000)], "encoding_format": "float"}).encode()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(ENDS)
        line.connect((url.host, url.port))
        line.sendall(HEAD.replace(str(len(BODY)).encode(), str(len(body)).encode()) + body)
        end = time.monotonic() + 60
        while 'status="200"' not in httpx.get(f"{hasty.url}/metrics").text and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(4)
        got = 0
        try:
            while part := line.recv(65536):
                got += len(part)
        except ConnectionResetError:
            pass
        assert got < 2000 * 384 * 5  # of some eight bytes a number


def test_a_head_without_an_end_is_refused(line):
    try:
        line.sendall(b"GET /live HTTP/1.1\r\n")
        for n in range(2000):
            line.sendall(b"X-%d: %s\r\n" % (n, b"x" * 1000))
    except OSError:
        return  # the server hung up
    assert rest(line).startswith(b"HTTP/1.1 431 ")


def test_an_offer_to_upgrade_is_answered_plainly(line):
    line.sendall(
        GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
    )
    assert rest(line).startswith(b"HTTP/1.1 200 ")


def test_the_server_is_well_after_all_this(hasty):
    assert httpx.get(f"{hasty.url}/ready").status_code == 200
    assert "vecloom_http_open 1" in httpx.get(f"{hasty.url}/metrics").text  # this very request
