"""A recipe's settings by tensor: numbers, gradients, filters and slices in mergekit's notation, as values.

mergekit's order: a slice's source, the slice, the model, the recipe; the first that sets a parameter for the tensor holds.
Layers keep their places here: a recipe that stacks them anew is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vecloom.errors import UsageError
from vecloom.merge.values import Rules, Schedule, Sliced, Value

Written = Mapping[str, Any]


@dataclass(frozen=True)
class Slice:
    """A range of layers.

    Attributes:
        models: its sources.
        start: first layer.
        stop: one past the last.
        own: each source's parameters, as written.
        parameters: the slice's, as written.
    """

    models: tuple[str, ...]
    start: int
    stop: int
    own: tuple[Written, ...]
    parameters: Written

    def as_dict(self) -> dict[str, Any]:
        """In the form of the YAML file."""
        sources = [
            {"model": name, "layer_range": [self.start, self.stop], **({"parameters": dict(own)} if own else {})}
            for name, own in zip(self.models, self.own, strict=True)
        ]
        return {"sources": sources, **({"parameters": dict(self.parameters)} if self.parameters else {})}


def read_slices(given: Any) -> tuple[Slice, ...]:
    """Read ``slices``.

    Raises:
        UsageError: they do not keep every layer in its place, or their models differ.
    """
    try:
        found = tuple(_slice(item) for item in given)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"The slices cannot be read: {error!r}.", "Give sources with model and layer_range."
        ) from error
    expected = 0
    for part in found:
        if part.start != expected or part.stop <= part.start:
            what = f"The slice of layers {part.start} to {part.stop} does not begin at layer {expected}."
            raise UsageError(what, "vecloom keeps layers in their places: list ranges that follow each other.")
        if part.models != found[0].models:
            raise UsageError("The slices have different models.", "vecloom merges the same models in every layer.")
        expected = part.stop
    return found


def _slice(item: Mapping[str, Any]) -> Slice:
    ranges = [tuple(map(int, source["layer_range"])) for source in item["sources"]]
    if len(set(ranges)) != 1:
        raise UsageError(
            f"A slice takes the layers {ranges[0]} of one model and {ranges[-1]} of another.",
            "vecloom keeps layers in their places: give all sources one layer_range.",
        )
    return Slice(
        models=tuple(str(source["model"]) for source in item["sources"]),
        start=ranges[0][0],
        stop=ranges[0][1],
        own=tuple(dict(source.get("parameters") or {}) for source in item["sources"]),
        parameters=dict(item.get("parameters") or {}),
    )


def setting_of(
    name: str, outer: Sequence[Written], slices: Sequence[Slice], place: int | None, layers: int, default: float
) -> Value:
    """A parameter as a value.

    Args:
        name: of the parameter.
        outer: where it may be set outside of slices, the nearest first.
        slices: ranges of layers, or none.
        place: the model's, or None for parameters of all.
        layers: how many the models have.
        default: where nothing sets it.

    Raises:
        UsageError: slices end before or behind the models, or a value cannot be read.
    """
    if not slices:
        return _nearest(name, outer, 0, layers, default)
    if slices[-1].stop != layers:
        raise UsageError(f"The slices end at layer {slices[-1].stop}; the models have {layers}.", "Cover all layers.")
    values = []
    for part in slices:
        inner = [*([part.own[place]] if place is not None else part.own), part.parameters]
        values.append(_nearest(name, [*inner, *outer], part.start, part.stop, default))
    return values[0] if len(values) == 1 else Sliced(tuple(part.start for part in slices), tuple(values))


def _nearest(name: str, places: Sequence[Written], start: int, stop: int, default: float) -> Value:
    value: Value = default
    for place in reversed(places):
        if place.get(name) is not None:
            value = _read(name, place[name], start, stop, value)
    return value


def _read(name: str, written: Any, start: int, stop: int, default: Value) -> Value:
    """A number, a list of numbers (over the layers), or rules; ``default`` holds where no rule does."""
    if isinstance(written, Mapping):
        written = [written]
    if isinstance(written, list) and written and all(isinstance(item, Mapping) for item in written):
        rules = tuple(_rule(name, item, start, stop, default) for item in written)
        return Rules(rules, default)
    if isinstance(written, list) and written:
        return Schedule(tuple(_number(name, item) for item in written), stop - start, start)
    return _number(name, written)


def _rule(name: str, item: Mapping[str, Any], start: int, stop: int, default: Value) -> tuple[str, Value]:
    if "value" not in item:
        raise UsageError(f"A rule of {name} has no value: {dict(item)}.", "Write filter and value.")
    part = item.get("filter")
    return "" if part in (None, "*") else str(part), _read(name, item["value"], start, stop, default)


def _number(name: str, written: Any) -> float:
    try:
        return float(written)
    except (TypeError, ValueError):
        raise UsageError(f"The value {written!r} of {name} is no number.", "Give a number or a list of them.") from None
