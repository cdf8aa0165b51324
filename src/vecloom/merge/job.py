"""The verb: check, prepare, then merge tensor by tensor into a new directory.

Memory: the base, each model and the result, of one tensor at a time, so never more than base + models x shard. Methods
that look at all weights first (SLERP by the whole model's angle) read them twice; those that run the network (greedy
soup, Fisher, RegMean, Self Positioning) hold what they need of it, as their pages say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import MissingExtraError
from vecloom.files import check_output
from vecloom.merge.card import merge_record, write_card
from vecloom.merge.checks import check_models
from vecloom.merge.directory import ModelDirectory, open_model
from vecloom.merge.output import write_model
from vecloom.merge.recipe import Recipe, bind
from vecloom.merge.table import check_call, method_of
from vecloom.merge.values import layer_count
from vecloom.outputs import check_apart

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Told how many tensors of how many are done."""


@dataclass(frozen=True)
class MergeSummary:
    """What a merge came to.

    Attributes:
        output: the directory.
        method: a name of the table.
        models: as they were given.
        base: as it was given, or None.
        tensors: how many were merged.
        parameters: numbers in them.
        found: coefficients, members, ... where the method finds such.
        seconds: all of it.
    """

    output: str
    method: str
    models: tuple[str, ...]
    base: str | None
    tensors: int
    parameters: int
    found: dict[str, Any]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass(frozen=True)
class Inputs:
    """Models that were opened and found to fit each other."""

    models: tuple[ModelDirectory, ...]
    base: ModelDirectory | None
    origin: ModelDirectory | None


def run(
    recipe: Recipe,
    output: str | Path,
    *,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress | None = None,
    **data: Any,
) -> MergeSummary:
    """Merge models on disk into a new directory.

    Args:
        recipe: what and how.
        output: a sentence-transformers directory, written whole or not at all.
        device: where the numbers are worked on, as torch names it.
        overwrite: replace what is there.
        progress: told after each tensor.
        data: ``metric``, ``statistics``, or ``loss`` and ``probe`` batches, instead of the recipe's probe files.

    Raises:
        UsageError: an unknown method or option, a missing base or probe set.
        ModelError: the models do not fit each other; the sentence names where.
        OutputError: the result cannot be written.
    """
    _check_torch()
    began = time.perf_counter()
    target = Path(output)
    check_output(target, overwrite=overwrite)
    check_apart(target, [*recipe.models, *([recipe.base] if recipe.base is not None else []), *recipe.probe])
    inputs = open_inputs(recipe, device)
    check_apart(
        target, [model.path for model in (*inputs.models, *([inputs.base] if inputs.base else []))]
    )  # by name too
    options = bind(recipe, layer_count(inputs.models[0].tensors)) | data_options(recipe, inputs, device, data)
    with ThreadPoolExecutor(1) as pool:
        digests = start_digests(pool, inputs)
        ready, found = prepared(recipe, inputs, options)
        like = inputs.models[0]

        def card() -> str:
            known = {name: digest.result() for name, digest in digests.items()}
            record = merge_record(recipe, inputs.models, inputs.base, known, found)
            return write_card(target.name, record, inputs.models)

        write_model(target, like, merging(recipe, inputs, ready, progress), card, recipe.dtype)
    names = like.tensors.floating_names
    sizes = [_count(like.tensors.entries[name].shape) for name in names]
    seconds = time.perf_counter() - began
    return MergeSummary(
        str(output), recipe.method, recipe.models, recipe.base, len(names), sum(sizes), found, round(seconds, 3)
    )


def open_inputs(recipe: Recipe, device: str = "cpu") -> Inputs:
    """Open the models and check them.

    Raises:
        UsageError: the method needs a base or more models.
        ModelError: they do not fit.
    """
    check_call(recipe.method, len(recipe.models), base=recipe.base is not None)
    models = tuple(open_model(name, device) for name in recipe.models)
    base = open_model(recipe.base, device) if recipe.base is not None else None
    check_models(models, base)
    return Inputs(models, base, base if recipe.origin is not None else None)


def data_options(recipe: Recipe, inputs: Inputs, device: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Metric, statistics, loss and batches: those that were given, or made from the recipe's probe files."""
    if given or not method_of(recipe.method).data:
        return dict(given)
    from vecloom.merge.network import data_for

    return data_for(recipe, inputs.models, device)


def prepared(recipe: Recipe, inputs: Inputs, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options with what had to be known of whole models, and what of it belongs into the record."""
    method = method_of(recipe.method)
    base = inputs.origin.tensors if inputs.origin else None
    known = {}
    if method.prepare:
        known = method.prepare(base, [model.tensors for model in inputs.models], **{**method.options, **options})
    position = known.pop("position", None)
    found: dict[str, Any] = {}
    if position is not None:
        found = {"a": _rounded(position.a), "lambda": round(position.scale, 6)}
    if "coefficients" in known:
        found["coefficients"] = _rounded(known["coefficients"])
    if "members" in known:
        found["members"] = [recipe.models[place] for place in known["members"]]
    if known:  # they stand for the data that they were made of
        options = {name: value for name, value in options.items() if name not in ("metric", "loss", "probe")}
    return {**options, **known}, found


def merging(
    recipe: Recipe, inputs: Inputs, options: Mapping[str, Any], progress: Progress | None = None
) -> Callable[[str], torch.Tensor]:
    """A function from a tensor's name to the merged tensor."""
    method = method_of(recipe.method)
    models = [model.tensors for model in inputs.models]
    base = inputs.origin.tensors if inputs.origin else None
    names = set(models[0].floating_names)
    done = 0

    def merged(name: str) -> torch.Tensor:
        nonlocal done
        done += 1
        if name not in names:
            return models[0][name]
        part = [model.only([name]) for model in models]
        found = method.run(base.only([name]) if base is not None else None, part, **options)[name]
        if progress:
            progress(done, len(models[0]))
        return found

    return merged


def start_digests(pool: ThreadPoolExecutor, inputs: Inputs) -> dict[str, Future[str]]:
    """Digests of the weights, made beside the merge."""
    every: Sequence[ModelDirectory] = [*inputs.models, *([inputs.base] if inputs.base else [])]
    return {model.name: pool.submit(model.digest) for model in every}


def _check_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("Merging models needs torch.", extra="merge") from None


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
