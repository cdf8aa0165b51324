"""TIES: trim, elect a sign, merge only what agrees with it.

Source: Yadav et al. 2023, "TIES-Merging" (arXiv:2306.01708), algorithm 1. Per tensor, the entries of each task vector with
the largest magnitude are kept; each entry's sign is that of the weighted sum; entries of the other sign are left out of the
mean. Where several entries have just the magnitude at which one cuts, all of them are kept (the paper does not say),
so that the result does not depend on their order. ``rescale="mean_norm"`` stretches the merged tensor to
the mean length of the trimmed ones, a variant that the Self Positioning paper's baseline has.
Use it for many models with conflicting updates; with two models of different tasks it is close to task arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecloom.errors import UsageError
from vecloom.merge.tensors import CHUNK, Tensors, delta, merged, weights_at, working
from vecloom.merge.values import Value, at

if TYPE_CHECKING:
    import torch

DENSITY = 0.5  # the papers use 0.2 to 0.5


def ties(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    density: Value | Sequence[Value] = DENSITY,
    scale: Value = 1.0,
    normalize: bool = True,
    rescale: str = "none",
) -> dict[str, torch.Tensor]:
    """Trim, elect, merge.

    Args:
        base: where all models started.
        models: tensors by name.
        weights: one for each model; 1 by default.
        density: share of entries to keep, for all models or one each.
        scale: factor of the merged task vector (lambda).
        normalize: take the mean of the agreeing entries, not their sum.
        rescale: "none", "l1" (each trimmed vector regains its sum of magnitudes) or "mean_norm".
    """

    def kernel(name: str) -> torch.Tensor:
        kept = [
            trim(delta(base, model, name), share, rescale)
            for model, share in zip(models, densities(density, models, name), strict=True)
        ]
        found = elect(kept, weights_at(weights, models, name), normalize=normalize)
        if rescale == "mean_norm":
            found = _stretched(found, kept)
        return _onto(base, name, found, at(scale, name))

    return merged(models, kernel)


def densities(density: Value | Sequence[Value], models: Sequence[Tensors], name: str) -> list[float]:
    """Each model's share of entries to keep.

    Raises:
        UsageError: a share is not in (0, 1], or there is not one for each model.
    """
    each = list(density) if isinstance(density, Sequence) else [density] * len(models)
    if len(each) != len(models):
        raise UsageError(f"There are {len(each)} densities for {len(models)} models.", "Give one, or one a model.")
    found = [at(value, name) for value in each]
    if not all(0 < share <= 1 for share in found):
        raise UsageError(f"A density of {found} is not above 0 and at most 1.", "Give a share, as in 0.3.")
    return found


def trim(tensor: torch.Tensor, density: float, rescale: str = "none") -> torch.Tensor:
    """Zero all but the share of entries with the largest magnitude (at least one)."""
    if density >= 1:
        return tensor
    kept = max(1, int(density * tensor.numel()))
    magnitudes = tensor.abs()
    limit = _largest(magnitudes.reshape(-1), kept)
    found = tensor.masked_fill(magnitudes < limit, 0.0)
    return restored(found, tensor) if rescale == "l1" else found


def restored(kept: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Give what was kept the sum of magnitudes that the whole had."""
    before, after = float(whole.abs().sum()), float(kept.abs().sum())
    return kept * (before / after) if after > 0 else kept


def elect(tensors: Sequence[torch.Tensor], weights: Sequence[float], *, normalize: bool) -> torch.Tensor:
    """Weighted sum or mean, entry by entry, of the tensors whose sign is that of the weighted sum of all."""
    import torch

    found = torch.empty_like(tensors[0])
    flat = [tensor.reshape(-1) for tensor in tensors]
    factors = torch.tensor(weights, dtype=tensors[0].dtype, device=tensors[0].device)[:, None]
    for start in range(0, found.numel(), CHUNK):
        part = torch.stack([tensor[start : start + CHUNK] for tensor in flat]).mul_(factors)
        sign = torch.where(part.sum(0) >= 0, 1.0, -1.0)
        agree = (part * sign) > 0
        total = (part * agree).sum(0)
        if normalize:
            divisor = (factors * agree).sum(0)
            total /= torch.where(divisor == 0, 1.0, divisor)
        found.view(-1)[start : start + CHUNK] = total
    return found


def _largest(magnitudes: torch.Tensor, count: int) -> float:
    """The ``count``-th largest: NumPy's selection on a CPU is several times faster than torch's."""
    if magnitudes.device.type != "cpu":
        return float(magnitudes.kthvalue(magnitudes.numel() - count + 1).values)
    import numpy as np

    place = magnitudes.numel() - count
    return float(np.partition(magnitudes.numpy(), place)[place])


def _stretched(found: torch.Tensor, parts: Sequence[torch.Tensor]) -> torch.Tensor:
    wanted = sum(float(part.norm()) for part in parts) / len(parts)
    size = float(found.norm())
    return found * (wanted / size) if size > 0 else found


def _onto(base: Tensors | None, name: str, found: torch.Tensor, scale: float) -> torch.Tensor:
    return found * scale if base is None else working(base[name]).add(found, alpha=scale)
