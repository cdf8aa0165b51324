"""A server while its models load: what it answers, how it begins, how it ends. The load waits for a file that the test makes."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

CODE = """
import sys, time
from pathlib import Path
from vecloom.cli import main
from vecloom.errors import ModelError
from vecloom.serve import loading

go, open_state = Path(sys.argv.pop(1)), loading.open_state

def waiting(*given, **named):
    while not go.exists():
        time.sleep(0.01)
    if told := go.read_text():
        raise ModelError(told, "Get another one.")
    return open_state(*given, **named)

loading.open_state = waiting
main()
"""


class Loading:
    """A server that loads until ``go`` is written, and a connection to it."""

    def __init__(self, process, port, go):
        self.process, self.port, self._go = process, port, go
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def go(self, error=""):
        whole = self._go.with_suffix(".part")
        whole.write_text(error)
        whole.rename(self._go)

    def ask(self, method, path, body=None):
        """Status, headers and body, on the one connection; the socket's own port with it."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        ours = self.connection.sock.getsockname()[1]
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read(), ours


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def loading(folder, *args):
    """``vecloom serve`` once its port answers."""
    port, go = free_port(), folder / "go"
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, go, "serve", "--port", str(port), "--json", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        until_taken(process, port)
        yield Loading(process, port, go)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()
        process.stderr.close()


def until_taken(process, port):
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(process.stderr.read())


def test_it_lives_but_is_not_ready_and_then_answers_on_the_same_connection(tmp_path):
    with loading(tmp_path, "-m", "minilm") as server:
        status, _, _, first = server.ask("GET", "/live")
        assert status == 200
        for method, path in (("GET", "/ready"), ("GET", "/health"), ("GET", "/metrics"), ("POST", "/embed")):
            status, headers, body, ours = server.ask(method, path, {"inputs": "a"} if method == "POST" else None)
            assert (status, ours) == (503, first)
            assert int(headers["Retry-After"]) >= 1
            assert json.loads(body) == {"error": "The server is starting.", "error_type": "Unhealthy"}
        server.connection.request("GET", "/?q=a", headers={"Accept": "text/html,*/*"})
        page = server.connection.getresponse()
        assert page.status == 503
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert b'<meta http-equiv="refresh" content="2">' in page.read()  # it asks again by itself
        assert server.ask("GET", "/assets/page.css")[0] == 200
        status, headers, body, _ = server.ask("POST", "/v1/embeddings", {"input": "x" * 300_000})
        assert status == 503
        assert int(headers["Retry-After"]) >= 1
        assert json.loads(body)["error"]["code"] == "not_ready"
        assert json.loads(body)["error"]["type"] == "server_error"

        server.go()
        said = json.loads(server.process.stdout.readline())
        assert urlsplit(said["address"]).port == server.port
        assert server.ask("GET", "/ready")[0] == 200
        status, _, body, ours = server.ask("POST", "/v1/embeddings", {"input": "a text"})
        assert (status, ours) == (200, first)
        assert len(json.loads(body)["data"][0]["embedding"]) == 384
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_what_goes_wrong_while_loading_ends_it_with_one_sentence_and_its_exit_code(tmp_path):
    with loading(tmp_path) as server:
        assert server.ask("GET", "/live")[0] == 200
        server.go("The model is not one.")
        told = server.process.stderr.read()
        assert told == "Error: The model is not one.\nGet another one.\n"
        assert server.process.wait(60) == 1
        assert server.process.stdout.read() == ""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_loads_ends_it_well(tmp_path, sign):
    with loading(tmp_path) as server:
        assert server.ask("GET", "/live")[0] == 200
        server.process.send_signal(sign)
        assert server.process.wait(60) == 0
        assert server.process.stdout.read() == server.process.stderr.read() == ""
