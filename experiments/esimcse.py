"""SimCSE, word repetition and the momentum queue, on the Brown corpus: STS and the length bias.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/esimcse.py

The model is all-MiniLM-L6-v2 with its last two layers set to random numbers, so that it is no sentence encoder yet. It
reads 3,200 sentences of 5 to 20 words once, 64 at a time, with SimCSE, with repetition, with the queue, and with both,
from the same start and in the same order per seed. Settings are the papers' but for the learning rate, chosen once for
plain SimCSE on the STSb validation set and one further seed: they train on a million sentences, this on three thousand.

Measured: Spearman x 100 on STSb validation and test, STS14 and STS15 (1,000 pairs each), and the length bias: Spearman
x 100 between the difference in length of 2,000 random pairs of Brown sentences, in tokens, and their predicted
similarity; the further below 0, the more equal length passes for equal sense.
Writes ``experiments/results/esimcse.json`` and ``.md``; a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np
import torch

from training import Kept, Pairs, brown, cell, cosines, load, machine, report, spearman, sts, train
from vecloom.train.losses import make_loss

SEEDS = (0, 1, 2, 3)
BATCH, STEPS = 64, 50
RATE = 3e-4
VARIANTS: dict[str, dict[str, Any]] = {
    "SimCSE": {"repeat_rate": 0.0, "queue_size": 0},
    "+ repetition": {"queue_size": 0},
    "+ queue": {"repeat_rate": 0.0},
    "ESimCSE (both)": {},
}
TESTS = ("STSb validation", "STSb test", "STS14", "STS15")
PAIRS = 1000


def start(seed: int) -> Any:
    """The model without its last two layers' training."""
    torch.manual_seed(seed)
    model = load()
    for layer in model[0].auto_model.encoder.layer[-2:]:
        for part in layer.modules():
            if isinstance(part, torch.nn.Linear):
                torch.nn.init.normal_(part.weight, std=0.02)  # BERT's initialisation
                torch.nn.init.zeros_(part.bias)
            elif isinstance(part, torch.nn.LayerNorm):
                part.reset_parameters()
    return model


def one(seed: int, options: dict[str, Any] | None, rate: float, sentences: list[str], tests: dict[str, Pairs]) -> Any:
    """Train and measure; without options measure the start."""
    model = start(seed)
    losses = []
    if options is not None:
        order = random.Random(seed).sample(sentences, BATCH * STEPS)
        batches = [([order[at : at + BATCH]], None) for at in range(0, len(order), BATCH)]
        torch.manual_seed(seed)
        losses = train(model, make_loss(model, "esimcse", options), batches, rate)
    scores = {name: spearman(cosines(model, pairs), pairs.scores) for name, pairs in tests.items()}
    lengths = Pairs(sentences[-4000:-2000], sentences[-2000:], np.zeros(2000))
    counts = [
        np.array([len(ids) for ids in model.tokenizer(side)["input_ids"]]) for side in (lengths.left, lengths.right)
    ]
    scores["length bias"] = spearman(cosines(model, lengths), np.abs(counts[0] - counts[1]))
    return {**scores, "losses": [round(value, 4) for value in losses]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", action="store_true", help="only try learning rates for SimCSE on STSb validation")
    sentences = brown(5, 20)
    tests = {
        "STSb validation": sts("stsb-en", "validation.jsonl").some(PAIRS),
        "STSb test": sts("stsb-en", "test.jsonl").some(PAIRS),
        "STS14": sts("sts14", "test.jsonl").some(PAIRS),
        "STS15": sts("sts15", "test.jsonl").some(PAIRS),
    }
    if parser.parse_args().rates:
        dev = {"STSb validation": tests["STSb validation"]}
        for rate in (3e-5, 1e-4, 3e-4, 1e-3):
            print(rate, one(99, VARIANTS["SimCSE"], rate, sentences[:-4000], dev)["STSb validation"], flush=True)
        return
    kept = Kept("esimcse")
    for seed in SEEDS:
        kept.run(f"start {seed}", lambda seed=seed: one(seed, None, RATE, sentences, tests))
        for name, options in VARIANTS.items():
            kept.run(f"{name} {seed}", lambda seed=seed, options=options: one(seed, options, RATE, sentences, tests))
    write(kept)


def write(kept: Kept) -> None:
    columns = (*TESTS, "length bias")
    lines = [
        "# ESimCSE: Spearman x 100",
        "",
        f"| | {' | '.join(TESTS)} | mean of four | length bias |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("start", *VARIANTS):
        found = {column: [kept.runs[f"{name} {seed}"][column] for seed in SEEDS] for column in columns}
        means = np.mean([found[test] for test in TESTS], axis=0)
        cells = [cell(found[test]) for test in TESTS] + [cell(means), cell(found["length bias"])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "Difference to SimCSE from the same start with the same sentences:",
        "",
        "| | mean of four | length bias |",
    ]
    lines += ["| --- | --- | --- |"]
    for name in list(VARIANTS)[1:]:
        gains = [[_of(kept, name, seed, c) - _of(kept, "SimCSE", seed, c) for c in columns] for seed in SEEDS]
        sts_gain, bias = [np.mean(gain[:-1]) for gain in gains], [gain[-1] for gain in gains]
        lines.append(f"| {name} | {cell(sts_gain, 2, True)} | {cell(bias, 2, True)} |")
    lines += [
        "",
        f"Mean over {len(SEEDS)} seeds (the two new layers, the order, dropout) and its 95 % t interval.",
        f"{BATCH * STEPS:,} sentences in {STEPS} steps, learning rate {RATE:g}.",
        f"Made by `python experiments/esimcse.py` on {machine()['processor']}.",
    ]
    report("esimcse", lines)


def _of(kept: Kept, name: str, seed: int, column: str) -> float:
    return float(kept.runs[f"{name} {seed}"][column])


if __name__ == "__main__":
    main()
