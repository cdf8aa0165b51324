"""Word repetition: the same sentence with some of its tokens said twice.

Source: ESimCSE (arXiv:2109.04380), section 3.1. Of a text of n tokens (special ones not counted) a number is drawn
uniformly from the integers 0 to max(2, int(rate n)), then that many distinct positions; each of those tokens is
followed by a copy of itself. What then exceeds the model's length is cut off before the closing special tokens.

SimCSE's two views of a sentence have the same length, from which a model learns that equal length means equal sense;
these have not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def repeated_positions(n: int, rate: float = 0.32, rng: torch.Generator | None = None) -> list[int]:
    """The positions 0 to n - 1 in order, each once and some twice.

    Args:
        n: number of tokens.
        rate: largest share of tokens that are said twice; short texts get up to 2.
        rng: torch's own by default, which trainers save and restore.
    """
    most = min(n, max(2, int(rate * n)))
    count = int(torch.randint(most + 1, (1,), generator=rng))
    chosen = torch.randperm(n, generator=rng)[:count]
    return sorted([*range(n), *chosen.tolist()])


def repeat_tokens(ids: Sequence[int], rate: float = 0.32, rng: torch.Generator | None = None) -> list[int]:
    """Token ids with some of them followed by a copy of themselves."""
    return [ids[position] for position in repeated_positions(len(ids), rate, rng)]


def repeat_features(
    features: Mapping[str, Any], special: frozenset[int], rate: float, *, limit: int, pad: int, left: bool = False
) -> dict[str, Any]:
    """A tokenised batch with repetition in each row; special tokens and padding are never repeated.

    Args:
        features: ``input_ids`` and ``attention_mask``, both (n, length), and what else goes with each token.
        special: ids of special tokens.
        rate: as in ``repeated_positions``.
        limit: most tokens of a row.
        pad: id of padding.
        left: whether padding goes before the text.
    """
    ids, mask = features["input_ids"].cpu(), features["attention_mask"].cpu().bool()
    taken = [_taken(row[real].tolist(), special, rate, limit) for row, real in zip(ids, mask, strict=True)]
    # From places among a row's tokens to places in the row, where padding may come first.
    places = [real.nonzero().squeeze(1)[torch.tensor(row)] for real, row in zip(mask, taken, strict=True)]
    width = max(len(row) for row in places)
    starts = [width - len(row) if left else 0 for row in places]
    filled = {key: _filled(features[key], places, starts, width) for key in features if _per_token(features, key)}
    real = filled["attention_mask"].bool()
    filled["input_ids"] = filled["input_ids"].masked_fill(~real, pad)
    return {**features, **filled}


def _taken(row: Sequence[int], special: frozenset[int], rate: float, limit: int) -> list[int]:
    """Places in a row of tokens to take, in order, with repetition."""
    words = [place for place, token in enumerate(row) if token not in special]
    twice = [words[position] for position in repeated_positions(len(words), rate)] if words else []
    room = limit - (len(row) - len(words))
    kept = twice[: max(0, room)]
    return sorted([*kept, *(place for place, token in enumerate(row) if token in special)])


def _per_token(features: Mapping[str, Any], key: str) -> bool:
    value = features[key]
    return isinstance(value, Tensor) and value.shape[:2] == features["input_ids"].shape[:2]


def _filled(values: Tensor, places: Sequence[Tensor], starts: Sequence[int], width: int) -> Tensor:
    made = values.new_zeros(len(places), width, *values.shape[2:])
    for row, (taken, start) in enumerate(zip(places, starts, strict=True)):
        made[row, start : start + len(taken)] = values[row, taken.to(values.device)]
    return made
