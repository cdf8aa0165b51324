"""PEG: very many in-batch negatives in bounded memory, harder ones weighing more as training goes on.

Source: Wu, Qin, Zhang, Xu, Gao, Li, Sun, "Towards Robust Text Retrieval with Progressive Learning", 2023
(arXiv:2311.11691). From its abstract: 5 mined hard negatives per query, up to 80,000 negatives in a batch, and weights
that grow with difficulty as training progresses. **Its formula for the weights was not found. The one here is our
choice:** with r the share of training done,

- p_i the softmax probability of row i's true pair and d_i = 1 - p_i its difficulty, row i weighs w_i = B d_i^g /
  sum_j d_j^g with g = gamma_max r;
- rows whose positive scores in the lowest ``noise_quantile`` of the batch weigh nothing once r > ``noise_from``,
  being wrong pairs as likely as not; the others' weights have the sum B all the same;
- negative j of row i weighs v_ij, proportional to exp(beta s_ij) with beta = beta_max r and with mean 1 over the
  row's negatives, in the denominator of InfoNCE.

At r = 0 all this is InfoNCE. Weights and difficulties carry no gradient. Texts equal to the row's anchor or positive,
and the positives of equal anchors, are never negatives. Memory: Gao et al. 2021, see ``vector_loss``.

Use it for retrieval with large batches. Weighing hard rows amplifies wrong pairs, which is what the gate is for; set
``gamma_max``, ``beta_max`` and ``noise_quantile`` to 0 for plain InfoNCE with large batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from vecloom.train.losses.info_nce import info_nce
from vecloom.train.losses.ranks import Joined, join_fixed
from vecloom.train.losses.texts import digests, token_rows
from vecloom.train.losses.vector_loss import Features, VectorLoss


def row_weights(difficulty: Tensor, gamma: float, noise: Tensor | None = None) -> Tensor:
    """Weights of rows, with mean 1.

    Args:
        difficulty: (n,) in [0, 1].
        gamma: exponent; 0 weighs all rows alike.
        noise: (n,) True for rows that weigh nothing.
    """
    # Not 0 ** gamma: where every row is solved all would weigh nothing, and their mean could not be 1.
    weights = difficulty.clamp(min=1e-12) ** gamma
    if noise is not None:
        weights = weights.masked_fill(noise, 0)
    return weights * len(weights) / weights.sum()


def negative_weights(similarity: Tensor, beta: float, drop: Tensor) -> Tensor:
    """Logarithms of negatives' weights, which have mean 1 over each row's negatives.

    Args:
        similarity: (n, m) cosines.
        beta: sharpness; 0 weighs all alike.
        drop: (n, m) True for what is no negative: the positive, and false negatives.

    Returns:
        (n, m); what is no negative gets 0.
    """
    scaled = (beta * similarity).masked_fill(drop, -torch.inf)
    count = (~drop).sum(1, keepdim=True).clamp(min=1)
    return (scaled - scaled.logsumexp(1, keepdim=True) + count.log()).masked_fill(drop, 0)


def presumed_noise(positive: Tensor, quantile: float) -> Tensor:
    """(n,) bool: the rows with the lowest ``quantile`` of the positives' cosines, rounded down."""
    count = int(quantile * len(positive))
    noise = torch.zeros(len(positive), dtype=torch.bool, device=positive.device)
    noise[positive.topk(count, largest=False).indices] = True
    return noise


@dataclass(frozen=True)
class Weighed:
    """A batch's texts and what each row weighs.

    Attributes:
        texts: (n,) int64 of each column over all processes, equal for equal texts.
        weights: (n,) of all processes' rows.
        beta: sharpness of the negatives' weights.
    """

    texts: list[Tensor]
    weights: Tensor
    beta: float = 0.0


