"""Serving speed beside infinity and a plain server, over loopback, from a second process.

    python benchmarks/serve.py --infinity /path/to/infinity_emb            # all systems, 2 rounds
    python benchmarks/serve.py --infinity ... --json benchmarks/results/serve.json

Levels: 1, 8, 64 and 256 clients in a closed loop, single short queries (8 words) and batches of 32 sentences, OpenAI's
``/v1/embeddings`` with base64 as its client asks for. Texts are sentences of the Brown corpus under ``VECLOOM_DATA``;
none is sent twice to a server, so caches do not help. Every server runs with its defaults and the same model; systems
take turns at each level, latencies of all rounds are pooled. The number of requests of a level is fixed, and so are the
times after which no more are sent, and after which no answer is waited for. Then: single queries while a job of 10,000
texts runs, in requests of 2,000 (infinity takes no more in one). The soak is ``benchmarks/serve_soak.py``.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from serve_tables import tables
from vecloom.files import write_text
from vecloom.runtime import cpu

HERE = Path(__file__).parent
LEVELS = {1: (200, 24), 8: (800, 48), 64: (1600, 128), 256: (2560, 256)}  # clients: (single queries, batches)
EACH, WORDS = 32, 8
SINGLE, BATCHES, BESIDE = "single queries", f"batches of {EACH}", "beside a job"
PIECES = [*(f"{shape}, {clients}" for shape in (SINGLE, BATCHES) for clients in LEVELS), BESIDE]
SPACE = 30_000  # texts that one piece may use in a round; no piece is sent another one's
LIMIT = 15.0  # seconds after which a level sends no more; after twice that nobody waits for what was sent
JOB, PART = 10_000, 2_000
START_SECONDS = 180


@dataclass(frozen=True)
class System:
    """A server that runs."""

    name: str
    port: int
    path: str


def main() -> None:
    options = parse()
    report = kept(options)
    wanted = [piece for piece in PIECES if options.only in piece and piece not in report["pieces"]]
    print(
        f"{cpu.name()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; to do: {', '.join(wanted) or 'nothing'}"
    )
    if wanted:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            systems = [stack.enter_context(running(*told)) for told in commands(options, folder)]
            run(systems, wanted, options, report)
    print("\n" + tables(report))


def kept(options: argparse.Namespace) -> dict[str, Any]:
    """The report, with the pieces that an earlier call finished."""
    if options.json and options.json.exists():
        return json.loads(options.json.read_text())
    machine = {"cpu": cpu.name(), "cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d")}
    return {"machine": machine, "rounds": options.rounds, "min_cosine_to_vecloom": {}, "pieces": {}}


def run(systems: list[System], wanted: list[str], options: argparse.Namespace, report: dict[str, Any]) -> None:
    """Measure piece by piece, and keep each as soon as it is done."""
    texts = Texts(sentences())
    report["min_cosine_to_vecloom"] = {one.name: agreement(systems[0], one, texts.take(8)) for one in systems[1:]}
    for system in systems:  # what is compiled or allocated at first is not measured
        ask(system, texts.take(64), 1, 8)
        ask(system, texts.take(64), 32, 2)
    for piece in wanted:
        load_average = os.getloadavg()[0]
        texts.place = (1 + PIECES.index(piece)) * options.rounds * SPACE
        if piece == BESIDE:
            found = {system.name: beside_a_job(system, texts) for system in systems}
        else:
            found = level(systems, texts, piece, options.rounds)
        report["pieces"][piece] = {"load_average": load_average, "systems": found}
        if options.json:
            write_text(options.json, json.dumps(report, indent=1) + "\n")
            write_text(options.json.with_suffix(".md"), tables(report))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--infinity", metavar="COMMAND", help="infinity_emb of an environment that has it")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help=f"pieces whose names hold this: {'; '.join(PIECES)}"
    )
    parser.add_argument("--no-plain", action="store_true", help="without the plain server")
    parser.add_argument(
        "--json", type=Path, help="where the report is kept; pieces that it holds are not measured again"
    )
    return parser.parse_args()


# --- servers ---------------------------------------------------------------------------------------------------------


def commands(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[str], int, str, Path]]:
    """Name, command, port, path and log of each server; vecloom first."""
    from vecloom.encoders.resolve import local_models

    model = str(next(found.path for found in local_models() if found.name == "minilm"))
    ours = [sys.executable, "-m", "vecloom", "serve", "-m", "minilm", "--port", "7801"]
    yield "vecloom", ours, 7801, "/v1/embeddings", folder / "vecloom.log"
    if options.infinity:
        theirs = [options.infinity, "v2", "--model-id", model, "--served-model-name", "minilm", "--port", "7802"]
        yield "infinity", theirs, 7802, "/embeddings", folder / "infinity.log"
    if not options.no_plain:
        plain = [sys.executable, str(HERE / "serve_plain.py"), model, "7803"]
        yield "plain", plain, 7803, "/v1/embeddings", folder / "plain.log"


@contextmanager
def running(name: str, command: list[str], port: int, path: str, log: Path) -> Iterator[System]:
    """Start a server, wait until it answers, and end it afterwards."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with log.open("w") as told:
        process = subprocess.Popen(command, env=environment, stdout=told, stderr=told)
    try:
        system, began = System(name, port, path), time.perf_counter()
        while not answers(system):
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                raise SystemExit(f"{name} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        print(f"{name} answers after {time.perf_counter() - began:.1f} s", flush=True)
        yield system
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def answers(system: System) -> bool:
    try:
        return vectors(system, ["a"]).shape[0] == 1
    except (httpx.HTTPError, KeyError):
        return False


def vectors(system: System, texts: list[str]) -> np.ndarray:
    body = {"model": "minilm", "input": texts, "encoding_format": "base64"}
    answer = (
        httpx.post(f"http://127.0.0.1:{system.port}{system.path}", json=body, timeout=120).raise_for_status().json()
    )
    rows = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer["data"]]
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def agreement(one: System, other: System, texts: list[str]) -> float:
    """The smallest cosine between what two servers answer: they run the same model."""
    return float((vectors(one, texts) * vectors(other, texts)).sum(axis=1).min())


