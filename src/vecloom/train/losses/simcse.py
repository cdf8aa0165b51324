"""SimCSE and ESimCSE: sentence vectors from raw sentences, a sentence's positive being itself under another dropout mask.

Source: Gao, Yao, Chen, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP 2021 (arXiv:2104.08821);
Wu, Gao, Zang, Han, Wang, Hu, "ESimCSE: Enhanced Sample Building Method for Contrastive Learning of Unsupervised
Sentence Embedding", COLING 2022 (arXiv:2109.04380). For a batch of N sentences, h_i = f(x_i) and h_i+ = f(x_i+), where
x_i+ is x_i (SimCSE) or x_i with some tokens said twice (ESimCSE), and Q a queue of a momentum encoder's vectors of
earlier batches (ESimCSE; see ``momentum``):

    L_i = -log [ exp(cos(h_i, h_i+) / tau) / ( sum_j exp(cos(h_i, h_j+) / tau) + sum_{q in Q} exp(cos(h_i, q) / tau) ) ]

Our choices where the papers leave it open or were not read again: the head's initialisation (normal, 0.02, as BERT's
layers); the momentum encoder reads the sentence without repetition; pooling is the model's own, where the papers take
the [CLS] state.

Use it where there are sentences and no pairs, from a model that is no sentence encoder yet. One that is (the bundled
one) gets worse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor
from transformers import TrainerCallback

from vecloom.errors import UsageError
from vecloom.train.losses.info_nce import info_nce, products, unit
from vecloom.train.losses.momentum import MomentumEncoder, MomentumStep, VectorQueue
from vecloom.train.losses.ranks import average_gradients, join, join_fixed
from vecloom.train.losses.repetition import repeat_features
from vecloom.train.losses.texts import token_rows
from vecloom.train.losses.vector_loss import Features
from vecloom.wording import counted

_VIEWS = "views"
_SAME = 1e-6  # largest difference of two unit vectors' numbers that rounding explains


class ESimCSELoss(torch.nn.Module):  # type: ignore[misc]
    """ESimCSE; with ``repeat_rate=0`` and ``queue_size=0`` it is SimCSE.

    Attributes:
        callbacks: give them to the trainer: they move the momentum encoder.
        head: Linear and tanh above the vectors, in training only.
        queue: vectors of earlier batches.
    """

    def __init__(
        self,
        model: Any,
        temperature: float = 0.05,
        queue_size: int = 160,
        momentum: float = 0.995,
        *,
        repeat_rate: float = 0.32,
        head: bool = True,
        gather: bool = False,
    ) -> None:
        """Set up the loss.

        Args:
            model: the ``SentenceTransformer`` to train; it needs dropout.
            temperature: what cosines are divided by.
            queue_size: vectors in the queue, about 2.5 times the batch; 0: no queue and no momentum encoder.
            momentum: share of itself that the momentum encoder keeps in each step.
            repeat_rate: largest share of tokens that are said twice; 0: no repetition.
            head: whether to train with a head, which the saved model does not have.
            gather: whether other processes' sentences are negatives.
        """
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.momentum = momentum
        self.repeat_rate = repeat_rate
        self.gather = gather
        dim = model.get_embedding_dimension()
        self.head = _head(dim) if head else torch.nn.Identity()
        average_gradients(self.head.parameters())
        self.slow = MomentumEncoder(model, self.head) if queue_size else None
        self.queue = VectorQueue(queue_size, dim)
        self.callbacks: list[TrainerCallback] = [MomentumStep(self)] if queue_size else []
        self._tokenizer = model.tokenizer
        self._limit = int(model.max_seq_length or 512)

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The mean loss of a batch with one column of sentences.

        Raises:
            UsageError: there are several columns, or both views are equal because dropout is off.
        """
        columns = list(sentence_features)
        if len(columns) != 1:
            raise UsageError(
                f"{type(self).__name__} learns from single sentences, but it got {counted(len(columns), 'column')} of text.",
                "Use data with the one column sentence, or another loss: mnr for pairs.",
            )
        views = self._views(columns[0])
        first, second = (unit(self.head(view)) for view in embed_columns(self.model, views, separate_first=False))
        training = torch.is_grad_enabled()
        if training:
            _check_dropout(first, second, *views)
        loss = self.contrast(first, second)
        if training and self.slow is not None:
            self._enqueue(columns[0])
        return loss

    def contrast(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of two views' unit vectors, (n, d) each, against the queue as it is."""
        joined = join([second], gather=self.gather)
        targets = torch.arange(joined.start, joined.start + joined.rows, device=first.device)
        queue = products(first, self.queue.vectors.to(first.device)) if self.slow is not None else None
        losses = info_nce(products(first, joined.columns[0]), targets, temperature=self.temperature, queue=queue)
        return losses.mean() * joined.share

    def augment(self, features: Features, view: int) -> Features:
        """View 0 is the batch itself, view 1 the one with repetition."""
        plain = {key: value for key, value in features.items() if key != _VIEWS}
        if view == 0 or not self.repeat_rate:
            return plain
        if "attention_mask" not in plain:
            raise UsageError(
                "Word repetition needs padded batches with an attention mask, which this model does not take.",
                "Set repeat_rate to 0, or load the model without flash attention.",
            )
        tokenizer = self._tokenizer
        special = frozenset(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # an unknown word is a word
        left = tokenizer.padding_side == "left"
        pad = tokenizer.pad_token_id or 0
        return repeat_features(plain, special, self.repeat_rate, limit=self._limit, pad=pad, left=left)

    def follow(self) -> None:
        """Move the momentum encoder; its callback does so after each optimiser step."""
        if self.slow is not None:
            self.slow.follow(self.model, self.head, self.momentum)

    def _views(self, features: Features) -> list[Features]:
        # Kept with the batch: a loss around this one calls it again with the same batch and expects the same tokens.
        views: list[Features] = features.setdefault(_VIEWS, [self.augment(features, 0), self.augment(features, 1)])
        return views

    def _enqueue(self, features: Features) -> None:
        if self.slow is None:
            return
        tokens = {
            key: features[key] for key in features if key not in (_VIEWS, "token_embeddings", "sentence_embedding")
        }
        self.queue.push(join_fixed(self.slow(tokens), gather=self.gather))


class SimCSELoss(ESimCSELoss):
    """Unsupervised SimCSE."""

    def __init__(self, model: Any, temperature: float = 0.05, *, head: bool = True, gather: bool = False) -> None:
        super().__init__(model, temperature, queue_size=0, repeat_rate=0.0, head=head, gather=gather)


def _head(dim: int) -> torch.nn.Module:
    linear = torch.nn.Linear(dim, dim)
    torch.nn.init.normal_(linear.weight, std=0.02)
    torch.nn.init.zeros_(linear.bias)
    return torch.nn.Sequential(linear, torch.nn.Tanh())


def _check_dropout(first: Tensor, second: Tensor, plain: Features, other: Features) -> None:
    """Views that differ in dropout alone must differ."""
    same = torch.tensor([left == right for left, right in zip(token_rows(plain), token_rows(other), strict=True)])
    if not bool(same.any()):
        return
    if float((first - second).detach()[same.to(first.device)].abs().max()) <= _SAME:
        raise UsageError(
            "Both views of a sentence have the same vector, so there is nothing to learn: dropout is off.",
            "Put the model into training mode (model.train()), and see that hidden_dropout_prob in its config.json is above 0 "
            "(SimCSE: 0.1).",
        )
