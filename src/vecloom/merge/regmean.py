"""RegMean: merge each linear layer so that its outputs on all models' inputs come out as their own models' do.

Source: Jin et al. 2023 (arXiv:2212.09849, eq. 2 and section 3.3): ``W = (sum_i w_i G_i)^-1 sum_i w_i G_i W_i`` with
``G_i = X_i^T X_i``, X_i the layer's inputs (a row a token, padding left out) in model i on
texts of its task. Off-diagonal entries of G_i are
multiplied by ``shrink``, as the paper advises. All that is no linear layer is averaged. torch stores W transposed, ``(out, in)``.
Needs texts but no labels. Memory: a matrix ``(in, in)`` for each layer and model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecloom.merge.fisher import check_statistics
from vecloom.merge.tensors import Tensors, combine, merged, shares, weights_at, working
from vecloom.merge.values import Value

if TYPE_CHECKING:
    import torch

SHRINK = 0.9  # section 3.3


def regmean(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    statistics: Sequence[Tensors] = (),
    weights: Sequence[Value] | None = None,
    shrink: float = SHRINK,
) -> dict[str, torch.Tensor]:
    """Closed-form merge of the linear layers.

    Args:
        base: not used.
        models: tensors by name.
        statistics: for each model the products of inputs ``(in, in)``, by the name of the layer's weight.
        weights: one for each model.
        shrink: factor of the off-diagonal entries; 0 weights each input dimension by itself.

    Raises:
        UsageError: there are not as many statistics as models.
    """
    check_statistics("regmean", statistics, models)

    def kernel(name: str) -> torch.Tensor:
        found = weights_at(weights, models, name)
        if any(name not in known for known in statistics):
            return combine(None, models, name, shares(found))
        return _solved(models, statistics, name, found, shrink)

    return merged(models, kernel)


def _solved(
    models: Sequence[Tensors], statistics: Sequence[Tensors], name: str, weights: Sequence[float], shrink: float
) -> torch.Tensor:
    import torch

    left, right = 0.0, 0.0
    for model, known, weight in zip(models, statistics, weights, strict=True):
        products = shrunk(known[name].to(torch.float64), shrink) * weight
        left, right = left + products, right + products @ model[name].to(torch.float64).T
    # lstsq by the pseudo-inverse: a dimension that no text uses leaves the sum singular
    solved = torch.linalg.pinv(left, hermitian=True, rtol=1e-10) @ right
    return working(solved.T.to(models[0][name].dtype).contiguous())


def shrunk(products: torch.Tensor, shrink: float) -> torch.Tensor:
    """Multiply all but the diagonal."""
    import torch

    return products * shrink + torch.diag(torch.diagonal(products)) * (1 - shrink)
