"""The part that losses over vectors of whole columns share: encode, join the processes, score in blocks of rows.

Source of the memory trick: Gao, Zhang, Han, Callan 2021, "Scaling Deep Contrastive Learning Batch Size under Memory
Limited Setup" (GradCache, arXiv:2101.06983). (1) all texts are encoded in small batches without a graph, each with its
random state kept; (2) the loss is computed in blocks of rows, which gives the gradient of each vector; (3) each small
batch is encoded again, from the same random state so that dropout repeats, and its vectors' gradients are sent back.
sentence-transformers carries (1) and (3) in ``CachedLossMixin``; (2) is here. Memory holds the vectors, one block of
scores and one small batch's graph.

A subclass says what it needs to know about the texts (``facts``), which columns are scored against which (``pairs``),
what it works out once per batch (``prepare``), and each row's loss from its scores (``row_losses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor

from vecloom.errors import UsageError
from vecloom.train.losses.info_nce import products, unit
from vecloom.train.losses.ranks import Joined, join

Features: TypeAlias = dict[str, Any]

SCORE_BLOCK = 1 << 24
"""Scores per block: 67 MB in float32. glibc hands matrices above 32 MB back to the system when they are freed; with smaller
ones its heap grew to 8 GB over 300 blocks."""


class VectorLoss(CachedLossMixin, torch.nn.Module):  # type: ignore[misc]
    """A loss that is a mean over anchors of something computed from all columns' vectors.

    Attributes:
        model: the model that is trained.
        mini_batch_size: texts that are encoded at once with gradient caching; 0 without.
        gather: whether the other processes' texts are candidates.
        score_block: about how many scores are held at a time.
    """

    def __init__(
        self, model: Any, *, mini_batch_size: int | None = None, gather: bool = False, score_block: int = SCORE_BLOCK
    ) -> None:
        super().__init__()
        if mini_batch_size is not None and has_static_embedding_input(model):
            raise UsageError(
                "Gradient caching does not work with a static token table, whose batches cannot be cut into smaller ones.",
                "Leave mini_batch_size out: such a model needs no memory to speak of.",
            )
        self.model = model
        self.mini_batch_size = mini_batch_size or 0
        self.uses_gradient_cache = mini_batch_size is not None
        self.gather = gather
        self.score_block = score_block

    def facts(self, features: list[Features]) -> Any:
        """What the loss needs to know about this process' texts, before they are encoded."""
        raise NotImplementedError

    def pairs(self, columns: int) -> list[tuple[int, int]]:
        """Which column's rows are scored against which column, in the order of the scores."""
        raise NotImplementedError

    def prepare(self, joined: Joined, facts: Any) -> Any:
        """What is worked out once for the whole batch, without gradients, from unit vectors."""
        raise NotImplementedError

    def row_losses(self, scores: Tensor, prepared: Any, rows: slice) -> Tensor:
        """The losses of ``rows``, numbered over all processes' anchors, from their (n, m) cosines: (n,)."""
        raise NotImplementedError

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The mean loss of a batch: columns anchor, positive and any number of negatives; no labels."""
        features = list(sentence_features)
        if len(features) < 2:
            raise UsageError(
                f"{type(self).__name__} needs an anchor and a positive, but there is only one column of text.",
                "Use data with the columns anchor and positive, and as many columns of negatives as there are.",
            )
        facts = self.facts(features)
        if self.uses_gradient_cache:
            loss: Tensor = self.forward_cached(features, facts)
            return loss
        return self.calculate_loss([[vectors] for vectors in embed_columns(self.model, features)], facts)

    def calculate_loss(self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False) -> Tensor:
        """The loss from vectors.

        Args:
            reps: for each column its small batches' vectors.
            labels: what ``facts`` returned (sentence-transformers' name for it).
            with_backward: send gradients back to ``reps`` block by block, and return the loss without a graph.
        """
        joined = join([unit(torch.cat(parts)) for parts in reps], gather=self.gather)
        with torch.no_grad():
            fixed = replace(joined, columns=[column.detach() for column in joined.columns])
            prepared = self.prepare(fixed, labels)
        if with_backward:
            total, gradients = self._by_hand(fixed, prepared)
            # Once for all blocks: on several processes this is where the vectors' gradients travel.
            torch.autograd.backward(joined.columns, gradients)
            return total
        parts = [
            self.row_losses(self.scores(joined.columns, rows), prepared, rows).sum() for rows in self.blocks(joined)
        ]
        return torch.stack(parts).sum() * joined.share / joined.rows

    def scores(self, columns: Sequence[Tensor], rows: slice) -> Tensor:
        """(n, m) cosines of ``rows`` and all their candidates."""
        return torch.cat(
            [products(columns[left][rows], columns[right]) for left, right in self.pairs(len(columns))], dim=1
        )

    def blocks(self, joined: Joined) -> Iterator[slice]:
        """This process' rows in parts that keep to ``score_block``."""
        width = sum(len(joined.columns[right]) for _, right in self.pairs(len(joined.columns)))
        step = max(1, self.score_block // width)
        end = joined.start + joined.rows
        for first in range(joined.start, end, step):
            yield slice(first, min(first + step, end))

    def _by_hand(self, joined: Joined, prepared: Any) -> tuple[Tensor, list[Tensor]]:
        """The loss, and its gradient with respect to each column.

        Autograd stops at the scores: it would make a new (candidates, d) gradient for every block, where this one is added to
        in place.
        """
        gradients = [torch.zeros_like(column) for column in joined.columns]
        total = torch.zeros((), device=joined.columns[0].device)
        for rows in self.blocks(joined):
            scores = self.scores(joined.columns, rows).requires_grad_()
            part = self.row_losses(scores, prepared, rows).sum() * joined.share / joined.rows
            (slope,) = torch.autograd.grad(part, scores)
            total += part.detach()
            self._add(gradients, joined.columns, slope, rows)
        return total, gradients

    def _add(self, gradients: Sequence[Tensor], columns: Sequence[Tensor], slope: Tensor, rows: slice) -> None:
        pairs = self.pairs(len(columns))
        parts = slope.split([len(columns[right]) for _, right in pairs], dim=1)
        with torch.autocast(slope.device.type, enabled=False):
            for (left, right), part in zip(pairs, parts, strict=True):
                gradients[left][rows].addmm_(part, columns[right])
                gradients[right].addmm_(part.T, columns[left][rows])
