"""Self Positioning: find where to merge by descending the loss of a small probe set, inside the span of the task vectors.

Source: Li et al. 2024, "Improving General Text Embedding Model: Tackling Task Conflict and Data Imbalance through Model
Merging" (arXiv:2410.15035). Trained are N + 1 numbers and nothing else: a weight a_i for each model and a scale lambda.
The direction is the SLERP fold of the task vectors, the left side weighing the mean of its weights, whole-model angle; the
merged model is ``theta_0 + lambda * sum c_i(a) V_i``, and SGD minimises

    mean over probe batches of L(theta) + mu * lambda .

mu holds lambda back, so that the probe is not overfitted; good values are below 0.05.

With g the gradient of L at the merged weights, ``dL/dlambda = <g, sum c_i V_i> + mu`` and
``dL/da_k = lambda sum_i dc_i/da_k <g, V_i>``: one
ordinary backward pass and N inner products a step; the c_i come from the Gram matrix of the task vectors (``geometry``).

The paper's: the fold, the regulariser, SGD on a and lambda. Ours: a = 1 and lambda = 1 at the start, a learning rate of 0.3,
a >= 0.001 and lambda >= 0 (with a large mu the penalty, which is linear, would drive it below), one batch of one task a
step in turn. The circulating formula has the two sines exchanged; a larger a_i must draw towards its model, as here.

Use it for specialists of one base with a few hundred pairs of each task that are not in the tests. Do not use it for models of
unknown origin: it needs the base. Memory: base and task vectors in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.merge import geometry
from vecloom.merge.tensors import Tensors, combine, floating, gram, merged

if TYPE_CHECKING:
    import torch

LossAndGradient = Callable[[Tensors, Any], tuple[float, Tensors]]
"""From tensors and a batch to the loss and its gradient by the same names."""

MU = 0.01  # reading notes of the paper: below 0.05
RATE = 0.3  # not found in the source
STEPS = 100
SMALLEST = 1e-3


@dataclass(frozen=True)
class Position:
    """Where the search ended.

    Attributes:
        a: each model's weight.
        scale: lambda.
        coefficients: what each task vector is multiplied by, lambda included.
        losses: of each step's batch, before the step, without the penalty.
        gram: inner products of the task vectors.
    """

    a: list[float]
    scale: float
    coefficients: list[float]
    losses: list[float] = field(default_factory=list, repr=False)
    gram: Any = field(default=None, repr=False, compare=False)


def coefficient_gradient(
    products: torch.Tensor, a: torch.Tensor, scale: torch.Tensor, slopes: torch.Tensor, mu: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the objective in a ``(n,)`` and lambda, from the slopes ``<g, V_i>`` ``(n,)``."""
    import torch

    a = a.detach().clone().requires_grad_(True)
    scale = scale.detach().clone().requires_grad_(True)
    surrogate = scale * (geometry.slerp(products, a) @ slopes) + mu * scale
    surrogate = surrogate + 0.0 * a.sum()  # a single model's fold does not depend on its weight
    in_a, in_scale = torch.autograd.grad(surrogate, [a, scale])
    return in_a, in_scale


