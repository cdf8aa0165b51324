"""One query against 100,000 candidates: a cross-encoder, and its DSE students, with what each keeps of the quality.

    VECLOOM_DATA=... python benchmarks/dse.py [--models DIR] [--candidates N] [--sample N] [--threads N]

Models are those that ``experiments/dse.py`` left in ``--models`` (run it first): the teacher and students of the first seed.

A student's candidates are encoded once, before any query; a query then costs its own vector and the head over all vectors. What
is in the vectors does not change that time, so those of ``--sample`` sentences of the Brown corpus are repeated up to
``--candidates``. The cross-encoder reads every pair: it is timed on ``--sample`` of them, and its time for all is scaled up.
Rounds are interleaved, medians of three, in seconds of the processor, so that other work on the machine counts little. Queries
are sentences of STSb test.

Quality is Spearman x 100 on STSb test, from the experiment. Two more rows need no training, since speed does not depend on
weights: the "concat" head on the mean of the four layers (a quarter of the width), and the inner product ("dot").
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vecloom.encoders.pair_scorer import PairScorer
from vecloom.encoders.resolve import resolve
from vecloom.files import cache_dir, write_text
from vecloom.runtime import cpu

RESULT = Path(__file__).with_name("results") / "dse.json"
ROUNDS = 3
Times = dict[str, list[tuple[float, float]]]
"""For each system and round, seconds of the processor and by the clock."""
STUDENTS = {
    "student, concat head (DSE)": "concat_c_=_0.5_(DSE)",
    "student, cosine head": "cosine_c_=_0.5",
}
UNTRAINED = {
    "untrained, concat head on the mean of four layers": {"combine": "mean"},
    "untrained, dot head": {"head": "dot"},
}


def main() -> None:
    options = parse()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    texts = sentences(options.sample)
    with tempfile.TemporaryDirectory() as folder:
        scorers = {name: PairScorer.load(options.models / place) for name, place in STUDENTS.items()}
        scorers |= {
            name: PairScorer.load(untrained(Path(folder, str(at)), given))
            for at, (name, given) in enumerate(UNTRAINED.items())
        }
        teacher = open_teacher(options.models)
        known = vectors_of(scorers, texts, options.candidates)
        times = measured(teacher, scorers, known, texts, queries())
    report = told(times, scorers, options)
    print(json.dumps(report["systems"], indent=1))
    write_text(options.json, json.dumps(report, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=cache_dir("experiments", "dse"))
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=500, help="candidates that the cross-encoder reads")
    parser.add_argument("--threads", type=int, default=cpu.threads())
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    if not (options.models / "teacher").is_dir():
        raise SystemExit("Run experiments/dse.py first: it makes the teacher and the students.")
    return options


def sentences(count: int) -> list[str]:
    path = Path(os.environ["VECLOOM_DATA"], "text", "brown", "sentences.jsonl")
    return list(dict.fromkeys(json.loads(line)["text"] for line in path.open(encoding="utf-8")))[:count]


def queries() -> list[str]:
    path = Path(os.environ["VECLOOM_DATA"], "sts", "stsb-en", "test.jsonl")
    return [json.loads(line)["sentence1"] for line in path.open(encoding="utf-8")][:ROUNDS]


def untrained(folder: Path, given: dict[str, Any]) -> Path:
    """A student with a head of random numbers."""
    from sentence_transformers import SentenceTransformer

    from vecloom.train.losses.options import DistillOptions
    from vecloom.train.student import make_student

    model = SentenceTransformer(str(resolve("minilm")), device="cpu")
    make_student(model, DistillOptions(**given))
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def open_teacher(models: Path) -> Callable[[str, list[str]], Any]:
    """The cross-encoder, in bfloat16 where the processor computes it, as the students' encoder is."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(models / "teacher"), device="cpu")

    def read(query: str, texts: list[str]) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu.has_bf16()):
            return model.predict([(query, text) for text in texts], batch_size=64, show_progress_bar=False)

    return read


def vectors_of(scorers: dict[str, PairScorer], texts: list[str], count: int) -> dict[str, np.ndarray]:
    """So many vectors of each student, (count, D): those of the texts, repeated."""
    found = {}
    for name, scorer in scorers.items():
        made = scorer.encode(texts)
        found[name] = np.tile(made, (-(-count // len(made)), 1))[:count]
    return found


def measured(
    teacher: Any, scorers: dict[str, PairScorer], known: dict[str, np.ndarray], sample: list[str], asked: list[str]
) -> Times:
    """Seconds of each system in each round; the cross-encoder's for its sample."""
    times: Times = {}
    teacher(asked[0], sample[:64])
    for scorer in scorers.values():
        scorer.score(asked[0], sample[:64])
    for query in asked:
        for name, run in {
            "cross-encoder": lambda query=query: teacher(query, sample),
            **{name: lambda query=query, name=name: scorers[name].score(query, known[name]) for name in scorers},
        }.items():
            begun = time.process_time(), time.perf_counter()
            run()
            now = time.process_time(), time.perf_counter()
            times.setdefault(name, []).append((now[0] - begun[0], now[1] - begun[1]))
        print({name: [round(value, 3) for value in values[-1]] for name, values in times.items()}, flush=True)
    return times


def told(times: Times, scorers: dict[str, PairScorer], options: argparse.Namespace) -> dict[str, Any]:
    scale = options.candidates / options.sample
    seconds = {
        name: statistics.median(cpu_time for cpu_time, _ in values) * (scale if name == "cross-encoder" else 1)
        for name, values in times.items()
    }
    quality = qualities()
    systems = {
        name: {
            "cpu_seconds": value,
            "speed_up": seconds["cross-encoder"] / value,
            "width": scorers[name].head.dim if name in scorers else None,
            "spearman": quality.get(name),
        }
        for name, value in seconds.items()
    }
    return {
        "candidates": options.candidates,
        "cross_encoder_sample": options.sample,
        "threads": options.threads,
        "processor": cpu.name(),
        "features": cpu.features(),
        "rounds": times,
        "systems": systems,
    }


def qualities() -> dict[str, float]:
    """Spearman on STSb test of the same models, from the experiment."""
    path = Path(__file__).parents[1] / "experiments" / "results" / "dse.json"
    runs = json.loads(path.read_text())["runs"]
    names = {
        "cross-encoder": "teacher",
        "student, concat head (DSE)": "concat, c = 0.5 (DSE) 0",
        "student, cosine head": "cosine, c = 0.5 0",
    }
    return {name: runs[run]["test spearman"] for name, run in names.items() if run in runs}


if __name__ == "__main__":
    main()
