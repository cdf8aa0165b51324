"""Pool the last layers together: the states of the top k layers side by side, averaged over a text's tokens.

Source: Barkan et al., "Scalable Attentive Sentence-Pair Modeling via Distilled Sentence Embedding" (DSE), AAAI 2020
(arXiv:1908.05161), as its published code pools: the states of the last ``layers`` layers are concatenated on the feature
axis (or averaged), then reduced over the tokens that are no padding, without the first one ([CLS]) and with the last one
([SEP]). An empty text keeps one token, [SEP], so nothing is divided by zero.

A sentence-transformers module that takes the place of ``Pooling``. Use it where the last layer alone is too much shaped by
another task; the vectors are ``layers`` times as wide as the model with "concat". Imported by models that have it (torch).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor

from vecloom.errors import ModelError, UsageError

Combine = Literal["concat", "mean"]
Reduce = Literal["mean", "sqrt_mean", "max"]


def counted_tokens(mask: Tensor, include_cls: bool) -> Tensor:
    """(n, tokens) bool: the tokens of each text that are pooled, from its attention mask, padded on either side."""
    real = mask > 0
    return real if include_cls else real & (real.cumsum(1) > 1)


def pool(states: Sequence[Tensor], mask: Tensor, combine: Combine, reduce: Reduce, include_cls: bool) -> Tensor:
    """One vector per text.

    Args:
        states: (n, tokens, d) of each layer, the lowest first.
        mask: (n, tokens), 0 for padding.
        combine: layers side by side, or their mean.
        reduce: mean over tokens, sum over the root of their number, or maximum.
        include_cls: whether a text's first token counts.

    Returns:
        (n, k d) float32 where layers lie side by side, else (n, d).
    """
    joined = torch.cat(list(states), -1) if combine == "concat" else torch.stack(list(states)).mean(0)
    joined = joined.float()
    kept = counted_tokens(mask, include_cls).unsqueeze(-1)
    if reduce == "max":
        return joined.masked_fill(~kept, -torch.inf).amax(1)
    count = kept.sum(1).clamp(min=1)
    total = (joined * kept).sum(1)
    return total / (count if reduce == "mean" else count.sqrt())


class TopLayersPooling(Module):  # type: ignore[misc]
    """DSE's pooling as a module of a ``SentenceTransformer``.

    Args:
        hidden: width of the transformer's states.
        layers: how many of the last layers are taken.
        combine: layers side by side ("concat"), or their mean.
        reduce: over tokens: "mean", "sqrt_mean" (the sum over the root of their number) or "max".
        include_cls: whether the first token counts.
        dropout: share of the vector's numbers that are dropped while training (BERT's 0.1, as in DSE's code).
    """

    config_keys = ["hidden", "layers", "combine", "reduce", "include_cls", "dropout"]  # noqa: RUF012 - the library's form

    def __init__(
        self,
        hidden: int,
        layers: int = 4,
        combine: Combine = "concat",
        reduce: Reduce = "mean",
        include_cls: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.hidden, self.layers = hidden, layers
        self.combine, self.reduce, self.include_cls = combine, reduce, include_cls
        self.dropout = dropout
        self._drop = torch.nn.Dropout(dropout)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add ``sentence_embedding``, (n, d) float32.

        Raises:
            ModelError: the module before does not give the states of all layers.
        """
        states = features.get("all_layer_embeddings")
        if states is None:
            raise ModelError(
                "TopLayersPooling needs the states of all layers, and the transformer before it gives the last one's only.",
                "Set output_hidden_states to true in the transformer's config.json.",
            )
        mask = features["attention_mask"]
        pooled = pool(states[-self.layers :], mask, self.combine, self.reduce, self.include_cls)
        features["sentence_embedding"] = self._drop(pooled)
        return features

    def get_embedding_dimension(self) -> int:
        """Width of a vector."""
        return self.hidden * (self.layers if self.combine == "concat" else 1)

    def on_model_ready(self, model: Any) -> None:
        """Have the transformer hand over the states of all layers.

        Raises:
            UsageError: it has fewer layers.
        """
        config = model[0].auto_model.config
        count = int(getattr(config, "num_hidden_layers", self.layers))
        if self.layers > count:
            raise UsageError(f"layers is {self.layers}, and the model has {count}.", f"Use 1 to {count}.")
        config.output_hidden_states = True

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the settings; there are no weights."""
        self.save_config(output_path)