@dataclass(frozen=True)
class SelfPositioning:
    """The search.

    Attributes:
        loss: loss and gradient of tensors on a batch.
        mu: penalty of lambda.
        rate: of SGD.
        steps: of SGD.
        start: weights at the start; 1 by default.
        scale: lambda at the start.
        average: take the mean of a and lambda over the last half of the steps, which halves the noise of small batches.
    """

    loss: LossAndGradient
    mu: float = MU
    rate: float = RATE
    steps: int = STEPS
    start: Sequence[float] | None = None
    scale: float = 1.0
    average: bool = False

    def fit(self, base: Tensors, models: Sequence[Tensors], probe: Iterable[Any]) -> Position:
        """Search.

        Args:
            base: where all models started.
            models: tensors by name.
            probe: batches, gone through again and again.

        Raises:
            UsageError: there is no batch.
        """
        import torch

        names = floating(models[0])
        vectors = _Vectors(base, models, names)
        products = gram(base, models, names)
        a = torch.tensor(self.start or [1.0] * len(models), dtype=torch.float64)
        scale = torch.tensor(self.scale, dtype=torch.float64)
        seen: list[torch.Tensor] = []
        losses: list[float] = []
        for _, batch in zip(range(self.steps), _endless(probe), strict=False):
            value, gradient = self.loss(vectors.at((scale * geometry.slerp(products, a)).tolist()), batch)
            in_a, in_scale = coefficient_gradient(products, a, scale, vectors.slopes(gradient), self.mu)
            a = torch.clamp(a - self.rate * in_a, min=SMALLEST)
            scale = torch.clamp(scale - self.rate * in_scale, min=0.0)
            losses.append(value)
            seen.append(torch.cat([a, scale[None]]))
        if self.average:
            middle = torch.stack(seen[len(seen) // 2 :]).mean(0)
            a, scale = middle[:-1], middle[-1]
        coefficients = (scale * geometry.slerp(products, a)).tolist()
        return Position(a.tolist(), float(scale), coefficients, losses, products)


class _Vectors:
    """Base and task vectors in memory, for sums and inner products at every step."""

    def __init__(self, base: Tensors, models: Sequence[Tensors], names: Sequence[str]) -> None:
        from vecloom.merge.tensors import delta, working

        self._base = {name: working(base[name]) for name in names}
        self._deltas = [{name: delta(base, model, name) for name in names} for model in models]

    def at(self, coefficients: Sequence[float]) -> dict[str, torch.Tensor]:
        """``theta_0 + sum c_i V_i``."""
        found = {}
        for name, origin in self._base.items():
            total = origin.clone()
            for part, coefficient in zip(self._deltas, coefficients, strict=True):
                total.add_(part[name], alpha=coefficient)
            found[name] = total
        return found

    def slopes(self, gradient: Tensors) -> torch.Tensor:
        """``<g, V_i>`` for each model, float64; what the loss has no gradient for does not count."""
        import torch

        found = [
            sum(float((gradient[name] * part[name]).sum()) for name in part if name in gradient)
            for part in self._deltas
        ]
        return torch.tensor(found, dtype=torch.float64)


def _endless(probe: Iterable[Any]) -> Iterator[Any]:
    batches = list(probe)
    if not batches:
        raise UsageError("The probe set is empty.", "Give a file with at least one batch of pairs for each task.")
    return cycle(batches)


def self_positioning(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    loss: LossAndGradient | None = None,
    probe: Iterable[Any] = (),
    mu: float = MU,
    rate: float = RATE,
    steps: int = STEPS,
    coefficients: Sequence[float] | None = None,
) -> dict[str, torch.Tensor]:
    """Search for the coefficients, then merge with them.

    Args:
        base: where all models started.
        models: tensors by name.
        loss: loss and gradient of tensors on a batch.
        probe: batches.
        mu: penalty of lambda.
        rate: of SGD.
        steps: of SGD.
        coefficients: what the search found, where it was made before.

    Raises:
        UsageError: there is neither a loss nor coefficients.
    """
    found = coefficients
    if found is None:
        found = whole_position(base, models, loss=loss, probe=probe, mu=mu, rate=rate, steps=steps)["coefficients"]
    return merged(models, lambda name: combine(base, models, name, found))


def whole_position(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    loss: LossAndGradient | None = None,
    probe: Iterable[Any] = (),
    mu: float = MU,
    rate: float = RATE,
    steps: int = STEPS,
    **_options: Any,
) -> dict[str, Any]:
    """The coefficients, before the first tensor is merged, and the position that they come from."""
    if loss is None or base is None:
        raise UsageError(
            "self_positioning needs a base and a probe set.", "Give --base and --probe FILE for each task."
        )
    position = SelfPositioning(loss, mu=mu, rate=rate, steps=steps).fit(base, models, probe)
    return {"coefficients": position.coefficients, "position": position}
