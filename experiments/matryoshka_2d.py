"""2D Matryoshka beside plain and 1-D Matryoshka training: STSb at every depth and width, and the speed of a smaller model.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/matryoshka_2d.py

all-MiniLM-L6-v2 is trained with CoSENT on 2,560 pairs of STSb's training set in three ways, from the same start and in
the same order per seed: as it is, at several widths (384 to 32), and at several widths and depths (one shallower
layer drawn per step, as in the paper). Measured: Spearman x 100 on STSb test of the mean-pooled states of each of the six
layers, cut to each width, before training and after each way.

Then ``vecloom.encoders.truncation`` writes a model of three layers, and both encode the test sentences with
sentence-transformers in float32 on one thread, in turn, three times each.
Writes ``experiments/results/matryoshka_2d.json``, ``.md`` and ``docs/systems/matryoshka-2d.svg``; a stopped run goes on
where it was.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from training import Kept, Pairs, autocast, cell, load, machine, report, spearman, sts, train
from vecloom.encoders.truncation import truncate
from vecloom.train.losses import make_loss

FIGURE = Path(__file__).parents[1] / "docs" / "systems" / "matryoshka-2d.svg"
SEEDS = (0, 1, 2)
BATCH, STEPS = 32, 80
RATE = 5e-5  # 2DMSE, as remembered
DIMS = (384, 256, 128, 64, 32)
LAYERS = (1, 2, 3, 4, 5, 6)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("cosent", {}),
    "MRL": ("matryoshka", {"base": "cosent", "dims": list(DIMS)}),
    "2DMSE": ("matryoshka-2d", {"base": "cosent", "dims": list(DIMS)}),
}


def one(way: str | None, seed: int, pairs: Pairs, tests: Pairs) -> dict[str, Any]:
    """Train in a way, or not at all, and measure the grid."""
    torch.manual_seed(seed)
    random.seed(seed)
    model = load(tokens=64)
    if way is not None:
        name, options = WAYS[way]
        order = random.Random(seed).sample(range(len(pairs.left)), BATCH * STEPS)
        parts = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
        train(model, make_loss(model, name, options), [batch(pairs, part) for part in parts], RATE)
    return {"grid": grid(model, tests)}


def batch(pairs: Pairs, part: list[int]) -> tuple[list[list[str]], torch.Tensor]:
    columns = [[side[row] for row in part] for side in (pairs.left, pairs.right)]
    return columns, torch.tensor(pairs.scores[part] / 5, dtype=torch.float32)


def grid(model: Any, tests: Pairs) -> list[list[float]]:
    """Spearman x 100 by layer (rows) and width (columns)."""
    left, right = (states(model, side) for side in (tests.left, tests.right))
    return [
        [round(spearman(_cosine(left[layer], right[layer], dim), tests.scores), 3) for dim in DIMS] for layer in LAYERS
    ]


def states(model: Any, texts: list[str]) -> dict[int, np.ndarray]:
    """Mean-pooled states of every layer: (n, 384) each."""
    model.eval()
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    made = {layer: np.zeros((len(texts), 384), np.float32) for layer in LAYERS}
    for start in range(0, len(order), 128):
        part = order[start : start + 128]
        features = model.preprocess([texts[place] for place in part])
        inputs = {key: features[key] for key in ("input_ids", "attention_mask")}
        with torch.no_grad(), autocast():
            hidden = model[0].auto_model(**inputs, output_hidden_states=True).hidden_states
        mask = features["attention_mask"].unsqueeze(-1).float()
        for layer in LAYERS:
            made[layer][part] = ((hidden[layer].float() * mask).sum(1) / mask.sum(1)).numpy()
    return made


def _cosine(left: np.ndarray, right: np.ndarray, dim: int) -> np.ndarray:
    left, right = (side[:, :dim] / np.linalg.norm(side[:, :dim], axis=1, keepdims=True) for side in (left, right))
    return (left * right).sum(1)


def speed(texts: list[str]) -> dict[str, Any]:
    """Seconds to encode texts with six layers and with three, in turn."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        small = truncate("minilm", Path(folder, "small"), layers=3)
        models = {"six layers": load(tokens=64), "three layers": SentenceTransformer(str(small), device="cpu")}
        models["three layers"].max_seq_length = 64
        seconds: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(3):
            for name, model in models.items():
                start = time.perf_counter()
                model.eval().encode(texts, batch_size=64, show_progress_bar=False)
                seconds[name].append(round(time.perf_counter() - start, 3))
    ratio = float(np.median(seconds["six layers"]) / np.median(seconds["three layers"]))
    return {"texts": len(texts), "seconds": seconds, "ratio": ratio}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    pairs, tests = sts("stsb-en", "train.jsonl"), sts("stsb-en", "test.jsonl")
    kept = Kept("matryoshka_2d")
    kept.run("start", lambda: one(None, 0, pairs, tests))
    for seed in SEEDS:
        for way in WAYS:
            kept.run(f"{way} {seed}", lambda way=way, seed=seed: one(way, seed, pairs, tests))
    kept.run("speed", lambda: speed(tests.left))
    write(kept)
    draw(kept)


