"""The published quality of all-MiniLM-L6-v2, on every backend and precision.

    VECLOOM_DATA=... python experiments/quality.py [--seed 0]

Measured: Spearman's rank correlation x 100 of cosine and human score, over all pairs of a test set at once (sts14 and
sts15 not averaged over their subsets: that is how the published 75.60, 85.39 and 82.03 are defined), with the 95 %
percentile bootstrap interval over pairs; and the lowest cosine of any sentence's vector to the one in torch fp32.
Writes ``experiments/results/quality.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

import vecloom as vl
from vecloom.files import write_text
from vecloom.runtime import cpu

PUBLISHED = {"sts14": 75.60, "sts15": 85.39, "stsb-en": 82.03}
BACKENDS = [("torch", "f32"), ("torch", "bf16"), ("openvino", "f32"), ("openvino", "bf16"), ("onnx", "f32")]
RESULTS = Path(__file__).parent / "results"
SAMPLES = 1000

Pairs = tuple[list[str], list[str], np.ndarray]


def read_pairs(task: str) -> Pairs:
    """First sentences, second sentences and human scores of a test set."""
    path = Path(os.environ["VECLOOM_DATA"], "sts", task, "test.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scores = np.array([record["score"] for record in records], float)
    return [record["sentence1"] for record in records], [record["sentence2"] for record in records], scores


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosines of ``(2 n, dim)`` unit vectors, the first half with the second: ``(n,)``."""
    first, second = np.split(vectors, 2)
    return (first * second).sum(axis=1)


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Spearman's rank correlation x 100; ties share their mean rank."""
    return float(np.corrcoef(rankdata(left), rankdata(right))[0, 1] * 100)


def interval(left: np.ndarray, right: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of ``spearman`` over pairs."""
    generator = np.random.default_rng(seed)
    draws = (generator.integers(0, len(left), len(left)) for _ in range(SAMPLES))
    low, high = np.percentile([spearman(left[draw], right[draw]) for draw in draws], [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    tasks = {name: read_pairs(name) for name in PUBLISHED}
    texts = [text for first, second, _ in tasks.values() for text in first + second]
    reference: np.ndarray | None = None
    results: dict[str, Any] = {}
    for backend, precision in BACKENDS:
        vectors = vl.load("minilm", backend=backend, precision=precision).encode(texts)
        reference = vectors if reference is None else reference
        found = judged(vectors, tasks, seed)
        found["min cosine"] = float((vectors * reference).sum(axis=1).min())
        results[f"{backend} {precision}"] = found
        print(backend, precision, found, flush=True)
    report(results, seed)


def judged(vectors: np.ndarray, tasks: dict[str, Pairs], seed: int) -> dict[str, Any]:
    """Spearman with its interval for each task; ``vectors`` are those of all tasks' sentences in order."""
    found, start = {}, 0
    for name, (first, _, scores) in tasks.items():
        end = start + 2 * len(first)
        scored = cosines(vectors[start:end])
        low, high = interval(scored, scores, seed)
        found[name] = {"spearman": spearman(scored, scores), "low": low, "high": high}
        start = end
    return found


def report(results: dict[str, Any], seed: int) -> None:
    lines = [
        "# Quality of all-MiniLM-L6-v2 on every backend",
        "",
        f"| backend | {' | '.join(PUBLISHED)} | lowest cosine to torch f32 |",
        "| --- | --- | --- | --- | ---: |",
        f"| published | {' | '.join(f'{value:.2f}' for value in PUBLISHED.values())} | |",
    ]
    for name, found in results.items():
        cells = [f"{found[t]['spearman']:.2f} ({found[t]['low']:.1f}-{found[t]['high']:.1f})" for t in PUBLISHED]
        lines.append(f"| {name} | {' | '.join(cells)} | {found['min cosine']:.6f} |")
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    lines += [
        "",
        "Spearman x 100 of cosine and human score over all pairs of the test set, 95 % bootstrap interval over pairs.",
        f"Made by `python experiments/quality.py --seed {seed}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "quality.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "quality.json", json.dumps({**machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
