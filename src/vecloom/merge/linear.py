"""Weighted sums: the average of models (model soup) and task arithmetic.

Sources: model soups (Wortsman et al. 2022, arXiv:2203.05482), ``theta = sum w_i theta_i / sum w_i``; task arithmetic
(Ilharco et al. 2023, arXiv:2212.04089, eq. 1), ``theta = theta_0 + scale * sum w_i V_i``. Task vectors of models trained on
different data are nearly orthogonal, so an average of n of them is about ``sqrt(n)`` times too short: raise ``scale``, or use
task arithmetic, when all models shall keep what they learned. Average checkpoints of one run with ``linear``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecloom.merge.tensors import Tensors, combine, merged, shares, weights_at
from vecloom.merge.values import Value, at

if TYPE_CHECKING:
    import torch


def linear(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    normalize: bool = True,
) -> dict[str, torch.Tensor]:
    """Weighted average of the models' own weights; the base plays no part.

    Args:
        base: not used.
        models: tensors by name.
        weights: one for each model; equal by default.
        normalize: divide by the weights' sum.
    """

    def kernel(name: str) -> torch.Tensor:
        found = weights_at(weights, models, name)
        return combine(None, models, name, shares(found) if normalize else found)

    return merged(models, kernel)


def task_arithmetic(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    scale: Value = 1.0,
    normalize: bool = False,
) -> dict[str, torch.Tensor]:
    """The base plus the weighted sum of the task vectors.

    Args:
        base: where all models started.
        models: tensors by name.
        weights: one for each model; 1 by default.
        scale: factor of the whole sum (lambda).
        normalize: divide by the weights' sum.
    """

    def kernel(name: str) -> torch.Tensor:
        found = weights_at(weights, models, name)
        factor = at(scale, name)
        return combine(base, models, name, [factor * weight for weight in (shares(found) if normalize else found)])

    return merged(models, kernel)
