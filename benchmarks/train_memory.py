"""Peak memory and gradient of very large contrastive batches on a CPU: gradient caching beside the plain loss.

    VECLOOM_DATA=... python benchmarks/train_memory.py --json benchmarks/results/train_memory.json

all-MiniLM-L6-v2, all six layers trained in float32 with dropout; pairs are the halves of sentences of the Brown corpus, cut at 16
tokens. Each line is a process of its own, and its peak is the system's count for that process (imports and weights included).

- ``cached``: ``ProgressiveContrastive`` half way through training (weights, noise gate and duplicate mask at work), in
  mini-batches of 128.
- ``plain``: the same without gradient caching.
- ``scores``: the scoring step alone at the paper's size: 13,334 queries with 5 hard negatives each, 80,004 candidates.
- ``gradient``: the largest difference of a number of the gradient between ``cached`` and a plain loss over the same
  texts, encoded in the same order from the same random state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from vecloom.files import write_text

CACHED = (512, 2048, 8192)
PLAIN = (64, 128, 256, 512)
MINI_BATCH = 128
TOKENS = 16
SCORED = (13_334, 5)
GRADIENT = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=["cached", "plain", "scores", "gradient"])
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "PAIRS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]), options.threads)))
        return
    wanted = [("cached", size) for size in CACHED] + [("plain", size) for size in PLAIN]
    wanted += [("scores", SCORED[0]), ("gradient", GRADIENT)]
    rows = [apart(what, size, options.threads) for what, size in wanted if what in options.only]
    if options.json:
        kept = json.loads(options.json.read_text())["rows"] if options.json.is_file() else []
        rows = [row for row in kept if row["what"] not in options.only] + rows
        write_text(options.json, json.dumps({"machine": machine(options.threads), "rows": rows}, indent=1) + "\n")


def apart(what: str, size: int, threads: int) -> dict[str, Any]:
    """A measurement in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads), "--one", what, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(row, flush=True)
    return row


def one(what: str, size: int, threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    measured = {"cached": cached, "plain": plain, "scores": scores, "gradient": gradient}[what](size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"what": what, "pairs": size, **measured, "peak_mib": round(peak)}


def cached(size: int) -> dict[str, Any]:
    return step(load(), size, MINI_BATCH)


def plain(size: int) -> dict[str, Any]:
    return step(load(), size, None)


def step(model: Any, size: int, mini_batch: int | None) -> dict[str, Any]:
    import torch

    from vecloom.train.losses import ProgressiveContrastive

    loss = ProgressiveContrastive(model, mini_batch_size=mini_batch, progress=lambda: 0.5)
    columns = [model.preprocess(column) for column in pairs(size)]
    torch.manual_seed(0)
    start = time.perf_counter()
    value = loss(columns)
    value.backward()
    seconds = time.perf_counter() - start
    norm = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    return {"loss": round(value.item(), 5), "gradient_norm": round(float(norm), 5), "seconds": round(seconds, 1)}


def scores(size: int) -> dict[str, Any]:
    """The loss and the gradient of each vector, from vectors."""
    import torch

    from vecloom.train.losses import ProgressiveContrastive

    torch.manual_seed(0)
    columns = SCORED[1] + 1
    vectors = [torch.randn(size, 384, requires_grad=True) for _ in range(columns + 1)]
    facts = list(torch.arange(size * (columns + 1)).reshape(columns + 1, size))
    loss = ProgressiveContrastive(torch.nn.Identity(), progress=lambda: 0.5)
    start = time.perf_counter()
    value = loss.calculate_loss([[column] for column in vectors], facts, with_backward=True)
    seconds = time.perf_counter() - start
    return {"candidates": size * columns, "loss": round(value.item(), 5), "seconds": round(seconds, 1)}


def gradient(size: int) -> dict[str, Any]:
    """Largest difference of the cached loss' gradient from the plain one's."""
    import torch
    from sentence_transformers.base.losses.gradcache import _create_minibatch

    from vecloom.train.losses import ProgressiveContrastive

    model = load()
    columns = [model.preprocess(column) for column in pairs(size)]
    found = []
    for mini_batch in (MINI_BATCH, None):
        loss = ProgressiveContrastive(model, mini_batch_size=mini_batch, progress=lambda: 0.5)
        model.zero_grad()
        torch.manual_seed(0)
        if mini_batch:
            value = loss(columns)
        else:
            pieces = [
                [_create_minibatch(column, first, first + MINI_BATCH) for first in range(0, size, MINI_BATCH)]
                for column in columns
            ]
            vectors = [[model(piece)["sentence_embedding"] for piece in column] for column in pieces]
            value = loss.calculate_loss(vectors, loss.facts(columns))
        value.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    largest = float((found[0] - found[1]).abs().max())
    return {"largest_difference": largest, "largest_number": float(found[1].abs().max())}


def load() -> Any:
    from sentence_transformers import SentenceTransformer

    from vecloom.encoders.resolve import resolve

    model = SentenceTransformer(str(resolve("minilm")), device="cpu").train()
    model.max_seq_length = TOKENS
    return model


def pairs(size: int) -> list[list[str]]:
    """Halves of sentences of 8 words and more, in an order of their own."""
    path = Path(os.environ["VECLOOM_DATA"], "text", "brown", "sentences.jsonl")
    words = [json.loads(line)["text"].split() for line in path.open(encoding="utf-8")]
    long = [sentence for sentence in words if len(sentence) >= 8]
    random.Random(0).shuffle(long)
    halves = [(" ".join(s[: len(s) // 2]), " ".join(s[len(s) // 2 :])) for s in long[:size]]
    return [list(column) for column in zip(*halves, strict=True)]


def machine(threads: int) -> dict[str, Any]:
    import torch

    from vecloom.runtime import cpu

    return {"processor": cpu.name(), "threads": threads, "torch": torch.__version__}


if __name__ == "__main__":
    main()
