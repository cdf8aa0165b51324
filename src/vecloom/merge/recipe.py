"""Recipes: what to merge and how, as YAML in mergekit's form or as Python values.

A mergekit recipe of a supported method means here what it means there: its defaults (density 1; DARE restores the sum of
magnitudes; SLERP per tensor on the weights themselves, a straight line above a cosine of 0.9995), its gradients and
filters, and ``slices`` that keep every layer in its place. Computation is in float32 whatever ``dtype`` says; ``out_dtype``, or
else ``dtype``, is what is written. Beyond mergekit's: the methods it lacks, ``probe`` (files of pairs), and every option of
a method's function as a parameter.

    models:
      - model: sts-specialist
      - model: retrieval-specialist
    merge_method: self_positioning
    base_model: minilm
    probe: [sts.jsonl, retrieval.jsonl]
    parameters: {mu: 0.01, steps: 100}
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vecloom.errors import DataError, UsageError
from vecloom.merge.slices import Slice, read_slices, setting_of
from vecloom.merge.table import canonical, check_call, method_of
from vecloom.merge.values import Value
from vecloom.merge.weights import kind_named

_KEYS = (
    "models", "slices", "merge_method", "base_model", "parameters", "dtype", "out_dtype", "tokenizer_source", "tokenizer",
    "chat_template", "probe", "name",
)  # fmt: skip
_IGNORED = {"int8_mask", "normalize_weights", "eps"}
"""mergekit's settings of memory and rounding, which change nothing here."""
_RENAMED = {"lambda": "scale", "max_iter": "iterations", "tol": "tolerance"}
_MERGEKIT: dict[str, dict[str, Any]] = {
    "ties": {"density": 1.0},
    "dare_ties": {"density": 1.0, "rescale": "l1"},
    "dare_linear": {"density": 1.0, "rescale": "l1"},
}
"""Where mergekit's defaults differ from the papers', which the functions have."""
_MERGEKIT_SLERP = {"granularity": "tensor", "lerp_above": 0.9995}
_KEEPS_BASE = {"linear", "karcher", "greedy_soup", "fisher", "regmean"}
"""Methods for which a base among the models is one of them."""


