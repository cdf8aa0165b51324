"""GISTEmbed: in-batch negatives, without those that a guide model takes for further positives.

Source: Solatorio, "GISTEmbed: Guided In-sample Selection of Training Negatives for Text Embedding Fine-tuning", 2024
(arXiv:2402.16829). Student vectors a_i, p_i, n_i and guide vectors (superscript g) have length 1. Row i's threshold is
t_i = a_i^g . p_i^g, less a margin. Its candidates are all p_j, all a_j, all p_j against p_i, and all n_j; one is
dropped where its guide similarity is greater than the threshold. The loss is InfoNCE over what is left, with target
p_i, which always stays.

sentence-transformers' ``GISTEmbedLoss`` computes the same on one process, and the tests hold this one to it. This
differs where:
- the guide's vectors are kept, not computed again in each epoch, and the guide may be any model that encodes texts;
- with several processes the anchors of the others are candidates too, so that the gradient is that of the joined
  batch;
- a row's own anchor and positive, and texts equal to them, are never its negatives: their guide similarity ties with
  the threshold or with 1, and rounding would decide;
- cosines are computed in float32 under autocast, and as a matrix product (the other holds (rows, candidates, d)
  numbers);
- any number of negatives per anchor, with gradient caching or without;
- it warns where most rows lose all their negatives.

Use it where a batch is likely to hold several texts that match one anchor. Do not use a guide that is worse than the
model itself; a margin that is too large leaves no negatives.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from vecloom.train.losses.context import Guide
from vecloom.train.losses.guide import TEXTS, GuideVectors
from vecloom.train.losses.info_nce import info_nce
from vecloom.train.losses.ranks import Joined, join_fixed
from vecloom.train.losses.texts import digests, token_rows
from vecloom.train.losses.vector_loss import Features, VectorLoss

Strategy = Literal["absolute", "relative"]


def thresholds(guide_anchors: Tensor, guide_positives: Tensor, strategy: Strategy, margin: float) -> Tensor:
    """(n,) guide similarity above which a candidate is no negative of that row; from (n, d) each."""
    similarity = (guide_anchors * guide_positives).sum(-1)
    return similarity - (margin if strategy == "absolute" else similarity.abs() * margin)


def false_negatives(guide_scores: Tensor, threshold: Tensor) -> Tensor:
    """(n, m) bool: True where a candidate is more like the row than its positive is, in the guide's eyes."""
    return guide_scores > threshold.unsqueeze(1)


@dataclass(frozen=True)
class Judged:
    """What is known of a batch besides its vectors, joined over processes.

    Attributes:
        guide: guide vectors of each column, as the student's.
        texts: (n,) int64 of each column, equal for equal texts.
    """

    guide: list[Tensor]
    texts: list[Tensor]


class GuidedContrastive(VectorLoss):
    """GISTEmbed's loss.

    Attributes:
        guide: the guide with its vectors; not a part of the module, so that it is neither trained nor saved.
        lost: share of the last batch's rows that had no negatives left.
    """

    def __init__(
        self,
        model: Any,
        guide: Guide,
        temperature: float = 0.01,
        margin_strategy: Strategy = "absolute",
        margin: float = 0.0,
        *,
        contrast_anchors: bool = True,
        contrast_positives: bool = True,
        cache_rows: int = 1_000_000,
        mini_batch_size: int | None = None,
        gather: bool = False,
    ) -> None:
        """Set up the loss.

        Args:
            model: the ``SentenceTransformer`` to train.
            guide: a vecloom encoder or a ``SentenceTransformer``.
            temperature: what cosines are divided by.
            margin_strategy: "absolute" lowers the threshold by ``margin``, "relative" by that share of it.
            margin: how much less similar than the positive a negative has to be.
            contrast_anchors: whether the other anchors are candidates.
            contrast_positives: whether the positives are pushed apart from each other.
            cache_rows: guide vectors that are kept.
            mini_batch_size: texts that are encoded at once; turns gradient caching on.
            gather: whether other processes' texts are candidates.
        """
        super().__init__(model, mini_batch_size=mini_batch_size, gather=gather)
        # Plain attribute: a module would be found by the optimiser and written into checkpoints.
        self.guide = GuideVectors(guide, model.tokenizer, cache_rows)
        self.temperature = temperature
        self.margin_strategy: Strategy = margin_strategy
        self.margin = margin
        self.contrast_anchors = contrast_anchors
        self.contrast_positives = contrast_positives
        self.lost = 0.0
        self._warned = False

    def facts(self, features: list[Features]) -> Judged:
        """Guide vectors and equal texts of this process' columns."""
        device = features[0]["input_ids"].device
        guide = [self.guide.of(column, column.pop(TEXTS, None)).to(device) for column in features]
        return Judged(guide, [digests(token_rows(column)).to(device) for column in features])

    def prepare(self, joined: Joined, facts: Judged) -> Judged:
        """All processes' facts; warns where most rows have no negatives."""
        everything = Judged(
            [join_fixed(column, gather=self.gather) for column in facts.guide],
            [join_fixed(column, gather=self.gather) for column in facts.texts],
        )
        bare = [self.dropped(everything, rows).all(1).sum() for rows in self.blocks(joined)]
        self.lost = float(torch.stack(bare).sum()) / joined.rows
        if self.lost > 0.5 and not self._warned:
            self._warned = True
            warnings.warn(
                f"GISTEmbed's guide left {self.lost:.0%} of a batch's rows without negatives: they teach nothing. "
                f"Lower margin (it is {self.margin:g}), or use another guide.",
                stacklevel=2,
            )
        return everything

    def pairs(self, columns: int) -> list[tuple[int, int]]:
        """Anchors against positives; anchors and positives among themselves; anchors against each column of negatives."""
        among = [(0, 0)] * self.contrast_anchors + [(1, 1)] * self.contrast_positives
        return [(0, 1), *among, *((0, column) for column in range(2, columns))]

    def row_losses(self, scores: Tensor, prepared: Judged, rows: slice) -> Tensor:
        """InfoNCE of each row over the candidates that are left."""
        targets = torch.arange(rows.start, rows.stop, device=scores.device)
        return info_nce(scores, targets, temperature=self.temperature, drop=self.dropped(prepared, rows))

    def dropped(self, judged: Judged, rows: slice) -> Tensor:
        """(n, m) bool: candidates of ``rows`` that are no negatives, the positives themselves among them."""
        anchors, positives = judged.guide[0][rows], judged.guide[1][rows]
        limit = thresholds(anchors, positives, self.margin_strategy, self.margin)
        drop = false_negatives(self.scores(judged.guide, rows), limit)
        candidates = torch.cat([judged.texts[right] for _, right in self.pairs(len(judged.texts))])
        own = torch.stack([judged.texts[0][rows], judged.texts[1][rows]], dim=1)
        return drop | (candidates == own[:, :1]) | (candidates == own[:, 1:])
