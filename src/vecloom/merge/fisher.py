"""Fisher merging: average each parameter by how much each model's task depends on it.

Source: Matena and Raffel 2022 (arXiv:2111.09832, eq. 6): ``theta = sum w_i F_i theta_i / sum w_i F_i`` entry by entry, F_i the
diagonal of the Fisher information, estimated as the mean of squared gradients of the model's own loss on its own data
(``network.squared_gradients``; for a contrastive loss a batch takes the place of an example, since its loss has no
meaning for one pair alone). Entries that no model depends on are averaged.
Use it where each model comes with a few hundred of its training pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecloom.errors import UsageError
from vecloom.merge.tensors import Tensors, combine, merged, shares, weights_at, working
from vecloom.merge.values import Value

if TYPE_CHECKING:
    import torch

FLOOR = 1e-30
"""Information below this is rounding."""


def fisher(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    statistics: Sequence[Tensors] = (),
    weights: Sequence[Value] | None = None,
) -> dict[str, torch.Tensor]:
    """Average weighted by information.

    Args:
        base: not used: the base falls out of the formula.
        models: tensors by name.
        statistics: for each model its squared gradients, by the same names; a tensor without them is averaged.
        weights: one for each model.

    Raises:
        UsageError: there are not as many statistics as models.
    """
    check_statistics("fisher", statistics, models)

    def kernel(name: str) -> torch.Tensor:
        found = weights_at(weights, models, name)
        if any(name not in known for known in statistics):
            return combine(None, models, name, shares(found))
        return _weighted(models, statistics, name, found)

    return merged(models, kernel)


def check_statistics(method: str, statistics: Sequence[Tensors], models: Sequence[Tensors]) -> None:
    """Have statistics for each model.

    Raises:
        UsageError: there are more or fewer.
    """
    if len(statistics) != len(models):
        raise UsageError(
            f"{method} has statistics of {len(statistics)} models and merges {len(models)}.",
            "Give each model a --probe FILE with texts of its task, or statistics=.",
        )


def _weighted(
    models: Sequence[Tensors], statistics: Sequence[Tensors], name: str, weights: Sequence[float]
) -> torch.Tensor:
    import torch

    total, divisor, plain = 0.0, 0.0, 0.0
    for model, known, weight, share in zip(models, statistics, weights, shares(weights), strict=True):
        tensor = working(model[name])
        information = working(known[name]) * weight
        total, divisor, plain = total + information * tensor, divisor + information, plain + share * tensor
    return torch.where(divisor > FLOOR, total / torch.clamp(divisor, min=FLOOR), plain)
