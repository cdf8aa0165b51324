"""LongEmbed's synthetic tasks with an encoder that reads 256 tokens: found while it fits, lost beyond.

    VECLOOM_DATA=... python experiments/longembed_passkey.py [--seeds 3]

all-MiniLM-L6-v2, which cuts each text after 256 tokens, on the passkey and needle tasks of 128 to 2,048 tokens (of 0.75
words; its own tokens are shorter), 50 queries over 100 texts for each length and seed, made by ``make_longembed``. The
running text around the needles is the Brown corpus. Measured: Acc@1, with the 95 % percentile bootstrap interval over
the queries of all seeds; the same by length and position; and what a perfect reader of the first 256 tokens would get: the
share of queries whose sentence is whole among them, and 1/100 for the others.
Writes ``experiments/results/longembed_passkey.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import vecloom as vl
from vecloom.evaluate.longembed_scores import correct_at_1, length_position_table, read_positions
from vecloom.evaluate.make.longembed import make_longembed
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
LENGTHS = (128, 256, 512, 1024, 2048)
BINS = 5
SAMPLES = 10_000

ByQuery = dict[str, float]


def read_rows(file: Path) -> dict[str, str]:
    """Texts by id."""
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {record["_id"]: record["text"] for record in records}


def write_haystack(file: Path) -> None:
    """The sentences of the Brown corpus in their order."""
    source = Path(os.environ["VECLOOM_DATA"], "text", "brown")
    lines = [line for part in sorted(source.glob("*.jsonl")) for line in part.read_text(encoding="utf-8").splitlines()]
    file.write_text("\n".join(json.loads(line)["text"] for line in lines), encoding="utf-8")


def judge_split(folder: Path, encoder: vl.Encoder) -> tuple[ByQuery, ByQuery]:
    """Acc@1 of each query, and whether its sentence is whole within what the encoder reads (else the chance)."""
    corpus, queries = read_rows(folder / "corpus.jsonl"), read_rows(folder / "queries.jsonl")
    lines = (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    answer = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    scores = encoder.encode(list(queries.values()), kind="query") @ encoder.encode(list(corpus.values())).T
    found = {query: dict(zip(corpus, row.tolist(), strict=True)) for query, row in zip(queries, scores, strict=True)}
    correct = correct_at_1(found, {query: {document} for query, document in answer.items()})
    read = {query: 1.0 if is_read(corpus[answer[query]], encoder) else 1 / len(corpus) for query in queries}
    return correct, read


def is_read(text: str, encoder: vl.Encoder) -> bool:
    """Whether the hidden line ends before the encoder's limit, two special tokens included."""
    begin, line, _ = text.split("\n")
    assert encoder.tokenizer is not None
    return len(encoder.tokenizer.encode(f"{begin}\n{line}", add_special_tokens=False)) + 2 <= encoder.max_length


def interval(values: np.ndarray, seed: int = 0) -> list[float]:
    """95 % percentile bootstrap interval of the mean."""
    draws = np.random.default_rng(seed).integers(0, len(values), (SAMPLES, len(values)))
    return [float(bound) for bound in np.percentile(values[draws].mean(axis=1), [2.5, 97.5])]


def measure(task: str, seeds: int, haystack: Path, encoder: vl.Encoder) -> dict[str, Any]:
    """Scores of one task over all lengths and seeds."""
    correct: dict[str, ByQuery] = {f"test_{length}": {} for length in LENGTHS}
    positions: dict[str, ByQuery] = {split: {} for split in correct}
    readable: dict[str, ByQuery] = {split: {} for split in correct}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            (made,) = make_longembed(folder, lengths=LENGTHS, haystack=haystack, seed=seed, tasks=(task,))
            places = read_positions(made)
            for split in correct:
                right, read = judge_split(made / split, encoder)
                correct[split].update({f"{seed} {query}": score for query, score in right.items()})
                readable[split].update({f"{seed} {query}": score for query, score in read.items()})
                positions[split].update({f"{seed} {query}": place for query, place in places[split].items()})
    table = length_position_table(correct, positions, BINS)
    by_length = {
        str(length): {
            "acc@1": float(accuracy),
            "interval": interval(np.array(list(correct[f"test_{length}"].values()))),
            "perfect reader": float(np.mean(list(readable[f"test_{length}"].values()))),
            "queries": len(correct[f"test_{length}"]),
            "by position": [None if np.isnan(cell) else float(cell) for cell in row],
            "counts": counts.tolist(),
        }
        for length, accuracy, row, counts in zip(LENGTHS, table.by_length, table.accuracy, table.counts, strict=True)
    }
    print(task, by_length, flush=True)
    return {"mean": table.mean, "lengths": by_length}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    encoder = vl.load("minilm")
    with tempfile.TemporaryDirectory() as folder:
        haystack = Path(folder, "brown.txt")
        write_haystack(haystack)
        results = {task: measure(task, seeds, haystack, encoder) for task in ("passkey", "needle")}
    report(results, seeds)


def report(results: dict[str, Any], seeds: int) -> None:
    lines = ["# LongEmbed's synthetic tasks with an encoder of 256 tokens", ""]
    edges = np.linspace(0, 100, BINS + 1)
    columns = [f"{low:.0f}-{high:.0f} %" for low, high in pairwise(edges)]
    for task, found in results.items():
        lines += [
            f"{task.capitalize()}, Acc@1; the last columns by where the sentence stands in the text.",
            "",
            f"| length | Acc@1 (95 % interval) | perfect reader of 256 tokens | {' | '.join(columns)} |",
            f"| ---: | --- | ---: | {' | '.join(['---:'] * BINS)} |",
        ]
        lines += [f"| {length} | {_cells(cell)} |" for length, cell in found["lengths"].items()]
        lines += [f"| mean | {found['mean']:.2f} | | {' | ' * (BINS - 1)}|", ""]
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seeds": seeds}
    queries = results["passkey"]["lengths"][str(LENGTHS[0])]["queries"]
    lines += [
        f"all-MiniLM-L6-v2 (cut after 256 tokens); {queries} queries for each length from {seeds} seeds, 100 texts each;",
        "bootstrap over queries. Lengths are in tokens of 0.75 words.",
        f"Made by `python experiments/longembed_passkey.py --seeds {seeds}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "longembed_passkey.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "longembed_passkey.json", json.dumps({**machine, "results": results}, indent=1) + "\n")


def _cells(cell: dict[str, Any]) -> str:
    low, high = cell["interval"]
    places = ["-" if value is None else f"{value:.2f}" for value in cell["by position"]]
    return " | ".join([f"{cell['acc@1']:.2f} ({low:.2f} to {high:.2f})", f"{cell['perfect reader']:.2f}", *places])


if __name__ == "__main__":
    main()
