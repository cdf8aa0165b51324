"""Encode a training batch without waste: bfloat16 where the hardware has it, no padding, no empty gradient rows.

Ours, three things that do not change what is computed, but for bfloat16's rounding:

- A batch is sorted by length and encoded in a few pieces, each padded to its own longest text; vectors come back in the batch's
  order, so the loss sees the same batch. Where to cut is a small optimisation: tokens after padding, plus a price per piece.
- The network runs under autocast to bfloat16; pooling and loss stay in float32.
- The token table's gradient is kept as the rows that the batch touched, and written into a full table once a step rather than
  once a piece (a table of 30,000 tokens is half of a small model's weights).

When it does not apply: networks padded on the left, inputs that are not text, static models. They run as they are.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

_PRICE = {
    "cpu": 64,
    "cuda": 16384,
}  # tokens that a piece costs beside its own, on the CPU per thread; benchmarks/train.py


def cuts(lengths: Sequence[int], price: float) -> list[tuple[int, int]]:
    """Pieces of a sorted batch that cost least.

    Args:
        lengths: tokens of each text, ascending.
        price: tokens that each piece costs beside rows times its longest.

    Returns:
        (first, after last) of each piece, in order; equal lengths are never parted.
    """
    ends = [
        place for place in range(1, len(lengths) + 1) if place == len(lengths) or lengths[place] != lengths[place - 1]
    ]
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost up to ends[i - 1], and the index of the end before
    marks = [0, *ends]
    for here in range(1, len(marks)):
        top = lengths[marks[here] - 1]
        costs = [best[before][0] + (marks[here] - marks[before]) * top + price for before in range(here)]
        cheapest = min(range(here), key=costs.__getitem__)
        best.append((costs[cheapest], cheapest))
    pieces, here = [], len(marks) - 1
    while here > 0:
        before = best[here][1]
        pieces.append((marks[before], marks[here]))
        here = before
    return pieces[::-1]


@contextmanager
def lean(model: Any, precision: str, *, split: bool, sparse: bool) -> Iterator[None]:
    """Encode leanly while the block runs, in training mode only; afterwards the model is as it was.

    Args:
        model: a ``SentenceTransformer``; only a first module that is a text transformer padded on the right changes.
        precision: "bf16" or "fp32".
        split: whether batches are encoded in pieces of like length.
        sparse: whether the token table's gradient is kept sparse until ``densify``; not with several processes.
    """
    first = model[0]
    if not _applies(first):
        yield
        return
    table = first.auto_model.get_input_embeddings()
    was_sparse = getattr(table, "sparse", False)
    # A bound method, not a closure: a deep copy of the model then encodes with the copy's weights.
    first.forward = types.MethodType(_lean_forward, first)
    first._vecloom_lean = (precision, split)
    if isinstance(table, torch.nn.Embedding):
        table.sparse = sparse
    try:
        yield
    finally:
        del first.forward, first._vecloom_lean
        if isinstance(table, torch.nn.Embedding):
            table.sparse = was_sparse


def densify(parameters: Iterator[Any]) -> None:
    """Write sparse gradients into full tables, as the optimiser needs them."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.to_dense()


def _applies(first: Any) -> bool:
    tokenizer = getattr(first, "tokenizer", None)
    return hasattr(first, "auto_model") and getattr(tokenizer, "padding_side", "") == "right"


def _lean_forward(self: Any, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """What ``Transformer.forward`` does, in pieces and in bfloat16; ``features`` is filled as there."""
    precision, split = self._vecloom_lean
    mask = features.get("attention_mask")
    if not self.training or not isinstance(mask, Tensor) or mask.ndim != 2:
        return _plain(self, features, kwargs, precision)
    if not split or len(mask) < 2:
        return _plain(self, features, kwargs, precision)
    lengths = mask.sum(1)
    order = torch.argsort(lengths, stable=True)
    ascending = lengths[order].tolist()
    pieces = cuts(ascending, _price(mask.device.type))
    if len(pieces) == 1 and ascending[-1] == mask.shape[1]:
        return _plain(self, features, kwargs, precision)
    made = []
    for first, end in pieces:
        part = {key: _piece(value, mask, order[first:end], ascending[end - 1]) for key, value in features.items()}
        made.append(_plain(self, part, kwargs, precision))
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    for key in made[0]:
        if key not in features:
            features[key] = _joined([part[key] for part in made], back, mask.shape[1])
    return features


def _price(device: str) -> float:
    """More threads finish tokens sooner, and a piece's fixed part hardly."""
    return _PRICE.get(device, 0) * (torch.get_num_threads() if device == "cpu" else 1)


def _plain(self: Any, features: dict[str, Any], kwargs: dict[str, Any], precision: str) -> dict[str, Any]:
    before = set(features)
    device = self.auto_model.device.type
    with torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext():
        made: dict[str, Any] = type(self).forward(self, features, **kwargs)
    for key in made.keys() - before:
        made[key] = _float(made[key])
    return made


def _float(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_float(item) for item in value)
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _piece(value: Any, mask: Tensor, rows: Tensor, length: int) -> Any:
    if not isinstance(value, Tensor) or value.shape[:1] != mask.shape[:1]:
        return value
    return value[rows, :length] if value.shape[:2] == mask.shape else value[rows]


def _joined(parts: list[Any], back: Tensor, length: int) -> Any:
    """Pieces of (rows, tokens, d) as one (batch, length, d) in the batch's order; tuples of such, item by item."""
    if isinstance(parts[0], tuple | list):
        return type(parts[0])(_joined(list(items), back, length) for items in zip(*parts, strict=True))
    if not isinstance(parts[0], Tensor):
        return parts[0]
    if parts[0].ndim == 3:
        parts = [torch.nn.functional.pad(part, (0, 0, 0, length - part.shape[1])) for part in parts]
    return torch.cat(parts)[back]
