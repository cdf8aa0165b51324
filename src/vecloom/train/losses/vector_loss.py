"""The part that losses over vectors of whole columns share: encode, join the processes, score in blocks of rows.

Source of the memory trick: Gao, Zhang, Han, Callan 2021, "Scaling Deep Contrastive Learning Batch Size under Memory
Limited Setup" (GradCache, arXiv:2101.06983). (1) all texts are encoded in small batches without a graph, each with its
random state kept; (2) the loss is computed in blocks of rows, which gives the gradient of each vector; (3) each small
batch is encoded again, from the same random state so that dropout repeats, and its vectors' gradients are sent back.
sentence-transformers carries (1) and (3) in ``CachedLossMixin``; (2) is here. Memory holds the vectors, one block of
scores and one small batch's graph.

A subclass says what it needs to know about the texts (``facts``), what it works out once per batch (``prepare``) and
each row's loss (``row_losses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor

from vecloom.errors import UsageError
from vecloom.train.losses.info_nce import unit
from vecloom.train.losses.ranks import Joined, join

Features: TypeAlias = dict[str, Any]

SCORE_BLOCK = 1 << 22  # scores per block: 17 MB in float32


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

    def arrange(self, columns: list[Tensor]) -> list[Tensor]:
        """Columns as ``prepare`` and ``row_losses`` want them; once for all blocks, since laying them together copies them."""
        return columns

    def prepare(self, joined: Joined, facts: Any) -> Any:
        """What is worked out once for the whole batch, without gradients, from unit vectors."""
        raise NotImplementedError

    def row_losses(self, joined: Joined, prepared: Any, rows: slice) -> Tensor:
        """The losses of ``rows``, numbered over all processes' anchors: (n,)."""
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
        joined = replace(joined, columns=self.arrange(joined.columns))
        with torch.no_grad():
            fixed = replace(joined, columns=[column.detach() for column in joined.columns])
            prepared = self.prepare(fixed, labels)
        if with_backward:
            return self._send_back(joined, prepared)
        parts = [self.row_losses(joined, prepared, rows).sum() for rows in self._blocks(joined)]
        return torch.stack(parts).sum() * joined.share / joined.rows

    def _send_back(self, joined: Joined, prepared: Any) -> Tensor:
        leaves = [column.detach().requires_grad_() for column in joined.columns]
        cut = replace(joined, columns=leaves)
        total = torch.zeros((), device=leaves[0].device)
        for rows in self._blocks(joined):
            part = self.row_losses(cut, prepared, rows).sum() * joined.share / joined.rows
            part.backward()
            total += part.detach()
        gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        # Once for all blocks: on several processes this is where the vectors' gradients travel.
        torch.autograd.backward(joined.columns, gradients)
        return total

    def _blocks(self, joined: Joined) -> Iterator[slice]:
        step = max(1, self.score_block // sum(len(column) for column in joined.columns))
        end = joined.start + joined.rows
        for first in range(joined.start, end, step):
            yield slice(first, min(first + step, end))
