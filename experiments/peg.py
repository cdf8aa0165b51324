"""PEG: more in-batch negatives at equal steps, and progressive weights where a fifth of the pairs are wrong.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/peg.py

Pairs are the first and the second half of sentences of the Brown corpus (10 to 24 words): a retrieval task with one
right answer and no judgements needed. The model is the first two layers of all-MiniLM-L6-v2 (``vecloom.encoders.truncation``),
small enough for large batches on one core. Measured: recall@1 and recall@10 of 2,000 held-out second halves among
themselves, in %.

(a) 12 steps of batches of 32, 128, 512 and 2,048 pairs with plain InfoNCE (the weights switched off), with gradient
caching from 512 on. A larger batch also shows the model more pairs, as it does in the paper.

(b) 32 steps of 256 pairs, a fifth of which have the second half of another sentence. Compared: plain InfoNCE, the noise
gate alone (5 % as by default, and 20 %, the share that is wrong), the weights alone, weights with either gate; and
InfoNCE on clean pairs as the bound. Beside recall: the mean weight of wrong and of right pairs over the last half of
training.
Writes ``experiments/results/peg.json`` and ``.md``; a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import Kept, brown, cell, encode, load, machine, report, train
from vecloom.encoders.truncation import truncate
from vecloom.train.losses import ProgressiveContrastive

SEEDS = (0, 1, 2)
SIZES = (32, 128, 512, 2048)
STEPS = 12
NOISY_STEPS, NOISY_SIZE, WRONG = 32, 256, 0.2
RATE = 1e-4
HELD_OUT = 2000
MINI_BATCH = 128
PLAIN = {"gamma_max": 0.0, "beta_max": 0.0, "noise_quantile": 0.0}
WAYS: dict[str, dict[str, float]] = {
    "clean pairs, plain": PLAIN,
    "plain": PLAIN,
    "gate 5 %": {**PLAIN, "noise_quantile": 0.05},
    "gate 20 %": {**PLAIN, "noise_quantile": 0.2},
    "weights": {"noise_quantile": 0.0},
    "weights, gate 5 % (default)": {},
    "weights, gate 20 %": {"noise_quantile": 0.2},
}
Pair = tuple[str, str]


class Watched(ProgressiveContrastive):
    """Keeps the weights of wrong and right pairs."""

    def watch(self, wrong: list[np.ndarray]) -> Watched:
        """Whether each pair of each batch is wrong."""
        self.wrong = wrong
        self.seen: list[tuple[float, float]] = []
        return self

    def prepare(self, joined: Any, facts: Any) -> Any:
        """As before, and noted."""
        prepared = super().prepare(joined, facts)
        wrong = self.wrong[len(self.seen)]
        weights = self.weights.numpy()
        self.seen.append((float(weights[wrong].mean()) if wrong.any() else np.nan, float(weights[~wrong].mean())))
        return prepared


def halves() -> list[Pair]:
    """Each sentence in two."""
    sentences = [sentence.split() for sentence in brown(10, 24)]
    return [(" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])) for words in sentences]


def small() -> Any:
    """Two layers of the bundled model."""
    with tempfile.TemporaryDirectory() as folder:
        return load(truncate("minilm", Path(folder, "two"), layers=2))


def recall(model: Any, held_out: list[Pair]) -> dict[str, float]:
    """Share of first halves whose second half is the best, and among the best ten."""
    left, right = (encode(model, [pair[side] for pair in held_out]) for side in (0, 1))
    scores = left @ right.T
    ranks = (scores > np.diag(scores)[:, None]).sum(1)
    return {"recall@1": 100 * float((ranks < 1).mean()), "recall@10": 100 * float((ranks < 10).mean())}


def with_size(size: int, seed: int, pairs: list[Pair], held_out: list[Pair]) -> dict[str, Any]:
    """Part (a)."""
    torch.manual_seed(seed)
    model = small()
    order = random.Random(seed).sample(pairs, size * STEPS)
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    loss = ProgressiveContrastive(model, mini_batch_size=MINI_BATCH if size >= 512 else None, **PLAIN)
    losses = train(model, loss, [_columns(batch) for batch in batches], RATE)
    return {**recall(model, held_out), "losses": [round(value, 4) for value in losses]}


def with_noise(way: str, seed: int, pairs: list[Pair], held_out: list[Pair]) -> dict[str, Any]:
    """Part (b)."""
    torch.manual_seed(seed)
    model = small()
    order = random.Random(seed).sample(pairs, NOISY_SIZE * NOISY_STEPS)
    batches = [order[at : at + NOISY_SIZE] for at in range(0, len(order), NOISY_SIZE)]
    wrong = [np.zeros(NOISY_SIZE, bool) for _ in batches]
    if not way.startswith("clean"):
        batches = [_spoilt(batch, marks) for batch, marks in zip(batches, wrong, strict=True)]
    loss = Watched(model, **WAYS[way]).watch(wrong)
    train(model, loss, [_columns(batch) for batch in batches], RATE)
    late = np.array(loss.seen[NOISY_STEPS // 2 :])
    weights = {} if way.startswith("clean") else {"wrong": float(late[:, 0].mean()), "right": float(late[:, 1].mean())}
    return {**recall(model, held_out), **weights}


def _spoilt(batch: list[Pair], wrong: np.ndarray) -> list[Pair]:
    """The first fifth of a batch with its second halves passed on by one; the batch's order is random anyway."""
    count = int(WRONG * len(batch))
    wrong[:count] = True
    seconds = [pair[1] for pair in batch[:count]]
    moved = [*seconds[1:], seconds[0]]
    return [(first, second) for (first, _), second in zip(batch[:count], moved, strict=True)] + batch[count:]


