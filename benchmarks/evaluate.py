"""Evaluation end to end beside mteb's own, on the same tasks and model, in one run.

    VECLOOM_DATA=... python benchmarks/evaluate.py [--rounds 3] [--tasks sts/stsb-en ...]

mteb: ``mteb.evaluate(SentenceTransformer(minilm), task, cache=None)`` with its default batch of 32, the task as vecloom makes
it from the local data. vecloom: ``vecloom.evaluate.run`` with an empty cache of vectors and an empty store, which scores with
mteb's code too and adds bootstrap intervals and details. Both have their model open and have encoded before; data are loaded from
disk by both. vecloom runs in f32, where scores have to agree to 1e-4, and in what it chooses by itself (bf16 on a CPU
that has it), where they differ by rounding. Systems take turns in each round; medians of wall-clock seconds are compared.
Writes ``benchmarks/results/evaluate.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mteb
import torch
from sentence_transformers import SentenceTransformer

import vecloom as vl
from vecloom.encoders.resolve import resolve as find_model
from vecloom.evaluate.candidates import open_models
from vecloom.evaluate.job import run
from vecloom.evaluate.scoring import quiet
from vecloom.evaluate.tasks.find import resolve
from vecloom.evaluate.tasks.mteb_tasks import as_mteb
from vecloom.files import write_text
from vecloom.runtime import cpu

TASKS = (
    "retrieval/cranfield",
    "reranking/trecqa",
    "sts/sts15",
    "sts/stsb-en",
    "pair_classification/msrp",
    "classification/banking77",
    "classification/trec-qc",
    "clustering:classification/trec-qc",
)
SAME = 1e-4
RESULTS = Path(__file__).parent / "results" / "evaluate.json"

Measured = tuple[float, float]  # seconds, score


def main() -> None:
    options = parse()
    sources = [resolve([place(name)])[0] for name in options.tasks]
    reference = SentenceTransformer(str(find_model("minilm")), device="cpu")
    reference.encode(["warm up"] * 64)
    systems: dict[str, Callable[[Any], Measured]] = {"mteb": lambda source: by_mteb(source, reference)}
    for name, precision in (("vecloom f32", "f32"), ("vecloom", None)):
        encoder = vl.load("minilm", precision=precision)
        encoder.encode(["warm up"] * 64)
        systems[name] = lambda source, encoder=encoder: by_vecloom(source, encoder)
    rows = [measured(source, systems, options.rounds) for source in sources]
    totals = {name: sum(row["seconds"][name] for row in rows) for name in systems}
    report = {"machine": machine(), "rounds": options.rounds, "tasks": rows, "total_seconds": totals}
    print(f"{'all':22} " + "  ".join(f"{name} {seconds:.1f} s" for name, seconds in totals.items()))
    write_text(options.json, json.dumps(report, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="below VECLOOM_DATA")
    parser.add_argument("--json", default=str(RESULTS))
    return parser.parse_args()


def place(name: str) -> str:
    kind, colon, path = name.rpartition(":")
    return f"{kind}{colon}{Path(os.environ['VECLOOM_DATA'], path)}"


def by_mteb(source: Any, model: SentenceTransformer) -> Measured:
    begun = time.perf_counter()
    with quiet():
        result = mteb.evaluate(model, as_mteb(source.local), cache=None, co2_tracker=False, show_progress_bar=False)
    return time.perf_counter() - begun, float(result.task_results[0].get_score())


def by_vecloom(source: Any, encoder: Any) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        models = open_models([encoder], baselines=False, cache=Path(folder, "vectors"))
        begun = time.perf_counter()
        found = run(models, [source], Path(folder, "results"))
        return time.perf_counter() - begun, found.scores[0].score


def measured(source: Any, systems: dict[str, Callable[[Any], Measured]], rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    scores: dict[str, float] = {}
    for _ in range(rounds):
        for name, system in systems.items():
            taken, scores[name] = system(source)
            seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    apart = {name: scores[name] - scores["mteb"] for name in systems}
    assert abs(apart["vecloom f32"]) <= SAME, f"{source.name}: scores differ by {apart['vecloom f32']}"
    ratios = {name: medians["mteb"] / value for name, value in medians.items()}
    told = "  ".join(f"{name} {medians[name]:.2f} s ({ratios[name]:.1f}x, {apart[name]:+.5f})" for name in systems)
    print(f"{source.name:22} {scores['mteb']:.5f}  {told}", flush=True)
    return {
        "task": source.name,
        "type": source.type,
        "seconds": medians,
        "ratio": ratios,
        "score": scores,
        "all": seconds,
    }


def machine() -> dict[str, Any]:
    import importlib.metadata as metadata

    versions = {name: metadata.version(name) for name in ("mteb", "sentence-transformers", "torch", "openvino")}
    return {"processor": cpu.name(), "threads": torch.get_num_threads(), "vecloom": vl.__version__, **versions}


if __name__ == "__main__":
    main()
