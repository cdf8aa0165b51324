"""Rotary models: slower rotation by configuration (linear, NTK-aware, YaRN), and SelfExtend as a module.

Sources, with theta_j = base^(-2j/d) and s = ceil(L_t / L_o):

    linear       theta_j / s: Chen et al. 2023, arXiv:2306.15595
    ntk          base * lambda, lambda a bit above s: bloc97 2023; lambda = 3, 5, 10 for s = 2, 4, 8 in Zhu et al.,
                 arXiv 2404.12096, table 6
    yarn         between the two by wavelength, and attention scaled by 0.1 ln s + 1: Peng et al. 2023, arXiv:2309.00071
    self_extend  ``self_extend.py``

The first three are what transformers computes from ``rope_parameters``, so that the result is a plain model. They change short
texts; SelfExtend does not. Layers that look at a sliding window of their own (ModernBERT, Gemma) are left as they are.

transformers' "dynamic" is left out: it takes the factor from the longest text of a batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vecloom.errors import MissingExtraError, ModelError, UsageError
from vecloom.extend.choices import number, switch, whole
from vecloom.extend.module_files import put_transformer
from vecloom.extend.output import read_json, set_limit, write_json
from vecloom.extend.position_table import scaling_factor
from vecloom.extend.positions import Found, add_scaling
from vecloom.extend.source import Source


def linear(source: Source, made: Path, target: int, *, attention_scaling: bool = False) -> Found:
    """Position p turns as p / s did.

    Args:
        source: a rotary model.
        made: the copy.
        target: tokens.
        attention_scaling: queries grow with the logarithm of the length.
    """
    factor = scaling_factor(source.length, target)
    _change(source, made, target, lambda told: told | {"rope_type": "linear", "factor": float(factor)})
    add_scaling(source, made, target, attention_scaling)
    return {"factor": factor}


def ntk(
    source: Source, made: Path, target: int, *, base_factor: float | None = None, attention_scaling: bool = False
) -> Found:
    """A larger base: slow rotations become slower by s, fast ones stay.

    Args:
        source: a rotary model.
        made: the copy.
        target: tokens.
        base_factor: lambda; that of ``ntk_factor`` by default.
        attention_scaling: queries grow with the logarithm of the length.
    """
    default = ntk_factor(scaling_factor(source.length, target))
    factor = default if base_factor is None else number("base_factor", base_factor, 1.0)
    _change(source, made, target, lambda told: told | {"rope_theta": float(told["rope_theta"]) * factor})
    add_scaling(source, made, target, attention_scaling)
    return {"base_factor": factor}


def ntk_factor(factor: int) -> float:
    """The paper's 3, 5 and 10 for s = 2, 4, 8, and s + max(1, s / 4), which goes through them, for the others."""
    return factor + max(1.0, factor / 4)


def yarn(
    source: Source,
    made: Path,
    target: int,
    *,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    attention_scaling: bool = False,
) -> Found:
    """Fast rotations stay, slow ones are interpolated, those between are mixed.

    Args:
        source: a rotary model.
        made: the copy.
        target: tokens.
        beta_fast: rotations over L_o tokens above which a pair stays.
        beta_slow: rotations below which it is interpolated.
        attention_scaling: queries grow with the logarithm of the length, on top of YaRN's own factor.
    """
    factor = scaling_factor(source.length, target)
    fast, slow = number("beta_fast", beta_fast), number("beta_slow", beta_slow)
    if fast <= slow:
        raise UsageError(f"beta_fast={fast:g} is not above beta_slow={slow:g}.", "Use the paper's 32 and 1.")
    changed = {
        "rope_type": "yarn", "factor": float(factor), "beta_fast": fast, "beta_slow": slow,
        "original_max_position_embeddings": source.length,
    }  # fmt: skip
    _change(source, made, target, lambda told: told | changed)
    add_scaling(source, made, target, attention_scaling)
    return {"factor": factor}


def self_extend(
    source: Source,
    made: Path,
    target: int,
    *,
    window: int | None = None,
    group: int | None = None,
    attention_scaling: bool = False,
) -> Found:
    """Neighbours keep their distance, farther tokens count in groups; short texts stay as they are.

    Args:
        source: a rotary model.
        made: the copy.
        target: tokens.
        window: w; L_o / s by default, as in table 6 of the paper.
        group: g; s + 1 by default, as there.
        attention_scaling: queries grow with the logarithm of the length.

    Raises:
        UsageError: the largest distance would be more than the model was made for.
        ModelError: the network rotates in another way.
    """
    factor = scaling_factor(source.length, target)
    width = whole("window", max(1, source.length // factor) if window is None else window)
    size = whole("group", factor + 1 if group is None else group)
    farthest = (target - 1) // size + width - width // size
    if farthest > source.length:
        raise UsageError(
            f"window={width} and group={size} give distances up to {farthest}, and {source.name} was made for {source.length}.",
            "Use a larger group or a smaller window.",
        )
    put_transformer(
        source, made, "ExtendedTransformer", target, window=width, group=size,
        attention_scaling=switch("attention_scaling", attention_scaling),
    )  # fmt: skip
    return {"window": width, "group": size, "farthest": farthest}


def _change(source: Source, made: Path, target: int, change: Any) -> None:
    """Write other rope parameters for the layers that look at the whole text.

    Raises:
        ModelError: they are stretched already, or transformers does not read them as they were meant.
    """
    file = made / source.spec.weights_path.relative_to(source.path) / "config.json"
    told = rope_parameters(file.parent)
    kinds = [kind for kind, value in told.items() if isinstance(value, dict) and "sliding" not in kind]
    each = {kind: told[kind] for kind in kinds} if kinds else {"": told}
    for value in each.values():
        if value.get("rope_type", "default") != "default":
            raise ModelError(
                f"{source.name} is stretched already: its rotation is of type {value['rope_type']}.",
                "Give the model that it was made from, or use self_extend or windows.",
            )
    new = told | {kind: change(value) for kind, value in each.items()} if kinds else change(told)
    config = read_json(file)
    legacy = {"rope_theta": new.get("rope_theta")} if "rope_theta" in config else {}
    config = {key: value for key, value in config.items() if key != "rope_scaling"}
    write_json(file, config | legacy | {"rope_parameters": new})
    # YaRN's factor has to be the ratio of the two lengths that the configuration names, or transformers warns
    set_limit(source.spec, made, target, positions=source.length * scaling_factor(source.length, target))
    read = rope_parameters(file.parent)
    if any(read.get(key) != value for key, value in new.items()):
        raise ModelError(
            f"transformers reads other rope parameters from {file} than were written: {read}.", "Update it."
        )


def rope_parameters(folder: Path) -> dict[str, Any]:
    """What transformers reads: the parameters, or those of each kind of layer.

    Raises:
        ModelError: the configuration has none.
        MissingExtraError: transformers is not installed.
    """
    try:
        from transformers import AutoConfig
    except ImportError:
        raise MissingExtraError("Rotary models need transformers.", "torch") from None
    found = getattr(AutoConfig.from_pretrained(str(folder), local_files_only=True), "rope_parameters", None)
    if not found:
        raise ModelError(f"{folder} has no rope parameters that transformers can read.", "Update transformers.")
    return dict(found)
