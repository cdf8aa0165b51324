"""Merges that stay in the span of the task vectors: their coefficients from the Gram matrix alone.

Every method here gives ``V = sum c_i V_i`` with scalars that depend on lengths and angles only. So all angles, also those of
intermediate vectors, follow from ``G_ij = <V_i, V_j>``, and no large tensor is touched before the last sum. All functions
take and return float64 torch tensors and can be differentiated.

Sources: SLERP folding, Self Positioning (Li et al. 2024, arXiv:2410.15035); Multi-SLERP, the spherical barycentre in
the tangent space at the mean, as mergekit has it; Karcher mean, the same iterated (Pennec 2006); Model Stock (Jang et al. 2024,
arXiv:2403.19522).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vecloom.errors import DataError

if TYPE_CHECKING:
    import torch

PARALLEL = math.sqrt(1 - 1e-8)
"""|cosine| above which the sine is below 1e-4, and SLERP becomes a straight line."""
TINY = 1e-8


def length(coefficients: torch.Tensor, gram: torch.Tensor) -> torch.Tensor:
    """Length of ``sum c_i V_i``."""
    import torch

    return torch.sqrt(torch.clamp(coefficients @ gram @ coefficients, min=0.0))


def cosines(gram: torch.Tensor) -> torch.Tensor:
    """Cosine of each pair of task vectors; 0 beside a vector of length 0."""
    import torch

    lengths = torch.sqrt(torch.clamp(torch.diagonal(gram), min=0.0))
    product = lengths[:, None] * lengths[None, :]
    found = torch.where(product > 0, gram / torch.where(product > 0, product, 1.0), 0.0)
    return torch.clamp(found, -1.0, 1.0)


def slerp(gram: torch.Tensor, weights: torch.Tensor, lerp_above: float = PARALLEL) -> torch.Tensor:
    """Coefficients of SLERP folded from the left.

    The left side weighs as much as the mean of the weights that it holds, as the paper defines it, so with equal weights
    the last of three models weighs most, and order matters for more than two.

    Args:
        gram: ``(n, n)``.
        weights: ``(n,)``, positive; a larger one draws the result towards its model.
        lerp_above: the |cosine| from which a straight line is taken.
    """
    import torch

    units = torch.eye(len(gram), dtype=gram.dtype)
    found = units[0]
    for right in range(1, len(gram)):
        left_weight = weights[:right].mean()
        beta = weights[right] / (left_weight + weights[right])
        left, other = _arc(found, units[right], gram, beta, lerp_above)
        found = left * found + other * units[right]
    return found


def _arc(
    left: torch.Tensor, right: torch.Tensor, gram: torch.Tensor, beta: torch.Tensor, lerp_above: float
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    product = length(left, gram) * length(right, gram)
    if product <= 0:
        return 1 - beta, beta
    cosine = left @ gram @ right / product
    if abs(float(cosine.detach())) > lerp_above:
        return 1 - beta, beta
    angle = torch.arccos(cosine)
    return torch.sin((1 - beta) * angle) / torch.sin(angle), torch.sin(beta * angle) / torch.sin(angle)


def multislerp(gram: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Coefficients of the weighted barycentre on the sphere: one step in the tangent space at the weighted mean.

    The length is the weighted mean of the lengths.

    Raises:
        DataError: the weighted unit vectors cancel out.
    """
    return _barycentre(gram, weights / weights.sum(), 1, 0.0, logarithm=False)


def karcher(gram: torch.Tensor, weights: torch.Tensor, iterations: int = 10, tolerance: float = 1e-5) -> torch.Tensor:
    """Coefficients of the Karcher mean: the point of the sphere with the least squared distance by angle.

    Raises:
        DataError: the weighted unit vectors cancel out.
    """
    return _barycentre(gram, weights / weights.sum(), iterations, tolerance, logarithm=True)


def _barycentre(
    gram: torch.Tensor, weights: torch.Tensor, iterations: int, tolerance: float, *, logarithm: bool
) -> torch.Tensor:
    import torch

    lengths = torch.sqrt(torch.clamp(torch.diagonal(gram), min=0.0))
    safe = torch.where(lengths > 0, lengths, 1.0)
    units = cosines(gram)
    present = torch.where(lengths > 0, weights, 0.0)
    if not bool((present != 0).any()):
        return weights
    middle = _unit(present, units)
    for _ in range(iterations):
        tangent = _tangent(middle, units, present, logarithm=logarithm)
        size = length(tangent, units)
        if float(size) <= tolerance:
            break
        middle = _unit(middle * torch.cos(size) + tangent * torch.sin(size) / size, units)
    return (weights @ lengths) * middle / safe


def _tangent(middle: torch.Tensor, units: torch.Tensor, weights: torch.Tensor, *, logarithm: bool) -> torch.Tensor:
    """``sum w_i s_i (u_i - (u_i.m) m)`` in coordinates; s_i is 1, or stretches the chord to the angle's length."""
    import torch

    dots = torch.clamp(units @ middle, -1.0, 1.0)
    sines = torch.sqrt(torch.clamp(1 - dots**2, min=0.0))
    stretch = torch.where(sines > TINY, torch.arccos(dots) / torch.where(sines > TINY, sines, 1.0), 1.0)
    scaled = weights * stretch if logarithm else weights
    return scaled - (scaled @ dots) * middle


def _unit(coefficients: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    size = length(coefficients, units)
    if float(size) < TINY:
        raise DataError(
            "The task vectors cancel out: their weighted mean on the sphere is 0.",
            "Give other weights, or merge with linear or ties.",
        )
    return coefficients / size


def model_stock(gram: torch.Tensor) -> torch.Tensor:
    """Coefficients ``t / n`` with ``t = n cos / (1 + (n - 1) cos)``, cos the mean over the pairs.

    A negative cosine would put t below 0, beyond the base; t is kept within 0 and 1.
    """
    import torch

    count = len(gram)
    if count == 1:
        return torch.ones(1, dtype=gram.dtype)
    pairs = torch.triu_indices(count, count, offset=1)
    cosine = cosines(gram)[pairs[0], pairs[1]].mean()
    divisor = 1 + (count - 1) * cosine
    ratio = count * cosine / divisor if float(divisor) > TINY else torch.zeros((), dtype=gram.dtype)
    return torch.clamp(ratio, 0.0, 1.0).expand(count) / count
