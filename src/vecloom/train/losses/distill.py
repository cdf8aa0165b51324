"""DSE: a student that scores pairs of vectors learns from labels and from a cross-encoder's scores of the same pairs.

Source: Barkan, Razin, Malkiel, Katz, Caciularu, Koenigstein, "Scalable Attentive Sentence-Pair Modeling via Distilled
Sentence Embedding", AAAI 2020 (arXiv:1908.05161), and its published code. With logits y' (n, C) of the head, labels y and
the teacher's logits t (n, C):

    L = (1 - c) L_task(y', y) + c mean_i sum_k (y'_ik - t_ik)^2

The sum runs over classes and the mean over rows; L_task is cross-entropy ("multiclass"), binary cross-entropy on log-odds
("binary"), or squared error ("regression"). Binary tasks have one logit: a teacher with two gives t = logit_1 - logit_0.

Labels come as sentence-transformers hands them over: (n,) of gold values, or (n, 1 + C), a row's gold value and then its
teacher's logits. Ours: a gold value of nan is a pair without a label, which takes part in the second term only; without
teacher's logits c is 0; and with the head "cosine" a binary teacher's log-odds become probabilities, so that both terms live
in the range of a cosine.

Use it where a good cross-encoder is too slow to score every candidate. Not for a first stage over millions of texts, unless
the head is "dot" or "cosine": a "concat" head cannot be searched by an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor

from vecloom.encoders.pair_head import PairHead, Task
from vecloom.errors import UsageError
from vecloom.train.losses.ranks import average_gradients
from vecloom.train.losses.vector_loss import Features
from vecloom.wording import counted


def task_loss(logits: Tensor, gold: Tensor, task: Task) -> Tensor:
    """The mean loss against labels.

    Args:
        logits: (n, C).
        gold: (n,), a class number, 0 or 1, or a score.
        task: what it is.
    """
    if task == "multiclass":
        return torch.nn.functional.cross_entropy(logits, gold.long())
    if task == "binary":
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], gold)
    return torch.nn.functional.mse_loss(logits[:, 0], gold)


def distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """Squared differences of (n, C) logits: the sum over classes, the mean over rows."""
    return (logits - teacher).square().sum(1).mean()


def log_odds(teacher: Tensor) -> Tensor:
    """(n, 1) of a binary teacher's logits: logit_1 - logit_0 of two, or the one that there is."""
    return teacher[:, 1:] - teacher[:, :1] if teacher.shape[1] == 2 else teacher


class DistilledPairLoss(torch.nn.Module):  # type: ignore[misc]
    """DSE's loss for a model with a ``PairHead``.

    Attributes:
        model: the model that is trained.
        head: its head.
        distillation_weight: c.
    """

    def __init__(self, model: Any, head: PairHead | None = None, distillation_weight: float = 0.5) -> None:
        """Set up the loss.

        Args:
            model: the ``SentenceTransformer`` to train.
            head: scores pairs of its vectors; by default the ``PairHead`` among its modules, which is saved with it.
            distillation_weight: c; 0: labels only, 1: the teacher only.

        Raises:
            UsageError: there is no head.
        """
        super().__init__()
        found = head or next((module for module in model if isinstance(module, PairHead)), None)
        if found is None:
            raise UsageError(
                "The model has no head that scores pairs.", "Give it one with vecloom.train.student.make_student."
            )
        self.model = model
        self.head = found
        self.distillation_weight = distillation_weight
        _share_gradients(model, found)

    def forward(self, sentence_features: Iterable[Features], labels: Tensor) -> Tensor:
        """The loss of a batch with two columns of text, and labels (n,) or (n, 1 + C).

        Raises:
            UsageError: there are not two columns, or the labels do not hold as many logits as the head has.
        """
        columns = list(sentence_features)
        if len(columns) != 2:
            raise UsageError(
                f"DistilledPairLoss scores pairs, but it got {counted(len(columns), 'column')} of text.",
                "Use data with the columns sentence1 and sentence2.",
            )
        first, second = (vectors.float() for vectors in embed_columns(self.model, columns))
        logits = self.head.logits(first, second)
        gold, teacher = self._parted(labels.to(logits.device))
        if teacher is None:
            return self._task_loss(logits, gold)
        return self._weighted(logits, gold, teacher)

    def _parted(self, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        if labels.ndim == 1:
            return labels.float(), None
        gold, teacher = labels[:, 0].float(), labels[:, 1:].float()
        if self.head.task == "binary":
            teacher = log_odds(teacher)
        if teacher.shape[1] != self.head.labels:
            raise UsageError(
                f"The teacher gives {teacher.shape[1]} logits for each pair, and the student's head {self.head.labels}.",
                "Set the loss's task and labels to those of the teacher.",
            )
        if self.head.features == "cosine" and self.head.task == "binary":
            teacher = teacher.sigmoid()
        return gold, teacher

    def _weighted(self, logits: Tensor, gold: Tensor, teacher: Tensor) -> Tensor:
        weight = self.distillation_weight
        learned = distillation(logits, teacher)
        known = ~gold.isnan()
        if weight == 1 or not known.any():
            return weight * learned
        labelled = self._task_loss(logits[known], gold[known])
        return (1 - weight) * labelled + weight * learned

    def _task_loss(self, logits: Tensor, gold: Tensor) -> Tensor:
        if self.head.features == "cosine":
            return task_loss(logits, gold, "regression")
        return task_loss(logits, gold, self.head.task)


def _share_gradients(model: torch.nn.Module, head: PairHead) -> None:
    """Have several processes average the head's gradients here: DistributedDataParallel sees what a model's forward uses only."""
    own = {id(parameter) for parameter in head.parameters()}
    names = [name for name, parameter in model.named_parameters() if id(parameter) in own]
    torch.nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, names)
    average_gradients(head.parameters())