def _columns(batch: list[Pair]) -> tuple[list[list[str]], None]:
    return [[pair[side] for pair in batch] for side in (0, 1)], None


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    everything = halves()
    held_out, pairs = everything[:HELD_OUT], everything[HELD_OUT:]
    kept = Kept("peg")
    kept.run("start", lambda: recall(small(), held_out))
    for seed in SEEDS:
        for way in WAYS:
            kept.run(f"{way} {seed}", lambda way=way, seed=seed: with_noise(way, seed, pairs, held_out))
        for size in SIZES:
            kept.run(f"size {size} {seed}", lambda size=size, seed=seed: with_size(size, seed, pairs, held_out))
    write(kept)


def write(kept: Kept) -> None:
    keys = ("recall@1", "recall@10")
    start = kept.runs["start"]
    lines = ["# PEG", "", f"In-batch negatives, {STEPS} steps each:", "", "| pairs in a batch | recall@1 | recall@10 |"]
    lines += ["| ---: | --- | --- |", f"| start | {start['recall@1']:.1f} | {start['recall@10']:.1f} |"]
    for size in SIZES:
        cells = [cell([kept.runs[f"size {size} {seed}"][key] for seed in SEEDS]) for key in keys]
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    lines += ["", f"{WRONG:.0%} wrong pairs, {NOISY_STEPS} steps of {NOISY_SIZE} pairs:", ""]
    lines += ["| | recall@1 | recall@10 | recall@10 less plain | weight of wrong pairs | of right pairs |"]
    lines += ["| --- | --- | --- | --- | ---: | ---: |"]
    for way in WAYS:
        runs = [kept.runs[f"{way} {seed}"] for seed in SEEDS]
        gain = [
            run["recall@10"] - kept.runs[f"plain {seed}"]["recall@10"] for run, seed in zip(runs, SEEDS, strict=True)
        ]
        cells = [cell([run[key] for run in runs]) for key in keys] + ["" if way == "plain" else cell(gain, 2, True)]
        cells += [
            f"{np.mean([run[side] for run in runs]):.2f}" if side in runs[0] else "" for side in ("wrong", "right")
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Recall in % among {HELD_OUT:,} held-out halves; mean over {len(SEEDS)} seeds and its 95 % t interval.",
        f"Learning rate {RATE:g}.",
        f"Made by `python experiments/peg.py` on {machine()['processor']}.",
    ]
    report("peg", lines)


if __name__ == "__main__":
    main()
