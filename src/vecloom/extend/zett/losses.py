"""What the hypernetwork learns from: its own model's rows, and its own model's vectors.

Source: ZeTT (arXiv:2405.07883), sections 3.3 and 3.4. The paper's main loss is the language model's. A sentence encoder has
none; ours is distillation: under the new tokens it shall give the vectors that it gives under its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def identity_loss(predicted: Tensor, rows: Tensor, parts: Sequence[slice]) -> Tensor:
    """Stage 1: the mean squared distance ``mean_t |E'[t] - E[t]|^2``, averaged over tables.

    Args:
        predicted: (n, c) rows from the tokens' own forms.
        rows: (n, c) the model's.
        parts: columns of each table.
    """
    return torch.stack([(predicted[:, p] - rows[:, p]).square().sum(1).mean() for p in parts]).mean()


def auxiliary_loss(predicted: Tensor, rows: Tensor, parts: Sequence[slice]) -> Tensor:
    """For tokens that both vocabularies have: ``mean_t |E'[t] - E[s]|^2 / mean_t |E[s]|``, averaged over tables.

    A squared distance by a norm, not by a squared one: as the authors' code has it.

    Args:
        predicted: (n, c), n > 0.
        rows: (n, c) the source's rows of the same tokens.
        parts: columns of each table.
    """
    each = [
        (predicted[:, p] - rows[:, p]).square().sum(1).mean() / rows[:, p].norm(dim=1).mean().clamp(min=1e-12)
        for p in parts
    ]
    return torch.stack(each).mean()


def distillation_loss(vectors: Tensor, wanted: Tensor) -> Tensor:
    """``mean_x 1 - cos(f'(x), f(x))``.

    Args:
        vectors: (n, d) of texts under the new tokens.
        wanted: (n, d) of the same texts under the model's own.
    """
    return 1 - torch.nn.functional.cosine_similarity(vectors, wanted, dim=1).mean()
