"""Merges along arcs: SLERP (folded for more than two), Multi-SLERP, Karcher mean, Model Stock.

Sources: see ``geometry``. An average is shorter than its parts; an arc is not (where the parts are of one length).
``granularity`` says whose angle counts: "model", one angle for the whole model as in the Self Positioning paper, or
"tensor", each tensor's own as in mergekit. With a base the task vectors are merged, without one the weights
themselves, which for fine-tunes of one base are so nearly parallel that every method comes out as the average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.merge import geometry
from vecloom.merge.tensors import Tensors, combine, gram, merged, tensor_gram, weights_at
from vecloom.merge.values import Value, at

if TYPE_CHECKING:
    import torch

GRANULARITIES = ("model", "tensor")
Rule = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def slerp(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    granularity: str = "model",
    scale: Value = 1.0,
    lerp_above: float = geometry.PARALLEL,
    gram: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Spherical interpolation, folded from the left.

    Args:
        base: origin of the task vectors, or None.
        models: tensors by name.
        weights: one for each model; of two, the second's share of the way is ``w_2 / (w_1 + w_2)``.
        granularity: "model" or "tensor".
        scale: factor of the merged task vector.
        lerp_above: the |cosine| from which a straight line is taken.
        gram: the whole model's Gram matrix, where ``models`` are only a part of it.
    """

    def rule(products: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        return geometry.slerp(products, found, lerp_above)

    return _spanned(base, models, rule, weights, granularity, scale, gram)


def multislerp(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    granularity: str = "tensor",
    scale: Value = 1.0,
    gram: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Weighted barycentre on the sphere, the same for every order of the models; arguments as for ``slerp``."""
    return _spanned(base, models, geometry.multislerp, weights, granularity, scale, gram)


def karcher(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    granularity: str = "tensor",
    scale: Value = 1.0,
    iterations: int = 10,
    tolerance: float = 1e-5,
    gram: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Karcher mean: Multi-SLERP iterated to the true barycentre; arguments as for ``slerp``.

    Args:
        base: origin of the task vectors, or None.
        models: tensors by name.
        weights: one for each model.
        granularity: "model" or "tensor".
        scale: factor of the merged task vector.
        iterations: steps at most.
        tolerance: length of a step, in radians, at which to stop.
        gram: the whole model's Gram matrix.
    """

    def rule(products: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        return geometry.karcher(products, found, iterations, tolerance)

    return _spanned(base, models, rule, weights, granularity, scale, gram)


def model_stock(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    granularity: str = "tensor",
    gram: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """The point between the base and the models' average that their mean cosine asks for.

    Meant for runs on the same data with other seeds; models of different tasks are nearly orthogonal, and it stays at the base.

    Args:
        base: where all models started.
        models: two or more.
        granularity: "model" or "tensor".
        gram: the whole model's Gram matrix.
    """

    def rule(products: torch.Tensor, _weights: torch.Tensor) -> torch.Tensor:
        return geometry.model_stock(products)

    return _spanned(base, models, rule, None, granularity, 1.0, gram)


def whole_gram(
    base: Tensors | None, models: Sequence[Tensors], *, granularity: str = "", **_options: Any
) -> dict[str, Any]:
    """What has to be known of the whole model before its first tensor is merged."""
    return {"gram": gram(base, models)} if granularity == "model" else {}


def _spanned(
    base: Tensors | None,
    models: Sequence[Tensors],
    rule: Rule,
    weights: Sequence[Value] | None,
    granularity: str,
    scale: Value,
    known: torch.Tensor | None,
) -> dict[str, torch.Tensor]:
    import torch

    if granularity not in GRANULARITIES:
        raise UsageError(f"There is no granularity {granularity!r}.", f"There are {' and '.join(GRANULARITIES)}.")
    whole = gram(base, models) if granularity == "model" and known is None else known

    def kernel(name: str) -> torch.Tensor:
        products = tensor_gram(base, models, name) if granularity == "tensor" or whole is None else whole
        found = torch.tensor(weights_at(weights, models, name), dtype=torch.float64)
        coefficients = at(scale, name) * rule(products, found)
        return combine(base, models, name, coefficients.tolist())

    return merged(models, kernel)
