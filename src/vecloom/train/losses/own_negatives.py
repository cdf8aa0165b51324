"""InfoNCE of an anchor, its positive and its own negatives; no other row's texts.

Source: NV-Embed (arXiv:2405.17428), the second stage of instruction tuning: in classification and clustering data a batch holds
several texts of one class, so that in-batch negatives would push apart what belongs together. For anchor q with positive p and
negatives n_1 .. n_K, all scaled to length 1, and temperature tau:

    L = -log [ exp(q.p / tau) / ( exp(q.p / tau) + sum_k exp(q.n_k / tau) ) ]

When to use it: on data with negatives of their own whose rows overlap in meaning (classes, clusters, scored pairs). Where they
do not, in-batch negatives teach more: ``mnr``. A recipe names it ``{name: mnr, in_batch: false}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor

from vecloom.errors import UsageError
from vecloom.train.losses.info_nce import info_nce, unit


def own_scores(columns: list[Tensor]) -> Tensor:
    """Cosines of each row's anchor with its positive and its negatives.

    Args:
        columns: anchors, positives, negatives and more negatives, (n, d) each.

    Returns:
        (n, columns - 1); the positive's first.
    """
    anchors, *others = [unit(column) for column in columns]
    with torch.autocast(anchors.device.type, enabled=False):
        return torch.stack([(anchors * other).sum(-1) for other in others], dim=1)


class OwnNegativesLoss(CachedLossMixin, torch.nn.Module):  # type: ignore[misc]
    """The loss over columns anchor, positive and at least one of negatives; no labels.

    Args:
        model: a ``SentenceTransformer``.
        temperature: what cosines are divided by.
        mini_batch_size: texts that are encoded at once with gradient caching; None: without.

    Raises:
        UsageError: gradient caching is asked for with a static model.
    """

    def __init__(self, model: Any, temperature: float = 0.05, mini_batch_size: int | None = None) -> None:
        super().__init__()
        if mini_batch_size is not None and has_static_embedding_input(model):
            raise UsageError(
                "Gradient caching does not work with a static token table, whose batches cannot be cut into smaller ones.",
                "Leave mini_batch_size out: such a model needs no memory to speak of.",
            )
        self.model = model
        self.temperature = temperature
        self.mini_batch_size = mini_batch_size or 0
        self.uses_gradient_cache = mini_batch_size is not None

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The mean loss of a batch.

        Raises:
            UsageError: there is no column of negatives.
        """
        features = list(sentence_features)
        if len(features) < 3:
            raise UsageError(
                "in_batch: false needs negatives of each row's own, and there are none.",
                "Add them (vecloom mine), or use in-batch negatives.",
            )
        if self.uses_gradient_cache:
            loss: Tensor = self.forward_cached(features)
            return loss
        return self.calculate_loss([[vectors] for vectors in embed_columns(self.model, features)])

    def calculate_loss(self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False) -> Tensor:
        """The mean loss from each column's vectors, in small batches; see ``VectorLoss``."""
        scores = own_scores([torch.cat(parts) for parts in reps])
        targets = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
        loss = info_nce(scores, targets, temperature=self.temperature).mean()
        if with_backward:
            loss.backward()
            return loss.detach()
        return loss
