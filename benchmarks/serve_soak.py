"""60,000 mixed requests against one server: no error, no lost request, memory that stays.

    python benchmarks/serve_soak.py --json benchmarks/results/serve_soak.json

The load is a process of its own with 32 clients in a closed loop. Of 1,000 requests: 640 single embeddings (a quarter of
them texts that were sent before), 100 batches of 8, 40 in TEI's form, 150 searches (hybrid, vector, keyword, with filters
and offsets), 10 of what is near to a document, 30 lists of models and tokens, 25 wrong ones that have to be refused with the
right status, 4 additions and replacements of documents and 1 deletion. Every answer is looked at: its status, the number
of its vectors, and for texts of a known vector the vector itself. Memory is the server's resident set every second; it is
flat if the mean of the last tenth is at most 5 % above that of the second.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serve import System, Texts, running, sentences, vectors
from serve_load import Connection, Seen, request
from vecloom.files import write_text
from vecloom.runtime import cpu

REQUESTS, CLIENTS, SEED, PORT = 60_000, 32, 20261, 7804
KNOWN = 64  # texts whose vectors are looked at
DOCUMENTS = 300  # ids that come and go
FLAT = 1.05
Check = Callable[[int, bytes], str | None]
"""What is wrong with an answer, or None."""


def main() -> None:
    options = parse()
    load_average = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        index = make_index(Path(folder))
        command = [sys.executable, "-m", "vecloom", "serve", "-m", "minilm", "-i", str(index), "--port", str(PORT)]
        with running("vecloom", command, PORT, "/v1/embeddings", Path(folder, "log")) as system:
            report = soak(system, options.requests, options.seconds)
    report["machine"] = {
        "cpu": cpu.name(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "load_average": load_average,
    }
    print(table(report))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")
        write_text(options.json.with_suffix(".md"), table(report))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seconds", type=float, default=3600, help="after which no more are sent")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)  # this process is the load
    return parser.parse_args()


def make_index(folder: Path) -> Path:
    """2,000 sentences with a field, so that filters have something to do."""
    import vecloom
    from vecloom.search import Index

    index = Index.create(folder / "soak", vecloom.load("minilm"))
    index.add({"id": f"s{n}", "text": text, "n": n} for n, text in enumerate(sentences()[:2000]))
    return index.path


def soak(system: System, requests: int, seconds: float) -> dict[str, Any]:
    """Run the load beside a watch over the server's memory."""
    pid = listening(system.port)
    known = Texts(sentences()[3000:]).take(KNOWN)
    job = {
        "port": system.port,
        "requests": requests,
        "limit": seconds,
        "known": known,
        "vectors": vectors(system, known).tolist(),
    }
    memory: list[float] = []
    over = threading.Event()
    watch = threading.Thread(target=lambda: watched(pid, memory, over))
    watch.start()
    done = subprocess.run(
        [sys.executable, __file__, "--load"], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True
    )
    over.set()
    watch.join()
    seen = json.loads(done.stdout)
    tenth = max(1, len(memory) // 10)
    second, last = float(np.mean(memory[tenth : 2 * tenth])), float(np.mean(memory[-tenth:]))
    latencies = np.array(seen.pop("latencies")) * 1000
    return {
        **seen, "clients": CLIENTS,
        "p50_ms": float(np.percentile(latencies, 50)), "p99_ms": float(np.percentile(latencies, 99)),
        "slowest_ms": float(latencies.max()), "memory_second_tenth_mib": second, "memory_last_tenth_mib": last,
        "memory_growth": last / second - 1, "memory_mib_by_tenth": [float(np.mean(part)) for part in np.array_split(memory, 10)],
    }  # fmt: skip


def listening(port: int) -> int:
    """The process that listens on a port of this machine."""
    wanted = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if row[1].endswith(wanted) and row[3] == "0A")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise SystemExit(f"nothing listens on {port}")


def watched(pid: int, memory: list[float], over: threading.Event) -> None:
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    while not over.wait(1.0):
        memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page)


# --- the load --------------------------------------------------------------------------------------------------------


def load_main() -> None:
    job = json.load(sys.stdin)
    seen, kinds = asyncio.run(send_all(job))
    told = {
        "seconds": seen.seconds,
        "requests": seen.sent,
        "answered": len(seen.latencies),
        "wrong": seen.wrong,
        "kinds": kinds,
        "latencies": seen.latencies,
    }
    json.dump(told, sys.stdout)


async def send_all(job: dict[str, Any]) -> tuple[Seen, dict[str, int]]:
    loop, seen, kinds = asyncio.get_running_loop(), Seen(), Counter()
    requests = until(time.perf_counter() + job["limit"], mixed(job))
    opened = [(await loop.create_connection(Connection, "127.0.0.1", job["port"]))[1] for _ in range(CLIENTS)]
    began = time.perf_counter()

    async def client(connection: Connection) -> None:
        for kind, body, check in requests:
            sent = time.perf_counter()
            seen.sent += 1
            status, answer = await asyncio.wait_for(connection.ask(body), 120)
            seen.latencies.append(time.perf_counter() - sent)
            kinds[kind] += 1
            wrong = check(status, answer)
            if wrong:
                seen.note(f"{kind}: {wrong}")

    for failure in await asyncio.gather(*(client(one) for one in opened), return_exceptions=True):
        if failure:
            seen.note(f"lost: {type(failure).__name__}")
    seen.seconds = time.perf_counter() - began
    return seen, dict(kinds)


def until(end: float, requests: Iterator[Any]) -> Iterator[Any]:
    """Requests up to a moment."""
    for one in requests:
        if time.perf_counter() > end:
            return
        yield one


