"""Settings that may differ from tensor to tensor: one number, a course over the layers, rules by name.

The forms are those of mergekit's recipes. A ``Schedule`` interpolates linearly between its values from the first layer to
the last; tensors outside the layers (embeddings, pooler) take its first value. ``Rules`` are tried in order: the first
whose filter is part of the tensor's name holds. ``Sliced`` gives ranges of layers values of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")

Value = float | Callable[[str], float]


def at(value: Value, name: str) -> float:
    """A setting's value for one tensor."""
    return float(value(name)) if callable(value) else float(value)


def layer_of(name: str) -> int | None:
    """The number of the layer that a tensor belongs to, or None."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found else None


def layer_count(names: Iterable[str]) -> int:
    """How many layers a model has, from its tensors' names."""
    return max((layer + 1 for name in names if (layer := layer_of(name)) is not None), default=0)


@dataclass(frozen=True)
class Schedule:
    """A course over the layers.

    Attributes:
        values: at equal distances from the first layer to the last.
        layers: how many layers there are.
        first: the layer at which the course begins.
    """

    values: tuple[float, ...]
    layers: int
    first: int = 0

    def __call__(self, name: str) -> float:
        """The value for a tensor."""
        layer = layer_of(name)
        if layer is None or len(self.values) == 1:
            return self.values[0]
        place = (layer - self.first) / (self.layers - 1) if self.layers > 1 else 1.0
        scaled = min(max(place, 0.0), 1.0) * (len(self.values) - 1)
        left = int(scaled)
        right = min(left + 1, len(self.values) - 1)
        return (1 - (scaled - left)) * self.values[left] + (scaled - left) * self.values[right]


@dataclass(frozen=True)
class Rules:
    """Values by parts of tensors' names.

    Attributes:
        rules: pairs of a part of a name, or "" for all names, and a value.
        default: where no rule holds.
    """

    rules: tuple[tuple[str, Value], ...]
    default: Value

    def __call__(self, name: str) -> float:
        """The value of the first rule that holds."""
        return at(next((value for part, value in self.rules if part in name), self.default), name)


@dataclass(frozen=True)
class Sliced:
    """Values by ranges of layers.

    Attributes:
        starts: first layer of each range, growing, the first 0.
        values: one for each range; tensors outside the layers take the first.
    """

    starts: tuple[int, ...]
    values: tuple[Value, ...]

    def __call__(self, name: str) -> float:
        """The value of the range that the tensor's layer falls into."""
        layer = layer_of(name) or 0
        return at(self.values[max(place for place, start in enumerate(self.starts) if start <= layer)], name)


def constant(values: Sequence[Value]) -> list[float] | None:
    """The values as numbers where none depends on the tensor, else None."""
    return [float(value) for value in values if not callable(value)] if not any(map(callable, values)) else None
