"""``vecloom serve`` as a process: what a signal does to open requests, and what a client that leaves does to the queue."""

import json
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from tests.serve.running import running

TEXT = "a text of some twenty tokens, so that there is something to compute for each of them, number {}"


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true")


def metric(url, name):
    page = httpx.get(f"{url}/metrics").text
    return float(next((line.split()[1] for line in page.splitlines() if line.startswith(f"{name} ")), 0))


def post(url, count, prefix=""):
    texts = [prefix + TEXT.format(i) for i in range(count)]
    return httpx.post(f"{url}/v1/embeddings", json={"input": texts}, timeout=120)


def test_sigterm_lets_open_requests_end_and_then_ends_the_process():
    with running() as server:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(post(server.url, 800)))
        asking.start()
        until(lambda: metric(server.url, "te_queue_size") > 0)
        server.terminate()
        asking.join()
        assert answers[0].status_code == 200
        assert len(answers[0].json()["data"]) == 800
        assert server.process.wait(timeout=30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/live")


def test_a_client_that_leaves_frees_its_work_and_the_others_are_answered(server):
    address = (server.url.rsplit(":", 1)[0].removeprefix("http://"), int(server.url.rsplit(":", 1)[1]))
    body = json.dumps({"input": [f"gone {TEXT.format(i)}" for i in range(300)]}).encode()
    lines = (
        "POST /v1/embeddings HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    head = "".join(f"{line}\r\n" for line in (*lines, ""))
    clients = [socket.create_connection(address) for _ in range(4)]
    for n, client in enumerate(clients):
        client.sendall(head.encode() + body.replace(b"gone", f"gon{n}".encode()))
    until(lambda: metric(server.url, "te_queue_size") > 300)
    for client in clients:
        client.close()
    until(lambda: metric(server.url, "te_queue_size") == 0)
    assert post(server.url, 1, "after ").status_code == 200
    until(lambda: metric(server.url, 'te_request_failure{err="gone"}') == 4)


def test_overload_is_429_with_the_time_to_wait_and_never_anything_else():
    with running("--max-concurrent-requests", 4, "--cache", 0) as server:
        statuses = []

        def ask(n):
            for i in range(5):
                answer = post(server.url, 40, f"{n} {i} ")
                statuses.append((answer.status_code, answer.headers.get("retry-after")))

        asking = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert len(statuses) == 80
        assert {status for status, _ in statuses} == {200, 429}
        assert all(int(wait) >= 1 for status, wait in statuses if status == 429)
        assert post(server.url, 1).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--host", "0.0.0.0"], "without keys would let everybody on the network in"),
        (["--keys", "no-such-file.json"], "There is no key file no-such-file.json"),
        (["-m", "no-such-model"], "There is no model 'no-such-model' here"),
        (["-i", "no-such.index"], "no-such.index"),
        (["-m", "a=minilm", "-m", "a=minilm"], "Two models are called 'a'"),
        (["--host", "203.0.113.7", "--insecure"], "203.0.113.7 is not an address of this machine"),
        (["--reranker", "minilm"], "cross-encoder"),
    ],
)
def test_a_wrong_call_is_one_sentence(wrong, told, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "vecloom", "serve", "--port", "0", *wrong],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in {1, 2}
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "vecloom", "serve", "--port", port],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 is taken." in done.stderr


def test_a_server_of_bert_models_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'sentence_transformers'): sys.modules[name] = None\n"
        "from vecloom.serve.app import create_app\n"
        "from vecloom.serve.loading import open_state\n"
        "from vecloom.serve.settings import Settings\n"
        "from starlette.testclient import TestClient\n"
        "state = open_state(settings := Settings())\n"
        "with TestClient(create_app(state, settings), base_url='http://localhost') as client:\n"
        "    print(len(client.post('/embed', json={'inputs': 'a text'}).json()[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "384\n", done.stderr[-2000:]
