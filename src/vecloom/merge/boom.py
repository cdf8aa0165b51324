"""BOOM, bagging-based model merging: train on subsets, merge on the sphere; and its update for new data.

Source: Zhang et al. 2026, "Bagging-Based Model Merging for Robust General Text Embeddings" (arXiv:2602.05787). Subsets are
drawn without replacement from each data set by itself, never from the pool, so that every bag has the proportions of the
whole; one model is trained on each from the same base with the same settings; Multi-SLERP merges them. Cost in
training: the sum of the ratios. The paper's choices are ``(0.5, "rest")`` at 1.0, ``(0.8, 1.0)`` and ``(0.6, 0.6, 0.6)`` at 1.8.
Update: train on the new data and a core of 40 % of the old from the base, and merge half and half with the old model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vecloom.errors import DataError, UsageError
from vecloom.files import text_digest, write_text
from vecloom.merge.spherical import multislerp
from vecloom.merge.tensors import Tensors

if TYPE_CHECKING:
    import torch

REST = "rest"
RATIOS = (0.8, 1.0)  # the paper's best for its cost
CORE = 0.4

Bag = dict[str, list[int]]


def bagging_plan(sizes: Mapping[str, int], ratios: Sequence[float | str] = RATIOS, seed: int = 0) -> list[Bag]:
    """Which rows of each data set each model is trained on.

    Args:
        sizes: rows of each data set.
        ratios: share of each data set in each bag; "rest" is what the bag before it left.
        seed: of the draws.

    Returns:
        a bag for each ratio: sorted row numbers by data set.

    Raises:
        UsageError: a ratio is not in (0, 1], or "rest" comes first.
    """
    _check_ratios(ratios)
    bags: list[Bag] = []
    for place, ratio in enumerate(ratios):
        if isinstance(ratio, str):
            bags.append({name: _others(bags[-1][name], size) for name, size in sizes.items()})
        else:
            bags.append({name: _subset(size, ratio, f"{seed} {place} {name}") for name, size in sizes.items()})
    return bags


def core_subset(size: int, share: float = CORE, seed: int = 0) -> list[int]:
    """Sorted numbers of the rows that stand for old data in an update."""
    return _subset(size, share, f"{seed} core")


def update_plan(old: Mapping[str, int], new: Mapping[str, int], share: float = CORE, seed: int = 0) -> Bag:
    """Rows to train the update model on: all of the new data sets, a core of the old ones.

    Raises:
        UsageError: a data set is both old and new.
    """
    twice = sorted(set(old) & set(new))
    if twice:
        raise UsageError(f"The data set {twice[0]!r} is both old and new.", "Give the new rows a name of their own.")
    core = {name: _subset(size, share, f"{seed} core {name}") for name, size in old.items()}
    return core | {name: list(range(size)) for name, size in new.items()}


def write_bags(
    files: Mapping[str, str | Path], folder: str | Path, ratios: Sequence[float | str] = RATIOS, seed: int = 0
) -> list[Path]:
    """Write each bag's rows of JSON-lines files, to train a model on each.

    Args:
        files: each data set's file by its name.
        folder: gets ``bag1/NAME.jsonl``, ``bag2/NAME.jsonl``, ...
        ratios: see ``bagging_plan``.
        seed: of the draws.

    Returns:
        the bags' folders.

    Raises:
        DataError: a file cannot be read.
    """
    lines = {name: _lines(Path(path)) for name, path in files.items()}
    made = []
    for place, bag in enumerate(bagging_plan({name: len(rows) for name, rows in lines.items()}, ratios, seed), 1):
        made.append(Path(folder, f"bag{place}"))
        for name, rows in bag.items():
            write_text(made[-1] / f"{name}.jsonl", "".join(lines[name][row] + "\n" for row in rows))
    return made


def boom(
    base: Tensors | None, models: Sequence[Tensors], *, weights: Sequence[float] | None = None
) -> dict[str, torch.Tensor]:
    """Multi-SLERP of the bags' task vectors; give the bags' sizes as weights, or leave them equal."""
    return multislerp(base, models, weights=weights)


def boom_update(base: Tensors | None, existing: Tensors, update: Tensors) -> dict[str, torch.Tensor]:
    """Half the existing model, half the update model."""
    return multislerp(base, [existing, update], weights=(0.5, 0.5))


def _lines(path: Path) -> list[str]:
    try:
        # not splitlines: a text may hold other line separators
        return [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The data set {path} cannot be read: {error}.", "Give a file of JSON lines.") from error


def _check_ratios(ratios: Sequence[float | str]) -> None:
    for place, ratio in enumerate(ratios):
        rest = ratio == REST and place > 0 and ratios[place - 1] != REST
        if not rest and (isinstance(ratio, str) or not 0 < ratio <= 1):
            raise UsageError(
                f"The ratio {ratio!r} at place {place + 1} cannot be.",
                "Give shares above 0 and at most 1, or 'rest' behind a share.",
            )


def _subset(size: int, share: float, key: str) -> list[int]:
    generator = np.random.default_rng(int(text_digest(key)[:15], 16))
    # half up, so that 0.5 and its rest differ by one row at most; at least one row of every data set
    count = min(size, max(1, math.floor(size * share + 0.5)))
    return sorted(generator.choice(size, count, replace=False).tolist()) if size else []


def _others(chosen: Sequence[int], size: int) -> list[int]:
    return sorted(set(range(size)) - set(chosen))
