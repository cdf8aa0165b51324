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

from vecloom.files import write_text
from vecloom.runtime import cpu

HERE = Path(__file__).parent
LEVELS = {1: (200, 24), 8: (800, 48), 64: (1600, 128), 256: (2560, 256)}  # clients: (single queries, batches)
EACH = 32
LIMIT = 20.0  # seconds after which a level sends no more; after twice that nobody waits for what was sent
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
    load_average = os.getloadavg()[0]
    print(
        f"{cpu.name()}, {os.cpu_count()} cores, load average {load_average:.1f} at the start, {time.strftime('%Y-%m-%d')}"
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        systems = [stack.enter_context(running(*told)) for told in commands(options, folder)]
        texts = Texts(sentences())
        agree = {system.name: agreement(systems[0], system, texts.take(8)) for system in systems[1:]}
        for system in systems:  # what is compiled or allocated at first is not measured
            ask(system, texts.take(64), 1, 8)
            ask(system, texts.take(64), 32, 2)
        levels = {} if options.only == "job" else run_levels(systems, texts, options.rounds)
        jobs = {} if options.only == "levels" else {system.name: beside_a_job(system, texts) for system in systems}
    report = {
        "machine": {"cpu": cpu.name(), "cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d"), "load_average": load_average},
        "rounds": options.rounds, "min_cosine_to_vecloom": agree, "levels": levels, "job": jobs,
    }  # fmt: skip
    print("\n" + tables(report))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")
        write_text(options.json.with_suffix(".md"), tables(report))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--infinity", metavar="COMMAND", help="infinity_emb of an environment that has it")
    parser.add_argument("--only", default="", choices=["", "levels", "job"])
    parser.add_argument("--no-plain", action="store_true", help="without the plain server")
    parser.add_argument("--json", type=Path)
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


def run_levels(systems: list[System], texts: Texts, rounds: int) -> dict[str, Any]:
    """For each shape and number of clients: texts/s (median of rounds) and latencies (pooled) of each system."""
    found: dict[str, Any] = {}
    for shape, each in (("single queries", 1), (f"batches of {EACH}", EACH)):
        for clients, counts in LEVELS.items():
            count = counts[each > 1]
            seen: dict[str, list[dict[str, Any]]] = {system.name: [] for system in systems}
            for _ in range(rounds):
                for system in systems:  # the same texts for each: no server sees what another one was sent
                    start = texts.place
                    seen[system.name].append(
                        ask(system, texts.take(count * each, 8 if each == 1 else None), each, clients)
                    )
                    texts.place = start if system is not systems[-1] else texts.place
            found[f"{shape}, {clients}"] = {name: summary(runs, each) for name, runs in seen.items()}
            print(
                shape,
                clients,
                {n: f"{s['texts_per_second']:.0f}/s" for n, s in found[f"{shape}, {clients}"].items()},
                flush=True,
            )
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
    alone = summary([ask(system, texts.take(300, 8), 1, 1)], 1)
    job: list[dict[str, Any]] = []
    worker = threading.Thread(target=lambda: job.append(ask(system, texts_of_job, PART, 1, limit=300)))
    texts_of_job = texts.take(JOB)
    queries = [texts.take(100, 8) for _ in range(60)]
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


# --- tables ----------------------------------------------------------------------------------------------------------


def tables(report: dict[str, Any]) -> str:
    machine = report["machine"]
    cosines = ", ".join(f"{name} {cosine:.5f}" for name, cosine in report["min_cosine_to_vecloom"].items())
    lines = [
        f"Made by `python benchmarks/serve.py --infinity COMMAND --rounds {report['rounds']}` on {machine['date']}: "
        f"{machine['cores']} cores of {machine['cpu']}, load average {machine['load_average']:.1f} before the run. "
        f"Smallest cosine to vecloom's vectors: {cosines}.",
        "",
        "| load | clients | system | texts/s | x | p50 ms | p99 ms | refused or wrong |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for level, systems in report["levels"].items():
        shape, clients = level.rsplit(", ", 1)
        best = systems["vecloom"]["texts_per_second"]
        for name, told in systems.items():
            ratio = "" if name == "vecloom" else f"{best / (told['texts_per_second'] or float('nan')):.1f}"
            numbers = f"{told['texts_per_second']:,.0f} | {ratio} | {told['p50_ms']:,.1f} | {told['p99_ms']:,.1f}"
            lines.append(f"| {shape} | {clients} | {name} | {numbers} | {sum(told['wrong'].values())} |")
    if report["levels"]:
        lines += ["", "`x`: vecloom's texts/s divided by the system's.", ""]
    if report["job"]:
        lines += [
            "| system | one client alone, p50 / p99 ms | beside 10,000 texts, p50 / p99 ms | queries | the job took |",
            "| --- | ---: | ---: | ---: | ---: |",
            *(job_line(name, told) for name, told in report["job"].items()),
        ]
    return "\n".join(lines) + "\n"


def job_line(name: str, told: dict[str, Any]) -> str:
    def shown(one: dict[str, Any] | None) -> str:
        return f"{one['p50_ms']:,.1f} / {one['p99_ms']:,.1f}" if one else "-"

    count = told["beside"]["requests"] if told["beside"] else 0
    return f"| {name} | {shown(told['alone'])} | {shown(told['beside'])} | {count} | {told['job_seconds']:.1f} s |"


if __name__ == "__main__":
    main()
