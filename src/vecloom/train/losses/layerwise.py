"""2D Matryoshka: the same loss at every depth, and the shallow layers' vectors drawn to the last layer's.

Source: Li, Li, Li, Xie, Li, "2D Matryoshka Sentence Embeddings", 2024 (arXiv:2402.14776). With X_l the pooled states
of layer l (1 to N; 0 would be the embeddings), k layers drawn from those before the last, and L the base loss, at one
width or, inside a Matryoshka loss, at several:

    w_last L(X_N) + sum_l [ w_prior v_l L(X_l) / k + w_kl T KL( softmax(X_N / T) || softmax(X_l / T) ) ]

KL reads what the model itself gives, at full width: unit vectors where it ends in Normalize, raw ones elsewhere, whose
scale then acts as a temperature. sentence-transformers' ``AdaptiveLayerLoss`` is the same sum and carries the layers'
states, and the tests hold this one to it. This differs where:
- the embeddings are no layer (there they are drawn like one; the paper draws from 1 to N - 1);
- layer 1 is the first in ``layer_weighting`` (there the embeddings are): "linear" is 1, 1/2, 1/3, ..., "log" is 1 /
  (1 + ln l);
- the layers can be chosen, so that only those that will be exported are trained;
- the last layer may learn from KL too (``detach_teacher=False``), as in earlier sentence-transformers.

Architectures with a final LayerNorm that shallower states have not passed are refused. So are losses with gradient
caching, which encode again after the layers' states are gone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from sentence_transformers.base.losses.gradcache import uses_gradient_cache
from sentence_transformers.base.losses.merged_forward import column_merging_disabled
from sentence_transformers.base.model import BaseModel
from sentence_transformers.sentence_transformer.losses.adaptive_layer import ForwardDecorator, TransformerDecorator
from torch import Tensor

from vecloom.encoders.truncation import FAMILIES
from vecloom.errors import UsageError

Weighting = Literal["uniform", "log", "linear"]


def layer_weight(layer: int, weighting: Weighting) -> float:
    """The weight of layer 1, 2, ...: 1, or one that falls with depth."""
    return {"uniform": 1.0, "log": 1 / (1 + math.log(layer)), "linear": 1 / layer}[weighting]


def alignment(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """KL from the teacher's vectors, read as distributions, to the student's: the mean over rows of (n, d) each."""
    target = (teacher / temperature).log_softmax(-1)
    found = (student / temperature).log_softmax(-1)
    return (target.exp() * (target - found)).sum(-1).mean()


class LayerwiseLoss(torch.nn.Module):  # type: ignore[misc]
    """A loss at the last layer and at drawn shallower ones."""

    def __init__(
        self,
        model: Any,
        loss: torch.nn.Module,
        layers: Literal["all"] | Sequence[int] = "all",
        layers_per_step: int = 1,
        *,
        layer_weighting: Weighting = "uniform",
        last_weight: float = 1.0,
        prior_weight: float = 1.0,
        kl_weight: float = 1.0,
        kl_temperature: float = 0.3,
        detach_teacher: bool = True,
    ) -> None:
        """Set up the loss.

        Args:
            model: the ``SentenceTransformer`` to train.
            loss: the loss at each depth.
            layers: how many layers the smaller models are to have, each at least 1 and less than all; or "all" of them.
            layers_per_step: how many of these are drawn in each step; -1: all.
            layer_weighting: how a shallower layer's loss falls with its depth.
            last_weight: weight of the last layer's loss.
            prior_weight: weight of the others' losses.
            kl_weight: weight of the alignment.
            kl_temperature: temperature of the alignment; 0: no alignment.
            detach_teacher: whether the last layer learns nothing from the alignment.

        Raises:
            UsageError: the model, the loss or the layers do not go with this.
        """
        super().__init__()
        self.model = model
        self.loss = loss
        self.layers = _checked_layers(model, loss, layers)
        self.layers_per_step = layers_per_step
        self.layer_weighting: Weighting = layer_weighting
        self.last_weight = last_weight
        self.prior_weight = prior_weight
        self.kl_weight = kl_weight
        self.kl_temperature = kl_temperature
        self.detach_teacher = detach_teacher

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The weighted sum over the last layer and the drawn ones; features and labels as the base loss takes them."""
        features = list(sentence_features)
        model = _unwrapped(self.model)
        depth = TransformerDecorator(model[0], model[0].forward)
        vectors = ForwardDecorator(model.forward)
        with column_merging_disabled(), _replaced(model[0], depth), _replaced(model, vectors):
            total = self.last_weight * self.loss(features, labels)
            teacher = vectors.get_embeddings()
            drawn = self._drawn()
            for layer in drawn:
                depth.set_layer_idx(layer)
                weight = self.prior_weight * layer_weight(layer, self.layer_weighting) / len(drawn)
                total = total + weight * self.loss(features, labels)
                total = total + self._aligned(teacher, vectors.get_embeddings())
        return total

    def _drawn(self) -> tuple[int, ...]:
        if not 0 < self.layers_per_step < len(self.layers):
            return self.layers
        return tuple(random.sample(self.layers, self.layers_per_step))

    def _aligned(self, teacher: Tensor, student: Tensor) -> Tensor | float:
        if not self.kl_temperature or not self.kl_weight:
            return 0.0
        target = teacher.detach() if self.detach_teacher else teacher
        return self.kl_weight * self.kl_temperature * alignment(target, student, self.kl_temperature)


def _checked_layers(model: Any, loss: torch.nn.Module, layers: Literal["all"] | Sequence[int]) -> tuple[int, ...]:
    if uses_gradient_cache(loss):
        raise UsageError(
            f"{type(loss).__name__} with gradient caching cannot be trained at several depths: it encodes again after the "
            "layers' states are gone.",
            "Leave mini_batch_size out, or use matryoshka, which knows widths only.",
        )
    config: Any = model[0].auto_model.config if hasattr(model[0], "auto_model") else None
    family = getattr(config, "model_type", type(model[0]).__name__)
    if family not in FAMILIES:
        raise UsageError(
            f"Depths of a {family} model cannot be trained: whether its shallow states need the final LayerNorm is not known.",
            f"Known: {', '.join(sorted(FAMILIES))}.",
        )
    count = int(config.num_hidden_layers)
    wanted = tuple(range(1, count)) if layers == "all" else tuple(sorted(set(layers)))
    if not wanted or not all(1 <= layer < count for layer in wanted):
        raise UsageError(
            f"layers={list(wanted)} is not possible with a model of {count} layers.",
            f"Use numbers from 1 to {count - 1}.",
        )
    return wanted


def _unwrapped(model: Any) -> Any:
    """The model inside DistributedDataParallel or torch.compile."""
    while not isinstance(model, BaseModel):
        model = getattr(model, "_orig_mod", None) or model.module
    return model


@contextmanager
def _replaced(module: Any, forward: Any) -> Iterator[None]:
    """Have a module use another forward; afterwards it is as it was."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before
