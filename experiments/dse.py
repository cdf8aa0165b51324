"""DSE: how much of a cross-encoder's quality a student keeps, with and without learning from it, on STSb.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/dse.py [--models DIR]

The teacher is all-MiniLM-L6-v2 made a cross-encoder by sentence-transformers' CrossEncoderTrainer: 2,880 training pairs of STSb,
two epochs, batches of 32, learning rate 5e-5. A student starts from the same weights and reads 480 of these pairs twice, 16 at a
time, with labels only (c = 0), half and half (c = 0.5, DSE's own), and with the teacher only (c = 1). Its head is DSE's
("concat": the last four layers side by side, 512 hidden units) or the cosine. One more reads each of the 480 once and 480 others,
of which it sees the teacher's score and no label, so that all make 60 steps.

Measured on 700 pairs of STSb test: Pearson and Spearman x 100 of the head's score (the mean of both orders). The learning rate
with "concat", 3e-4, is the best of 3e-5, 1e-4 and 3e-4 for c = 0 with 640 pairs, 400 validation pairs and one further seed; that
with the cosine, 5e-5, was not tuned.
Writes ``experiments/results/dse.json`` and ``.md``; a stopped run goes on where it was. The teacher and the students of the
first seed stay in ``--models`` for ``benchmarks/dse.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from training import Kept, Pairs, _has_bf16, autocast, cell, cosines, load, machine, report, spearman, sts, train
from vecloom.encoders.resolve import resolve
from vecloom.files import cache_dir
from vecloom.train.losses import make_loss
from vecloom.train.setup import publish_model
from vecloom.train.teacher import Teacher

SEEDS = (0, 1, 2)
BATCH, PAIRS, EPOCHS, TAUGHT = 16, 480, 2, 2880
TESTED = 700
RATES = {"concat": 3e-4, "cosine": 5e-5}
VARIANTS = {
    "concat, c = 0 (labels only)": ("concat", 0.0, False),
    "concat, c = 0.5 (DSE)": ("concat", 0.5, False),
    "concat, c = 1 (teacher only)": ("concat", 1.0, False),
    "concat, c = 0.5, and pairs without labels": ("concat", 0.5, True),
    "cosine, c = 0": ("cosine", 0.0, False),
    "cosine, c = 0.5": ("cosine", 0.5, False),
}
TOKENS = 64


def train_pairs() -> Pairs:
    """All training pairs in an order of their own, scores from 0 to 1."""
    found = sts("stsb-en", "train.jsonl")
    order = random.Random(0).sample(range(len(found.left)), len(found.left))
    return Pairs([found.left[i] for i in order], [found.right[i] for i in order], found.scores[order] / 5)


def train_teacher(pairs: Pairs, folder: Path) -> Path:
    """A cross-encoder in ``folder``, unless it is there."""
    target = folder / "teacher"
    if (target / "config.json").is_file():
        return target
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    torch.manual_seed(0)
    model = CrossEncoder(str(resolve("minilm")), num_labels=1, device="cpu", max_length=2 * TOKENS)
    table = Dataset.from_dict(
        {
            "sentence1": pairs.left[:TAUGHT],
            "sentence2": pairs.right[:TAUGHT],
            "score": pairs.scores[:TAUGHT].tolist(),
        }
    )
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder / "teacher.run"),
        per_device_train_batch_size=2 * BATCH,
        num_train_epochs=2,
        learning_rate=5e-5,
        warmup_steps=0.1,
        bf16=_has_bf16(),
        use_cpu=True,
        seed=0,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_steps=1000,
    )
    CrossEncoderTrainer(model, arguments, table, loss=BinaryCrossEntropyLoss(model)).train()
    model.save_pretrained(str(target))
    return target


def batches(pairs: Pairs, taught: np.ndarray, seed: int, more: bool) -> list[Any]:
    """60 batches: the labelled pairs twice, or once beside as many without labels."""
    chance = random.Random(seed)
    rows = list(range(PAIRS))
    passes = [rows, list(range(PAIRS, 2 * PAIRS)) if more else rows]
    order = [row for each in passes for row in chance.sample(each, len(each))]
    if more:
        chance.shuffle(order)
    made = []
    for at in range(0, len(order), BATCH):
        part = order[at : at + BATCH]
        gold = np.where(np.array(part) < PAIRS, pairs.scores[part], np.nan)
        labels = torch.tensor(np.stack([gold, taught[part]], axis=1), dtype=torch.float32)
        made.append(([[pairs.left[i] for i in part], [pairs.right[i] for i in part]], labels))
    return made


def student(
    seed: int, variant: tuple[str, float, bool], rate: float, pairs: Pairs, taught: np.ndarray, tests: dict[str, Pairs]
) -> tuple[dict[str, Any], Any]:
    """Train and measure; returns scores and the model."""
    head, weight, more = variant
    torch.manual_seed(seed)
    model = load(tokens=TOKENS)
    options = {"task": "regression", "head": head, "distillation_weight": weight}
    if head == "cosine":
        options["layers"] = None  # the model's own pooling: what it was trained for
    loss = make_loss(model, "dse", options)
    losses = train(model, loss, batches(pairs, taught, seed, more), rate)
    found: dict[str, Any] = {"losses": [round(value, 4) for value in losses[::10]]}
    for name, test in tests.items():
        found |= scored(name, head_scores(model, test), test.scores)
    return found, model


def head_scores(model: Any, pairs: Pairs) -> np.ndarray:
    """The head's mean score of both orders."""
    model.eval()
    with autocast():
        first, second = (
            model.encode(side, batch_size=128, convert_to_tensor=True, show_progress_bar=False).float()
            for side in (pairs.left, pairs.right)
        )
    head = model[len(model) - 1]
    with torch.inference_mode():
        return ((head.logits(first, second) + head.logits(second, first)) / 2)[:, 0].numpy()


