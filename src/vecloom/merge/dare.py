"""DARE: drop entries of the task vectors at random, make up for them, then add up or elect signs.

Source: Yu et al. 2024, "Language Models are Super Mario" (arXiv:2311.03099): keep an entry with probability p and divide it
by p, so that its expectation stays. ``rescale="l1"`` is mergekit's way instead: each vector regains its sum of magnitudes. What
is dropped depends on the seed, the tensor's name and the model's weights, not on the order of models or shards.
Use it on large models with redundant updates; small embedders lose more to its noise than they gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecloom.errors import UsageError
from vecloom.files import text_digest
from vecloom.merge.tensors import Tensors, delta, merged, shares, weights_at, working
from vecloom.merge.ties import DENSITY, densities, elect, restored
from vecloom.merge.values import Value, at

if TYPE_CHECKING:
    import torch

RESCALES = ("inverse", "l1", "none")


def dare_linear(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    density: Value | Sequence[Value] = DENSITY,
    scale: Value = 1.0,
    normalize: bool = False,
    rescale: str = "inverse",
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Task arithmetic on task vectors of which a random part is left.

    Args:
        base: where all models started.
        models: tensors by name.
        weights: one for each model; 1 by default.
        density: probability of keeping an entry, for all models or one each.
        scale: factor of the merged task vector (lambda).
        normalize: divide by the weights' sum.
        rescale: "inverse" (divide by the density), "l1" or "none".
        seed: of the drops.
    """

    def kernel(name: str) -> torch.Tensor:
        found = weights_at(weights, models, name)
        factors = [at(scale, name) * weight for weight in (shares(found) if normalize else found)]
        total = None if base is None else working(base[name]).clone()
        for place, factor in enumerate(factors):
            part = _dropped(base, models, name, place, density, rescale, seed)
            total = part * factor if total is None else total.add_(part, alpha=factor)
        return total

    return merged(models, kernel)


def dare_ties(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    weights: Sequence[Value] | None = None,
    density: Value | Sequence[Value] = DENSITY,
    scale: Value = 1.0,
    normalize: bool = False,
    rescale: str = "inverse",
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Sign election as in TIES on task vectors of which a random part is left; arguments as for ``dare_linear``."""

    def kernel(name: str) -> torch.Tensor:
        parts = [_dropped(base, models, name, place, density, rescale, seed) for place in range(len(models))]
        found = elect(parts, weights_at(weights, models, name), normalize=normalize).mul_(at(scale, name))
        return found if base is None else found.add_(working(base[name]))

    return merged(models, kernel)


def drop(tensor: torch.Tensor, density: float, rescale: str, key: str) -> torch.Tensor:
    """Keep each entry with probability ``density``.

    Args:
        tensor: a part of a task vector.
        density: in (0, 1].
        rescale: "inverse", "l1" or "none".
        key: decides the draws.
    """
    import torch

    if density >= 1:
        return tensor
    generator = torch.Generator().manual_seed(int(text_digest(key)[:15], 16))
    kept = tensor * (torch.rand(tensor.shape, generator=generator) < density).to(tensor.device)
    if rescale == "inverse":
        return kept / density
    return restored(kept, tensor) if rescale == "l1" else kept


def _dropped(
    base: Tensors | None,
    models: Sequence[Tensors],
    name: str,
    place: int,
    density: Value | Sequence[Value],
    rescale: str,
    seed: int,
) -> torch.Tensor:
    if rescale not in RESCALES:
        raise UsageError(f"There is no rescale {rescale!r}.", f"There are {', '.join(RESCALES)}.")
    part = delta(base, models[place], name)
    # The sum stands for the model, so that the same model is cut alike wherever it stands in the list.
    key = f"{seed} {name} {float(part.double().sum())!r}"
    return drop(part, densities(density, models, name)[place], rescale, key)