def mixed(job: dict[str, Any]) -> Iterator[tuple[str, bytes, Check]]:
    """Kind, request and check of each request; the same ones in each run."""
    chance = random.Random(SEED)
    texts, known = Texts(sentences()[4000:]), list(zip(job["known"], np.array(job["vectors"]), strict=True))
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    for _ in range(job["requests"]):
        kind = chance.choice(kinds)
        yield (kind, *MAKERS[kind](chance, texts, known))


def single(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    if chance.random() < 0.75:
        return embedding(texts.take(1, 8)[0]), answered(1)
    text, vector = chance.choice(known)

    def right(status: int, answer: bytes) -> str | None:
        wrong = answered(1)(status, answer)
        if wrong:
            return wrong
        got = np.frombuffer(base64.b64decode(json.loads(answer)["data"][0]["embedding"]), "<f4")
        return None if got @ vector / np.linalg.norm(got) > 0.999 else "another text's vector"

    return embedding(text), right


def batch(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    return embedding(texts.take(8)), answered(8)


def tei(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    def right(status: int, answer: bytes) -> str | None:
        return (
            f"status {status}"
            if status != 200
            else None
            if np.shape(json.loads(answer)) == (2, 384)
            else "another shape"
        )

    return request("POST", "/embed", {"inputs": texts.take(2)}), right


def search(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    asked = {
        "query": texts.take(1, 6)[0],
        "mode": chance.choice(["hybrid", "vector"]),
        "k": chance.choice([1, 5, 10]),
        "offset": chance.choice([0, 20]),
    }
    if chance.random() < 0.3:
        asked["where"] = f"n >= {chance.randrange(1000)}"

    def right(status: int, answer: bytes) -> str | None:
        return (
            f"status {status}"
            if status != 200
            else None
            if len(json.loads(answer)["hits"]) == asked["k"]
            else "hits missing"
        )

    return request("POST", "/v1/indexes/soak/search", asked), right


def words(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    return request("POST", "/v1/indexes/soak/search", {"query": texts.take(1, 6)[0], "mode": "keyword"}), status_is(200)


def similar(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    return request("GET", f"/v1/indexes/soak/similar/s{chance.randrange(2000)}"), status_is(200)


def small(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    made = [
        request("GET", "/v1/models"),
        request("GET", "/info"),
        request("POST", "/tokenize", {"inputs": texts.take(1)[0]}),
    ]
    return chance.choice(made), status_is(200)


def wrong(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    made = [
        (request("POST", "/v1/embeddings", {"model": "none", "input": "a"}), 404),
        (request("POST", "/v1/embeddings", {"model": "minilm", "input": []}), 400),
        (request("POST", "/v1/indexes/soak/search", {"query": "a", "where": "n >"}), 400),
        (request("POST", "/v1/indexes/none/search", {"query": "a"}), 404),
        (request("GET", "/nowhere"), 404),
    ]
    body, status = chance.choice(made)
    return body, status_is(status)


def add(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    sent = [{"id": f"d{chance.randrange(DOCUMENTS)}", "text": text, "fields": {"n": 5000}} for text in texts.take(4)]
    return request("POST", "/v1/indexes/soak/documents", {"documents": sent}), status_is(200)


def delete(chance: random.Random, texts: Texts, known: Any) -> tuple[bytes, Check]:
    return request("DELETE", f"/v1/indexes/soak/documents/d{chance.randrange(DOCUMENTS)}"), status_is(200, 404)


SHARES = {
    "single": 640,
    "batch": 100,
    "tei": 40,
    "search": 120,
    "words": 30,
    "similar": 10,
    "small": 30,
    "wrong": 25,
    "add": 4,
    "delete": 1,
}
MAKERS = {
    "single": single, "batch": batch, "tei": tei, "search": search, "words": words, "similar": similar,
    "small": small, "wrong": wrong, "add": add, "delete": delete,
}  # fmt: skip


def embedding(content: str | list[str]) -> bytes:
    return request("POST", "/v1/embeddings", {"model": "minilm", "input": content, "encoding_format": "base64"})


def answered(count: int) -> Check:
    def right(status: int, answer: bytes) -> str | None:
        return (
            f"status {status}"
            if status != 200
            else None
            if answer.count(b'"embedding":') == count
            else "vectors missing"
        )

    return right


def status_is(*wanted: int) -> Check:
    return lambda status, _: None if status in wanted else f"status {status}"


# --- the table -------------------------------------------------------------------------------------------------------


def table(report: dict[str, Any]) -> str:
    machine, wrong = report["machine"], report["wrong"]
    lost = report["requests"] - report["answered"]
    memory = ", ".join(f"{value:,.0f}" for value in report["memory_mib_by_tenth"])
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report["kinds"].items(), key=lambda pair: -pair[1]))
    return (
        f"Made by `python benchmarks/serve_soak.py` on {machine['date']}: {machine['cores']} cores of "
        f"{machine['cpu']}, load average {machine['load_average']:.1f} before the run. "
        f"{report['requests']:,} requests of {report['clients']} clients in "
        f"{report['seconds']:,.0f} s ({report['answered'] / report['seconds']:,.0f}/s): {kinds}.\n\n"
        f"- wrong answers: {sum(wrong.values())}{f' ({wrong})' if wrong else ''}; requests without an answer: {lost}\n"
        f"- latency, p50 / p99 / slowest: {report['p50_ms']:,.1f} / {report['p99_ms']:,.1f} / {report['slowest_ms']:,.0f} ms\n"
        f"- resident memory by tenth of the run, MiB: {memory}; last against second tenth: {report['memory_growth']:+.1%}\n"
    )


if __name__ == "__main__":
    load_main() if "--load" in sys.argv else main()