# --- texts -----------------------------------------------------------------------------------------------------------


def sentences() -> list[str]:
    """Different sentences of at least eight words."""
    path = Path(os.environ["VECLOOM_DATA"], "text", "brown", "sentences.jsonl")
    rows = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    return list(dict.fromkeys(text for text in rows if len(text.split()) >= 8))


class Texts:
    """Hands out sentences, each once; short ones with a number of their own, when all were handed out."""

    def __init__(self, found: list[str]) -> None:
        self.found, self.place = found, 0

    def take(self, count: int, words: int | None = None) -> list[str]:
        """The next ones, or only their first words."""
        chosen = []
        for _ in range(count):
            turn, place = divmod(self.place, len(self.found))
            text = self.found[place] if words is None else " ".join(self.found[place].split()[:words])
            chosen.append(f"{text} {turn}" if turn else text)
            self.place += 1
        return chosen


# --- measuring -------------------------------------------------------------------------------------------------------


def ask(system: System, texts: list[str], each: int, clients: int, limit: float = LIMIT) -> dict[str, Any]:
    """Have the load's process send texts, and read what it saw."""
    job = {
        "port": system.port, "path": system.path, "model": "minilm", "options": {"encoding_format": "base64"},
        "texts": texts, "each": each, "clients": clients, "limit": limit,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(HERE / "serve_load.py")], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def level(systems: list[System], texts: Texts, piece: str, rounds: int) -> dict[str, Any]:
    """Texts/s (median of rounds) and latencies (pooled) of each system, which are sent the same texts."""
    shape, clients = piece.rsplit(", ", 1)
    each = 1 if shape == SINGLE else EACH
    count = LEVELS[int(clients)][each > 1]
    seen: dict[str, list[dict[str, Any]]] = {system.name: [] for system in systems}
    for _ in range(rounds):
        sent = texts.take(count * each, WORDS if each == 1 else None)
        for system in systems:
            seen[system.name].append(ask(system, sent, each, int(clients)))
    found = {name: summary(runs, each) for name, runs in seen.items()}
    print(piece, {name: f"{told['texts_per_second']:.0f}/s" for name, told in found.items()}, flush=True)
    return found


def summary(runs: list[dict[str, Any]], each: int) -> dict[str, Any]:
    latencies = np.array([latency for run in runs for latency in run["latencies"]]) * 1000
    wrong: dict[str, int] = {}
    for run in runs:
        for what, count in run["wrong"].items():
            wrong[what] = wrong.get(what, 0) + count
    return {
        "texts_per_second": statistics.median(len(run["latencies"]) * each / run["seconds"] for run in runs),
        "p50_ms": float(np.percentile(latencies, 50)) if len(latencies) else float("inf"),
        "p99_ms": float(np.percentile(latencies, 99)) if len(latencies) else float("inf"),
        "requests": len(latencies),
        "wrong": wrong,
    }


def beside_a_job(system: System, texts: Texts) -> dict[str, Any]:
    """One client's single queries, alone and while 10,000 texts are embedded for another."""
    alone = summary([ask(system, texts.take(300, WORDS), 1, 1)], 1)
    job: list[dict[str, Any]] = []
    worker = threading.Thread(target=lambda: job.append(ask(system, texts_of_job, PART, 1, limit=300)))
    texts_of_job = texts.take(JOB)
    queries = [texts.take(100, WORDS) for _ in range(60)]
    worker.start()
    time.sleep(1.0)  # its process starts
    during = []
    for part in queries:
        if not worker.is_alive():
            break
        seen = ask(system, part, 1, 1)
        if worker.is_alive():  # what began beside the job and ended after it is neither
            during.append(seen)
    worker.join()
    told = summary(during, 1) if during else None
    print(system.name, "beside a job", told, f"{job[0]['seconds']:.1f} s", flush=True)
    return {"alone": alone, "beside": told, "job_seconds": job[0]["seconds"], "job_wrong": job[0]["wrong"]}


if __name__ == "__main__":
    main()