def scored(name: str, predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        f"{name} pearson": 100 * float(stats.pearsonr(predicted, truth).statistic),
        f"{name} spearman": spearman(predicted, truth),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=cache_dir("experiments", "dse"), help="where models stay")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pairs = train_pairs()
    teacher = Teacher(train_teacher(pairs, options.models), cache=options.models / "scores")
    both = list(zip(pairs.left, pairs.right, strict=True))[: 2 * PAIRS]
    with autocast():
        taught = teacher.scores(both)[:, 0]
    tests = {"test": sts("stsb-en", "test.jsonl").some(TESTED)}
    kept = Kept("dse")
    kept.run("teacher", lambda: of_teacher(teacher, tests["test"]))
    kept.run("start", lambda: scored("test", cosines(load(tokens=TOKENS), tests["test"]), tests["test"].scores))
    for name, variant in VARIANTS.items():
        for seed in SEEDS:
            kept.run(f"{name} {seed}", lambda a=(seed, name, variant): one(*a, pairs, taught, tests, options.models))
    write(kept)


def one(
    seed: int, name: str, variant: Any, pairs: Pairs, taught: np.ndarray, tests: dict[str, Pairs], models: Path
) -> dict[str, Any]:
    found, model = student(seed, variant, RATES[variant[0]], pairs, taught, tests)
    if seed == SEEDS[0]:
        publish_model(model, models / name.replace(" ", "_").replace(",", ""), None)
    return found


def of_teacher(teacher: Teacher, test: Pairs) -> dict[str, float]:
    """Both orders, as the students."""
    with autocast():
        forth = teacher.scores(list(zip(test.left, test.right, strict=True)))
        back = teacher.scores(list(zip(test.right, test.left, strict=True)))
    return scored("test", (forth + back)[:, 0] / 2, test.scores)


def write(kept: Kept) -> None:
    teacher = kept.runs["teacher"]
    columns = ("test pearson", "test spearman")
    start = [kept.runs["start"][column] for column in columns]
    lines = [
        "# DSE: STSb test x 100",
        "",
        "| | Pearson | Spearman | of the teacher's Spearman |",
        "| --- | --- | --- | --- |",
        f"| cross-encoder (teacher) | {teacher[columns[0]]:.1f} | {teacher[columns[1]]:.1f} | 100 % |",
        f"| MiniLM as it is, cosine | {start[0]:.1f} | {start[1]:.1f} | {100 * start[1] / teacher[columns[1]]:.1f} % |",
    ]
    for name in VARIANTS:
        runs = [kept.runs[f"{name} {seed}"] for seed in SEEDS]
        share = [100 * run[columns[1]] / teacher[columns[1]] for run in runs]
        cells = [cell([run[column] for run in runs]) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} | {cell(share)} % |")
    lines += ["", "Difference in Spearman to the same head with labels only:", "", "| | |", "| --- | --- |"]
    for name in VARIANTS:
        base = next(other for other in VARIANTS if VARIANTS[other][:2] == (VARIANTS[name][0], 0.0))
        if name != base:
            gains = [
                kept.runs[f"{name} {seed}"][columns[1]] - kept.runs[f"{base} {seed}"][columns[1]] for seed in SEEDS
            ]
            lines.append(f"| {name} | {cell(gains, 2, True)} |")
    lines += [
        "",
        f"Mean over {len(SEEDS)} seeds (head, order, dropout) and its 95 % t interval; one teacher.",
        f"{PAIRS:,} labelled pairs, {TESTED} test pairs, {EPOCHS * PAIRS // BATCH} steps of {BATCH}, learning rates "
        + ", ".join(f"{rate:g} ({head})" for head, rate in RATES.items())
        + ".",
        f"Made by `python experiments/dse.py` on {machine()['processor']}.",
    ]
    report("dse", lines)


if __name__ == "__main__":
    main()
