"""Look before merging: how do the models differ, and does the loss between them have a hill?

- Cosines and lengths of the task vectors: near 0, models learned different things, and sums work; near 1, they are runs of one
  task, and averages work.
- Sign conflict: the share of entries, by layer, that some models raise and others lower (TIES, arXiv:2306.01708, section 2).
- Loss along the straight line between two models, and over the plane through the base and two models (Garipov et al. 2018,
  arXiv:1802.10026): a hill in the middle says that they cannot be averaged.
- Gradient conflict: cosines between the tasks' gradients at one point (Yu et al. 2020, arXiv:2001.06782); negative ones say that
  joint training pulls in two directions, which is where merging gains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from vecloom.merge import geometry
from vecloom.merge.tensors import CHUNK, Tensors, combine, floating, gram, working
from vecloom.merge.values import layer_of

if TYPE_CHECKING:
    import torch

    from vecloom.merge.job import Inputs

Loss = Callable[[Tensors], float]

OUTSIDE = "outside the layers"


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        models: as they were given.
        base: as it was given, or None.
        lengths: of the task vectors.
        cosines: between them ``(n, n)``.
        sign_conflict: share of entries, 0 to 1, by layer.
        tasks: the probe files.
        gradients: cosines between the tasks' gradients at the base, or at the first model where there is none.
        line: losses of each task along the line from the first model to the last, by task.
        places: where on the line, 0 to 1.
        plane: mean loss over the tasks at ``theta_0 + x V_1 + y V_2``, a row for each y.
        grid: the values of x and y.
    """

    models: tuple[str, ...]
    base: str | None
    lengths: list[float]
    cosines: list[list[float]]
    sign_conflict: dict[str, float]
    tasks: tuple[str, ...] = ()
    gradients: list[list[float]] = field(default_factory=list)
    line: dict[str, list[float]] = field(default_factory=dict)
    places: list[float] = field(default_factory=list)
    plane: list[list[float]] = field(default_factory=list)
    grid: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def sign_conflict(base: Tensors, models: Sequence[Tensors]) -> dict[str, float]:
    """Share of the entries that one model raises and another lowers, among those that any changes; by layer."""
    against: dict[str, int] = defaultdict(int)
    moved: dict[str, int] = defaultdict(int)
    for name in floating(models[0]):
        layer = layer_of(name)
        where = OUTSIDE if layer is None else f"layer {layer}"
        conflicts, changes = _conflicts(base, models, name)
        against[where] += conflicts
        moved[where] += changes
    return {where: against[where] / max(moved[where], 1) for where in sorted(moved, key=_by_number)}


def _conflicts(base: Tensors, models: Sequence[Tensors], name: str) -> tuple[int, int]:
    """Entries raised and lowered, and entries changed at all."""
    origin = working(base[name]).reshape(-1)
    tensors = [working(model[name]).reshape(-1) for model in models]
    conflicts, changes = 0, 0
    for start in range(0, origin.numel(), CHUNK):
        part = slice(start, start + CHUNK)
        deltas = [tensor[part] - origin[part] for tensor in tensors]
        up, down = sum(delta > 0 for delta in deltas), sum(delta < 0 for delta in deltas)
        conflicts += int(((up > 0) & (down > 0)).sum())
        changes += int((up + down > 0).sum())
    return conflicts, changes


def gradient_cosines(gradients: Sequence[Tensors]) -> list[list[float]]:
    """Cosine of each pair of gradients."""
    found: list[list[float]] = geometry.cosines(gram(None, gradients, list(gradients[0]))).tolist()
    return found


def line(loss: Loss, first: Tensors, last: Tensors, places: Iterable[float]) -> list[float]:
    """Loss along the straight line: 0 is the first model, 1 the last."""
    return [loss(_mix(None, [first, last], [1 - place, place])) for place in places]


def plane(loss: Loss, base: Tensors, first: Tensors, second: Tensors, grid: Sequence[float]) -> list[list[float]]:
    """Loss at ``theta_0 + x V_1 + y V_2``: a row for each y, a column for each x."""
    return [[loss(_mix(base, [first, second], [x, y])) for x in grid] for y in grid]


def diagnose(
    inputs: Inputs, tasks: Mapping[str, str] | None = None, *, points: int = 9, grid: int = 0, device: str = "cpu"
) -> Diagnosis:
    """All of the above for models on disk.

    Args:
        inputs: opened models; without a base the weights' own signs and angles are reported.
        tasks: probe files by name; without them no network is run.
        points: on the line.
        grid: points on each side of the plane; 0 leaves it out.
        device: as torch names it.
    """
    models = [model.tensors for model in inputs.models]
    base = inputs.base.tensors if inputs.base else None
    products = gram(base, models)
    found = Diagnosis(
        models=tuple(model.name for model in inputs.models),
        base=inputs.base.name if inputs.base else None,
        lengths=products.diagonal().sqrt().tolist(),
        cosines=geometry.cosines(products).tolist(),
        sign_conflict=sign_conflict(base, models) if base is not None else {},
    )
    return _with_tasks(found, inputs, tasks, points, grid, device) if tasks else found


def _with_tasks(
    found: Diagnosis, inputs: Inputs, tasks: Mapping[str, str], points: int, grid: int, device: str
) -> Diagnosis:
    from dataclasses import replace

    from vecloom.merge.network import BATCH, EncoderNetwork
    from vecloom.merge.pairs import batches, read_pairs

    network = EncoderNetwork(inputs.models[0], device=device)
    cut = {name: batches(read_pairs(path), BATCH)[:4] for name, path in tasks.items()}
    models = [_held(model.tensors) for model in inputs.models]
    base = _held(inputs.base.tensors) if inputs.base else None
    losses = {name: _mean_loss(network, every) for name, every in cut.items()}
    places = [place / (points - 1) for place in range(points)]
    sides = [1.5 * place / (grid - 1) - 0.25 for place in range(grid)] if grid > 1 and base and len(models) > 1 else []
    return replace(
        found,
        tasks=tuple(tasks),
        gradients=gradient_cosines([_gradient(network, base or models[0], every) for every in cut.values()]),
        line={name: line(loss, models[0], models[-1], places) for name, loss in losses.items()},
        places=places,
        plane=plane(_over_all(losses), base, models[0], models[1], sides) if sides and base else [],
        grid=sides,
    )


def _held(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {name: working(tensors[name]) for name in floating(tensors)}


def _mean_loss(network: Any, every: Sequence[Any]) -> Loss:
    return lambda tensors: sum(network.loss_at(tensors, batch) for batch in every) / len(every)


def _over_all(losses: Mapping[str, Loss]) -> Loss:
    return lambda tensors: sum(loss(tensors) for loss in losses.values()) / len(losses)


def _gradient(network: Any, tensors: Tensors, every: Sequence[Any]) -> dict[str, torch.Tensor]:
    total: dict[str, torch.Tensor] = {}
    for batch in every:
        for name, gradient in network.loss_and_gradient(tensors, batch)[1].items():
            total[name] = total[name] + gradient if name in total else gradient.clone()
    return total


def _mix(base: Tensors | None, models: Sequence[Tensors], coefficients: Sequence[float]) -> dict[str, torch.Tensor]:
    return {name: combine(base, models, name, coefficients) for name in floating(models[0])}


def _by_number(where: str) -> tuple[int, str]:
    number = where.rpartition(" ")[2]
    return (int(number), where) if number.isdigit() else (-1, where)
