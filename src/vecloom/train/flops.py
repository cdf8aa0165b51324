"""How much arithmetic a training step is, and what share of the hardware's that makes (model FLOP utilisation).

Source: Chowdhery et al. 2022 (PaLM, arXiv:2204.02311), appendix B, for both sides of a token: the forward pass of a text of T
tokens takes, over l layers with heads of together width w, and N weights in linear maps that each token goes through,

    T (2 N + 4 l w T)

operations (a multiplication and an addition are two), and half the second term where attention is causal. Backwards the first
term comes again for the states, and once more for weights that are trained; the second comes twice, since both sides of its
products are states. In all 6 N + 12 l w T a token, as there, and about two thirds of that with LoRA, whose own matrices are among
the N. Recomputation and padding count nothing: they are the implementation's, not the model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Operations per second in bfloat16 with dense matrices, from NVIDIA's data sheets, by a part of a GPU's name; the first fits."""


@dataclass(frozen=True)
class Arithmetic:
    """What a token costs in training.

    Attributes:
        weights: N.
        trained: those of N whose gradients are computed.
        attention: 4 l w, or half of it where attention is causal; operations per token and token that it sees.
    """

    weights: int
    trained: int
    attention: int

    def operations(self, tokens: int, squares: int) -> float:
        """Of forward and backward passes.

        Args:
            tokens: sum of the texts' tokens.
            squares: sum of their squares.
        """
        return (4.0 * self.weights + 2 * self.trained) * tokens + 3.0 * self.attention * squares


def arithmetic_of(model: Any) -> Arithmetic | None:
    """What a ``SentenceTransformer`` costs; None where it is no transformer. Mixtures of experts are counted whole."""
    import torch

    network = getattr(model[0], "auto_model", None)
    if network is None:
        return None
    config = network.config
    maps = [part.weight for part in model.modules() if isinstance(part, torch.nn.Linear)]
    heads, width, layers = (
        next((int(getattr(config, name)) for name in names if getattr(config, name, None)), 0)
        for names in (("num_attention_heads", "n_heads"), ("hidden_size", "dim"), ("num_hidden_layers", "n_layers"))
    )
    across = heads * (getattr(config, "head_dim", None) or width // max(heads, 1))
    one_sided = causal(config)
    return Arithmetic(
        sum(weight.numel() for weight in maps),
        sum(weight.numel() for weight in maps if weight.requires_grad),
        (2 if one_sided else 4) * layers * across,
    )


def causal(config: Any) -> bool:
    """Whether a network of this configuration sees only what is before a token."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    decoder = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING
    return decoder and getattr(config, "is_causal", True) is not False


def peak(name: str, precision: str) -> float | None:
    """Operations per second that a GPU's data sheet names, in "bf16"; None where it is not known."""
    if precision != "bf16":
        return None
    return next((rate for part, rate in PEAKS.items() if part in name), None)