@dataclass(frozen=True)
class Recipe:
    """A merge, not yet bound to the models' layers.

    Attributes:
        method: a name of the table.
        models: names or folders.
        base: name or folder, or None.
        own: each model's parameters, as written.
        parameters: for all, as written.
        slices: ranges of layers with parameters of their own.
        probe: files of pairs.
        dtype: what is written, torch's name, or None for the first model's.
        mergekit: take mergekit's defaults where nothing is said.
    """

    method: str
    models: tuple[str, ...]
    base: str | None = None
    own: tuple[Mapping[str, Any], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    probe: tuple[str, ...] = ()
    dtype: str | None = None
    mergekit: bool = False

    @property
    def origin(self) -> str | None:
        """The model from which task vectors are taken, or None where weights themselves are merged."""
        ends = self.method == "slerp" and "t" in _named(self)
        return None if ends or (self.mergekit and self.method == "karcher") else self.base

    def as_dict(self) -> dict[str, Any]:
        """In the form of the YAML file."""
        models = [
            {"model": name, **({"parameters": dict(own)} if own else {})}
            for name, own in zip(self.models, self.own or [{}] * len(self.models), strict=True)
        ]
        found = {
            "merge_method": self.method,
            "base_model": self.base,
            "slices" if self.slices else "models": [part.as_dict() for part in self.slices] or models,
            "parameters": dict(self.parameters),
            "probe": list(self.probe),
            "dtype": self.dtype,
        }
        return {key: value for key, value in found.items() if value}


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a YAML file.

    Raises:
        DataError: it cannot be read, or is no mapping.
        UsageError: a key, method or parameter is unknown, or cannot be had here.
    """
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"The recipe {path} cannot be read: {error}.", "Correct the file.") from error
    if not isinstance(found, dict):
        raise DataError(f"The recipe {path} is no mapping.", "It needs merge_method and models.")
    return parse_recipe(found)


def parse_recipe(given: Mapping[str, Any]) -> Recipe:
    """Make a recipe of a YAML file's content.

    Raises:
        UsageError: see ``load_recipe``.
    """
    _check_keys(given)
    method = canonical(str(given.get("merge_method", "")))
    method_of(method)
    if bool(given.get("models")) == bool(given.get("slices")):
        raise UsageError("A recipe needs either models or slices.", "List the models to merge under models.")
    slices = read_slices(given["slices"]) if given.get("slices") else ()
    models, own = (list(slices[0].models), [{} for _ in slices[0].models]) if slices else _read_models(given["models"])
    dtype = given.get("out_dtype") or given.get("dtype")
    recipe = Recipe(
        method=method,
        models=tuple(models),
        base=None if given.get("base_model") is None else str(given["base_model"]),
        own=tuple(own),
        parameters=dict(given.get("parameters") or {}),
        slices=slices,
        probe=tuple(map(str, _listed(given.get("probe")))),
        dtype=kind_named(str(dtype)) if dtype else None,
        mergekit=True,
    )
    return _without_base(recipe)


def bind(recipe: Recipe, layers: int) -> dict[str, Any]:
    """The options of the method's function, for models of so many layers.

    Raises:
        UsageError: a parameter is not the method's, or a value cannot be.
    """
    named = _named(recipe)
    options: dict[str, Any] = {}
    if recipe.mergekit:
        options |= _MERGEKIT_SLERP if recipe.method == "slerp" and "t" in named else _MERGEKIT.get(recipe.method, {})
    for name in named:
        options |= _option(recipe, name, layers)
    _check_options(recipe.method, options)
    return options


def _named(recipe: Recipe) -> list[str]:
    """Names of all parameters that are set anywhere."""
    places = [recipe.parameters, *recipe.own, *(part.parameters for part in recipe.slices)]
    places += [own for part in recipe.slices for own in part.own]
    return list(dict.fromkeys(name for place in places for name in place if name not in _IGNORED))


def _option(recipe: Recipe, name: str, layers: int) -> dict[str, Any]:
    if name == "t":
        return {"weights": _of_t(recipe, layers)}
    if name == "weight":
        return {"weights": [_value(recipe, name, place, layers, 1.0) for place in range(len(recipe.models))]}
    if name == "density":
        default = _MERGEKIT.get(recipe.method, {}).get("density", 1.0)
        return {"density": [_value(recipe, name, place, layers, default) for place in range(len(recipe.models))]}
    if name in ("lambda", "scale"):
        return {"scale": _value(recipe, name, None, layers, 1.0)}
    value = recipe.parameters.get(name)
    if value is None:
        raise UsageError(f"The parameter {name} cannot differ from model to model.", "Write it under parameters.")
    if name == "rescale" and isinstance(value, bool):
        value = "l1" if value else "none"
    target = _RENAMED.get(name, name)
    return {target: _typed(name, value, method_of(recipe.method).options.get(target))}


def _typed(name: str, value: Any, default: Any) -> Any:
    """The value in the type of the default: YAML takes 1e-6 for text."""
    if isinstance(default, bool) or default is None or isinstance(default, str):
        good, found = default is None or isinstance(value, type(default)), value
    else:
        number = setting_of(name, [{name: value}], (), None, 1, 0.0)
        good, found = not callable(number) and number == type(default)(number), number
        found = type(default)(found) if good else found
    if not good:
        raise UsageError(f"The value {value!r} of {name} cannot be.", f"It has to be like {default!r}.")
    return found


def _of_t(recipe: Recipe, layers: int) -> list[Value]:
    """Weights of mergekit's two models of SLERP: 0 is the base, 1 the other."""
    if recipe.method != "slerp" or len(recipe.models) != 2:
        raise UsageError("The parameter t is for slerp of two models.", "Give weight to each model instead.")
    t = _value(recipe, "t", None, layers, 0.5)
    away: Value = (lambda name: 1.0 - t(name)) if callable(t) else 1.0 - t
    return [t, away] if recipe.base == recipe.models[1] else [away, t]


def _value(recipe: Recipe, name: str, place: int | None, layers: int, default: float) -> Value:
    own = recipe.own[place] if recipe.own and place is not None else {}
    return setting_of(name, [own, recipe.parameters], recipe.slices, place, layers, default)


def _check_options(method: str, options: Mapping[str, Any]) -> None:
    check_call(method, 99, base=True, options=list(options))


def _check_keys(given: Mapping[str, Any]) -> None:
    for key in given:
        if key == "modules":
            raise UsageError("The recipe has modules, which vecloom does not merge.", "List models instead.")
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, n=2, cutoff=0.6)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(_KEYS)}."
            raise UsageError(f"The recipe has an unknown key {key!r}.", hint)
    tokenizer = given.get("tokenizer")
    if isinstance(tokenizer, Mapping) and tokenizer.get("tokens"):
        raise UsageError(
            "The recipe sets single tokens' embeddings, which vecloom merge does not do.",
            "Change the vocabulary first, with 'vecloom extend tokenizer'.",
        )


def _read_models(given: Any) -> tuple[list[str], list[dict[str, Any]]]:
    names, own = [], []
    for item in _listed(given):
        if isinstance(item, str):
            item = {"model": item}
        if not isinstance(item, Mapping) or not isinstance(item.get("model"), str):
            raise UsageError(f"{item!r} under models names no model.", "Write '- model: NAME'.")
        if "+" in item["model"] and not Path(item["model"]).exists():
            raise UsageError(f"{item['model']} adds an adapter to a model.", "Save the model with the adapter merged.")
        names.append(item["model"])
        own.append(dict(item.get("parameters") or {}))
    return names, own


def _without_base(recipe: Recipe) -> Recipe:
    """Recipes of mergekit list the base among the models; where task vectors are merged it is none of them."""
    named = _named(recipe)
    if recipe.method == "slerp" and "t" in named:
        return _two_of_slerp(recipe)
    if recipe.base is None or recipe.method in _KEEPS_BASE or recipe.slices or recipe.base not in recipe.models:
        return recipe
    kept = [place for place, name in enumerate(recipe.models) if name != recipe.base]
    models = tuple(recipe.models[place] for place in kept)
    return replace(recipe, models=models, own=tuple(recipe.own[place] for place in kept))


def _two_of_slerp(recipe: Recipe) -> Recipe:
    """Let t go from the base to the other model, and the base is an end and no origin."""
    if recipe.base is None:
        raise UsageError("slerp with t needs base_model.", "It is the model at t = 0.")
    if len(recipe.models) == 1:
        return replace(recipe, models=(recipe.base, *recipe.models), own=({}, *recipe.own))
    if recipe.base not in recipe.models or len(recipe.models) != 2:
        raise UsageError(
            f"slerp with t merges base_model and one other, not {', '.join(recipe.models)}.",
            "Leave t out, and give each model a weight.",
        )
    return recipe


def _listed(given: Any) -> Sequence[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]
