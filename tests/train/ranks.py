"""What each of several processes does in ``test_ranks``: its share of a batch, through DistributedDataParallel."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from tests.encoders.tiny import text

from vecloom.train.losses import GuidedContrastive, LossContext, ProgressiveContrastive, make_loss

ROWS = (6, 4)
"""Rows of the two processes: unequal, as at the end of an epoch."""
CASES = ("mnr", "gist", "gist cached", "gist triplets", "progressive", "progressive cached", "esimcse")
EQUAL = ("mnr",)
"""Losses of sentence-transformers, which need shares of equal size."""


def texts(case: str, step: int = 0) -> list[list[str]]:
    """Columns of the joined batch."""
    rows = 8 if case in EQUAL else sum(ROWS)
    parts = {"esimcse": 1, "gist triplets": 3, "progressive": 3, "progressive cached": 3}.get(case, 2)
    return [[text(3 + row % 5, seed=1000 * step + 100 * part + row) for row in range(rows)] for part in range(parts)]


def shares(case: str, rank: int, step: int = 0) -> list[list[str]]:
    """A process' rows of each column."""
    if case in EQUAL:
        return [column[4 * rank : 4 * rank + 4] for column in texts(case, step)]
    return [column[: ROWS[0]] if rank == 0 else column[ROWS[0] :] for column in texts(case, step)]


def build(case: str, model, frozen, gather: bool):
    """The loss of a case."""
    name, _, way = case.partition(" ")
    size = 2 if way == "cached" else None
    if name == "gist":
        return GuidedContrastive(model, frozen, 0.1, margin=0.02, mini_batch_size=size, gather=gather)
    if name == "progressive":
        return ProgressiveContrastive(
            model, 0.1, noise_quantile=0.2, mini_batch_size=size, gather=gather, progress=lambda: 0.8
        )
    if name == "esimcse":
        torch.manual_seed(3)  # the head
        loss = make_loss(model, "esimcse", {"queue_size": 12}, LossContext(gather=gather))
        loss.augment = lambda features, view: _said_twice(features) if view else dict(features)
        return loss
    return make_loss(model, "mnr", {"temperature": 0.1}, LossContext(gather=gather))


def _said_twice(features):
    """View 1: all tokens twice, so that the views differ without dropout, whose masks no two processes share."""
    return {key: torch.cat([value, value], 1) if hasattr(value, "shape") else value for key, value in features.items()}


def load(folder: Path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu").train()
    model[0].auto_model.pooler.requires_grad_(False)  # no part of the pipeline, so it would never get a gradient
    return model


def run(case: str, folder: Path, columns, wrap, gather: bool) -> dict:
    """Two batches, the second with whatever state the first has left; loss, gradients and state of the second."""
    model = load(folder)
    loss = build(case, model, load(folder).eval(), gather)
    loss.model = wrap(model)
    for step in range(2):
        model.zero_grad()
        loss.zero_grad()
        value = loss([model.preprocess(column) for column in columns(step)], None)
        value.backward()
    own = {name: p.grad for name, p in loss.named_parameters() if p.grad is not None and "model" not in name}
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    queue = loss.queue.vectors if case == "esimcse" else torch.zeros(0)
    return {"loss": value.item(), "gradients": gradients, "own": own, "queue": queue}


def worker(rank: int, folder: Path, out: Path) -> None:
    """One process of two: all cases, results to a file."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.environ.update(MASTER_ADDR="127.0.0.1")
    dist.init_process_group("gloo", init_method=f"file://{out}/meet", rank=rank, world_size=2)

    wrap = torch.nn.parallel.DistributedDataParallel
    found = {case: run(case, folder, partial(shares, case, rank), wrap, True) for case in CASES}
    torch.save(found, out / f"{rank}.pt")
    dist.destroy_process_group()