def write(kept: Kept) -> None:
    lines = ["# 2D Matryoshka: Spearman x 100 on STSb test, by layer and width", ""]
    start = np.array(kept.runs["start"]["grid"])
    grids = {way: np.array([kept.runs[f"{way} {seed}"]["grid"] for seed in SEEDS]) for way in WAYS}
    for title, table in [("start", start), *((way, grids[way].mean(0)) for way in WAYS)]:
        lines += [f"{title}:", "", f"| layers | {' | '.join(map(str, DIMS))} |", "| ---: " * (len(DIMS) + 1) + "|"]
        lines += [
            f"| {layer} | {' | '.join(f'{v:.1f}' for v in row)} |" for layer, row in zip(LAYERS, table, strict=True)
        ]
        lines.append("")
    for one, other in (("2DMSE", "plain"), ("2DMSE", "MRL"), ("MRL", "plain")):
        gain = grids[one] - grids[other]
        lines += [
            f"{one} less {other}:",
            "",
            f"| layers | {' | '.join(map(str, DIMS))} |",
            "| --- " * (len(DIMS) + 1) + "|",
        ]
        for place, layer in enumerate(LAYERS):
            cells = [cell(gain[:, place, width], 1, True) for width in range(len(DIMS))]
            lines.append(f"| {layer} | {' | '.join(cells)} |")
        lines.append("")
    ratio = kept.runs["speed"]["ratio"]
    lines += [
        f"The exported model of three layers encodes {ratio:.2f} times as fast as the one of six (float32, one thread).",
        "",
        f"Mean over {len(SEEDS)} seeds (order, dropout, drawn layers), differences with their 95 % t interval.",
        f"{STEPS} steps of {BATCH} pairs, learning rate {RATE:g}.",
        f"Made by `python experiments/matryoshka_2d.py` on {machine()['processor']}.",
    ]
    report("matryoshka_2d", lines)


def draw(kept: Kept) -> None:
    """Quality over depth at the full and the smallest width."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "vecloom"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3.2), sharey=True)
    for axis, width in zip(axes, (0, len(DIMS) - 1), strict=True):
        axis.plot(LAYERS, np.array(kept.runs["start"]["grid"])[:, width], color="0.6", label="start")
        for way in WAYS:
            runs = np.array([kept.runs[f"{way} {seed}"]["grid"] for seed in SEEDS])[:, :, width]
            axis.plot(LAYERS, runs.mean(0), marker="o", markersize=3, label=way)
        axis.set(title=f"{DIMS[width]} dimensions", xlabel="layers")
    axes[0].set_ylabel("Spearman x 100, STSb test")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