class ProgressiveContrastive(VectorLoss):
    """InfoNCE with progressive weights, a noise gate and a duplicate mask.

    Attributes:
        callbacks: give them to the trainer where ``progress`` is not given: they tell the loss how far training is.
        weights: (n,) weights of this process' rows in the last batch.
    """

    def __init__(
        self,
        model: Any,
        temperature: float = 0.02,
        gamma_max: float = 2.0,
        beta_max: float = 2.0,
        noise_quantile: float = 0.05,
        mini_batch_size: int | None = None,
        *,
        noise_from: float = 0.1,
        gather: bool = False,
        progress: Callable[[], float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            model: the ``SentenceTransformer`` to train.
            temperature: what cosines are divided by.
            gamma_max: the exponent of difficulty at the end of training.
            beta_max: the sharpness of negatives' weights at the end of training.
            noise_quantile: share of rows that are presumed wrong pairs.
            mini_batch_size: texts that are encoded at once; turns gradient caching on.
            noise_from: the share of training after which presumed wrong pairs weigh nothing.
            gather: whether other processes' texts are candidates.
            progress: the share of training done, in [0, 1]; by default the callback's.
        """
        super().__init__(model, mini_batch_size=mini_batch_size, gather=gather)
        self.temperature = temperature
        self.gamma_max = gamma_max
        self.beta_max = beta_max
        self.noise_quantile = noise_quantile
        self.noise_from = noise_from
        self.weights = torch.ones(0)
        watch = Watch()
        self.progress = progress or watch.share
        self.callbacks: list[TrainerCallback] = [] if progress else [watch]

    def facts(self, features: list[Features]) -> list[Tensor]:
        """Equal texts of this process' columns."""
        device = features[0]["input_ids"].device
        return [digests(token_rows(column)).to(device) for column in features]

    def pairs(self, columns: int) -> list[tuple[int, int]]:
        """Anchors against positives and all negatives."""
        return [(0, column) for column in range(1, columns)]

    def prepare(self, joined: Joined, facts: list[Tensor]) -> Weighed:
        """Difficulties and weights of all rows, from a first pass over the scores."""
        texts = [join_fixed(column, gather=self.gather) for column in facts]
        even = Weighed(texts, torch.ones(len(texts[0]), device=texts[0].device))
        share = float(self.progress())
        if share <= 0:
            self.weights = even.weights[joined.local]
            return even
        found = [self._first_look(self.scores(joined.columns, rows), even, rows) for rows in self.blocks(joined)]
        difficulty, positive = (torch.cat(parts) for parts in zip(*found, strict=True))
        difficulty, positive = (join_fixed(rows, gather=self.gather) for rows in (difficulty, positive))
        noise = presumed_noise(positive, self.noise_quantile) if share > self.noise_from else None
        weights = row_weights(difficulty, self.gamma_max * share, noise)
        self.weights = weights[joined.local]
        return Weighed(texts, weights, self.beta_max * share)

    def row_losses(self, scores: Tensor, prepared: Weighed, rows: slice) -> Tensor:
        """Each row's weighed loss."""
        drop, targets = self._dropped(prepared, rows)
        weights = negative_weights(scores.detach(), prepared.beta, drop) if prepared.beta else None
        losses = info_nce(scores, targets, temperature=self.temperature, drop=drop, log_weights=weights)
        return losses * prepared.weights[rows]

    def _first_look(self, scores: Tensor, prepared: Weighed, rows: slice) -> tuple[Tensor, Tensor]:
        drop, targets = self._dropped(prepared, rows)
        losses = info_nce(scores, targets, temperature=self.temperature, drop=drop)
        return -torch.expm1(-losses), scores.gather(1, targets.unsqueeze(1)).squeeze(1)

    def _dropped(self, prepared: Weighed, rows: slice) -> tuple[Tensor, Tensor]:
        anchors, positives, *_ = prepared.texts
        candidates = torch.cat(prepared.texts[1:])
        # A row's own positive equals itself, so it is among the dropped; InfoNCE keeps it in.
        drop = (candidates == anchors[rows, None]) | (candidates == positives[rows, None])
        drop[:, : len(anchors)] |= anchors == anchors[rows, None]
        return drop, torch.arange(rows.start, rows.stop, device=drop.device)


class Watch(TrainerCallback):  # type: ignore[misc]
    """Keeps the share of training that is done."""

    def __init__(self) -> None:
        self._share = 0.0

    def share(self) -> float:
        """In [0, 1]."""
        return self._share

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the trainer's count of optimiser steps."""
        self._share = state.global_step / max(1, state.max_steps)
