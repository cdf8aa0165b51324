"""Tune the new positions only: all else stays frozen, so that short texts keep their vectors to the bit.

Source: Zhu et al., EMNLP 2024, arXiv 2404.12096, section 4.2 and appendix B. The table starts as the recurrent one, whose first
L_o rows stay, or as the interpolated one, whose every s-th row stays (better in the paper). Long texts are simulated: each
training text of n tokens gets the positions u, u + 1, ... u + n - 1 with u drawn evenly from 0 to L_t - L_o. The loss is InfoNCE
on cosines over the other pairs of the batch and the negatives that the pairs have, at temperature 0.01.

The paper's: 3 epochs, rate 5e-4, 100 steps of warm-up; a batch of 512 on two A100. Our choice: batches of 64, 128 tokens a text,
no dropout, the warm-up at most a tenth of the steps, a linear descent behind it, AdamW without weight decay (it would pull frozen
rows).

When to use it: pairs of the kind that the model shall serve are at hand, and short texts must not change. When not: a rotary
model, which has no rows to tune.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.errors import DataError, MissingExtraError, UsageError
from vecloom.extend import position_table
from vecloom.extend.choices import number, one_of, whole
from vecloom.extend.positions import Found, add_scaling, put_interpolated, read_table, stretched, write_table
from vecloom.extend.source import Source
from vecloom.extend.tuning_pairs import Pair, batches, read_pairs

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]


def tune(
    source: Source,
    made: Path,
    target: int,
    *,
    pairs: str | None = None,
    start: str = "interpolate",
    epochs: int = 3,
    batch: int = 64,
    rate: float = 5e-4,
    temperature: float = 0.01,
    warmup: int = 100,
    tokens: int = 128,
    seed: int = 42,
    attention_scaling: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Train the new rows of a position table on pairs of texts.

    Args:
        source: a model with a position table.
        made: the copy.
        target: tokens.
        pairs: file of pairs (``tuning_pairs.read_pairs``).
        start: "interpolate" (a module for short texts), or "recurrent" (a plain model).
        epochs: how often each pair comes.
        batch: pairs of a step.
        rate: of AdamW.
        temperature: of the loss.
        warmup: steps; at most a tenth of all.
        tokens: after which a training text is cut.
        seed: of the order and the offsets.
        attention_scaling: queries grow with the logarithm of the length, when the model is used.
        progress: called with (steps done, steps in all).

    Raises:
        UsageError: there are no pairs, or an option cannot be.
        DataError: the pairs cannot be read.
        MissingExtraError: torch is not installed.
    """
    one_of("start", start, ("interpolate", "recurrent"))
    if not pairs:
        raise UsageError("tune needs pairs of texts.", "Give --pairs FILE: JSON lines with anchor and positive.")
    steps = list(batches(read_pairs(pairs), whole("batch", batch, 2), whole("epochs", epochs), whole("seed", seed, 0)))
    if not steps:
        raise DataError(f"{pairs} gives no batch: its texts are all the same.", "Give pairs of different texts.")
    name, old = read_table(source)
    table = stretched(old, target) if start == "interpolate" else position_table.recurrent(old, target)
    frozen = frozen_rows(start, len(table), source.length)
    write_table(source, made, name, table, len(table))  # the network is opened from there
    losses, rows = _train(
        made, source, frozen, steps, span=target - source.length, rate=number("rate", rate),
        temperature=number("temperature", temperature), warmup=whole("warmup", warmup, 0),
        tokens=min(whole("tokens", tokens, 4), source.length), seed=seed, progress=progress,
    )  # fmt: skip
    tuned = np.where(frozen[:, None], table, rows.astype(table.dtype))
    found = {"steps": len(steps), "loss_first": losses[0], "loss_last": losses[-1], "rows_tuned": int((~frozen).sum())}
    if start == "interpolate":
        return found | put_interpolated(source, made, target, name, tuned, "same", attention_scaling)
    write_table(source, made, name, tuned, target)
    add_scaling(source, made, target, attention_scaling)
    return found


def frozen_rows(start: str, length: int, source_length: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows that keep their numbers: the anchors of an interpolated table, or the first of a recurrent one. (length,) bool."""
    place = np.arange(length)
    return place % (length // source_length) == 0 if start == "interpolate" else place < source_length


def _train(
    made: Path,
    source: Source,
    frozen: np.ndarray[Any, np.dtype[np.bool_]],
    steps: Sequence[Sequence[Pair]],
    *,
    span: int,
    rate: float,
    temperature: float,
    warmup: int,
    tokens: int,
    seed: int,
    progress: Progress | None,
) -> tuple[list[float], Any]:
    """Losses, and the whole table after training: (rows, width) float32."""
    torch = _torch()
    from vecloom.extend.tuning_network import PositionNetwork

    network = PositionNetwork(made, first=source.first, tokens=tokens, frozen=frozen)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW([network.table], rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: slope(step, len(steps), warmup))
    losses = []
    for done, batch in enumerate(steps, start=1):
        loss = info_nce(network, batch, span, temperature, generator)
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        if progress:
            progress(done, len(steps))
    return losses, network.table.detach()[source.first :].float().cpu().numpy()


def slope(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: up to 1 over the warm-up, then down to 0."""
    up = min(warmup, math.ceil(steps / 10))
    if step < up:
        return (step + 1) / up
    return max(0.0, (steps - step) / max(1, steps - up))


def info_nce(
    network: Any, batch: Sequence[Pair], span: int, temperature: float, generator: torch.Generator
) -> torch.Tensor:
    """Mean of ``-log softmax`` of each anchor's own positive among all positives and negatives of the batch."""
    import torch

    anchors = [pair.anchor for pair in batch]
    others = [pair.positive for pair in batch] + [pair.negative for pair in batch if pair.negative]
    vectors = network.vectors(anchors, span, generator), network.vectors(others, span, generator)
    scores = vectors[0] @ vectors[1].T / temperature
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(batch), device=scores.device))


def _torch() -> Any:
    try:
        import sentence_transformers  # noqa: F401
        import torch
    except ImportError:
        raise MissingExtraError("Tuning needs torch and sentence-transformers.", "torch") from None
    return torch
