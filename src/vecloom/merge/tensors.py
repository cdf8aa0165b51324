"""What all merge methods share: tensors by name, task vectors, weighted sums and Gram matrices.

A model is a mapping from names to torch tensors: a ``state_dict``, or ``weights.ModelTensors``, which reads each tensor
from disk when it is asked for. torch and not NumPy, because models come in bfloat16, which NumPy does not know, because
an accelerator can be chosen, and because Self Positioning and Fisher need gradients anyway.

Floating tensors are merged in float32 (float64 stays); integer buffers are copied from the first model. A task vector is
``V_i = theta_i - theta_0`` (Ilharco et al. 2023, arXiv:2212.04089); without a base the models' own weights take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.merge.values import Value, at
from vecloom.wording import counted

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]
Kernel = Callable[[str], "torch.Tensor"]

CHUNK = 1 << 18
"""Numbers of a tensor that are worked on at a time, so that they stay in the processor's cache."""


def working(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in the precision of the merge: float32, or float64 where it has that."""
    import torch

    return tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)


def delta(base: Tensors | None, model: Tensors, name: str) -> torch.Tensor:
    """One tensor of a task vector, or of the model where there is no base."""
    found = working(model[name])
    return found if base is None else found - working(base[name])


def merged(models: Sequence[Tensors], kernel: Kernel) -> dict[str, torch.Tensor]:
    """``kernel(name)`` for each floating tensor of the first model; the others are copied."""
    to_merge = set(floating(models[0]))
    return {name: kernel(name) if name in to_merge else models[0][name].clone() for name in models[0]}


def combine(base: Tensors | None, models: Sequence[Tensors], name: str, coefficients: Sequence[float]) -> torch.Tensor:
    """``base + sum c_i (model_i - base)``, or ``sum c_i model_i`` without a base, one model in memory at a time."""
    rest = 1.0 - sum(coefficients)
    total = None if base is None else working(base[name]) * rest
    for model, coefficient in zip(models, coefficients, strict=True):
        if coefficient == 0.0 and total is not None:
            continue
        tensor = working(model[name])
        total = tensor * coefficient if total is None else total.add_(tensor, alpha=coefficient)
        del tensor
    return total


def gram(base: Tensors | None, models: Sequence[Tensors], names: Sequence[str] | None = None) -> torch.Tensor:
    """Inner products of the task vectors over all floating tensors, float64 ``(n, n)``."""
    import torch

    found = torch.zeros(len(models), len(models), dtype=torch.float64)
    for name in names if names is not None else floating(models[0]):
        found += tensor_gram(base, models, name)
    return found


def tensor_gram(base: Tensors | None, models: Sequence[Tensors], name: str) -> torch.Tensor:
    """Inner products of one tensor's task vectors, float64 ``(n, n)``: float32 in chunks, summed in float64."""
    import torch

    tensors = [working(model[name]).reshape(-1) for model in models]
    origin = None if base is None else working(base[name]).reshape(-1)
    found = torch.zeros(len(models), len(models), dtype=torch.float64)
    for start in range(0, tensors[0].numel(), CHUNK):
        part = torch.stack([tensor[start : start + CHUNK] for tensor in tensors])
        if origin is not None:
            part -= origin[start : start + CHUNK]
        found += (part @ part.T).to("cpu", torch.float64)
    return found


def floating(model: Tensors) -> list[str]:
    """Names of the tensors that are merged: of floating numbers, and not empty."""
    known = getattr(model, "floating_names", None)  # what is on disk knows without reading the numbers
    if known is not None:
        return list(known)
    return [name for name in model if model[name].is_floating_point() and model[name].numel()]


def weights_at(weights: Sequence[Value] | None, models: Sequence[Any], name: str) -> list[float]:
    """The weight of each model for one tensor; 1 where none are given.

    Raises:
        UsageError: there are not as many weights as models.
    """
    if weights is None:
        return [1.0] * len(models)
    if len(weights) != len(models):
        many = f"{counted(len(weights), 'weight')} for {counted(len(models), 'model')}"
        raise UsageError(f"There must be a weight for each model, not {many}.", "Give each model one weight.")
    return [at(weight, name) for weight in weights]


def shares(weights: Sequence[float]) -> list[float]:
    """Weights divided by their sum.

    Raises:
        UsageError: they add up to nothing.
    """
    total = sum(weights)
    if abs(total) < 1e-12:
        raise UsageError(
            f"The weights {list(weights)} add up to 0.", "Give weights with a sum, or set normalize: false."
        )
    return [weight / total for weight in weights]
