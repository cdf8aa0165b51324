"""A slow copy of a model and the queue of its latest vectors.

Source: He et al. 2020 (MoCo, arXiv:1911.05722), as ESimCSE (arXiv:2109.04380), section 3.2, uses it: theta_g <- m
theta_g + (1 - m) theta_f after each optimiser step, and a first-in-first-out queue of g's vectors of earlier batches,
which serve as negatives. g runs without dropout, as remembered from the paper. It is kept in float32: at m = 0.995 a
step is lost in the rounding of half precision.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from vecloom.train.losses.info_nce import unit


def follow(slow: torch.nn.Module, fast: torch.nn.Module, momentum: float) -> None:
    """Move ``slow`` towards ``fast``; both have the same parameters in the same order (a wrapper's names may differ)."""
    with torch.no_grad():
        for behind, ahead in zip(slow.parameters(), fast.parameters(), strict=True):
            behind.mul_(momentum).add_(ahead.to(behind), alpha=1 - momentum)


class MomentumEncoder(torch.nn.Module):  # type: ignore[misc]
    """A frozen float32 copy of a model and of the head above it."""

    def __init__(self, model: Any, head: torch.nn.Module) -> None:
        super().__init__()
        # Not "model": sentence-transformers' trainer puts the trained model into every attribute of that name.
        self.slow = _frozen(model)
        self.head = _frozen(head)

    def train(self, mode: bool = True) -> MomentumEncoder:
        """Stay without dropout."""
        super().train(False)
        return self

    def forward(self, features: dict[str, Any]) -> Tensor:
        """Unit vectors of a tokenised batch: (n, d) float32. Under autocast it computes as the trained model does."""
        with torch.no_grad():
            return unit(self.head(self.slow(dict(features))["sentence_embedding"]))

    def follow(self, model: torch.nn.Module, head: torch.nn.Module, momentum: float) -> None:
        """Move towards the trained model."""
        follow(self.slow, model, momentum)
        follow(self.head, head, momentum)


class VectorQueue(torch.nn.Module):  # type: ignore[misc]
    """The last ``size`` vectors, in the order in which they came; saved and restored with the module."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(size, dim))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @property
    def vectors(self) -> Tensor:
        """(k, d), oldest first; a copy, since a batch's graph still needs it when the next vectors are pushed."""
        return self.kept[: int(self.filled)].clone()

    def push(self, vectors: Tensor) -> None:
        """Add (n, d) vectors without a graph; the oldest leave."""
        latest = torch.cat([self.vectors, vectors.to(self.kept)])[-len(self.kept) :] if len(self.kept) else vectors[:0]
        self.kept[: len(latest)] = latest
        self.filled.fill_(len(latest))


class MomentumStep(TrainerCallback):  # type: ignore[misc]
    """Moves a loss' momentum encoder after each optimiser step, however many batches it took."""

    def __init__(self, loss: Any) -> None:
        self._loss = loss

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the optimiser."""
        self._loss.follow()


def _frozen(module: torch.nn.Module) -> torch.nn.Module:
    made: torch.nn.Module = copy.deepcopy(module).float().eval()
    return made.requires_grad_(False)
