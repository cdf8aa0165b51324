"""TempScale: sharper attention, so that long texts stop looking alike; folded into the weights, without training.

Source: "Length-Induced Embedding Collapse in PLM-based Models" (Zhou et al., ACL 2025, arXiv:2410.24200), section 4:
``A = softmax(P / tau)`` with 0 < tau <= 1 in every self-attention, for queries and documents alike. Scores are linear in the
query, P = (x W_q + b_q) K^T / sqrt(d), so dividing W_q and b_q by tau is the same in exact arithmetic, and the result is an
ordinary model that every backend runs at full speed. Where scores have a further term the term is divided too, as in the
authors' code: the relative position bias of MPNet and T5, and DeBERTa's second query. Models that normalise queries (Qwen3,
Gemma3) have the norm's weight divided.

What cannot be folded is refused: scores that are capped (Gemma2), and a temperature for each layer where layers share the
numbers concerned (ALBERT's weights; MPNet's and T5's position bias).

The temperature of a directory stands in its ``config.json`` under "tempscale". Setting one again replaces the old one; it
does not multiply.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.encoders.layouts import kind_of
from vecloom.encoders.resolve import resolve
from vecloom.errors import ModelError, UsageError
from vecloom.extend.card import card_text
from vecloom.extend.output import changed_copy, replace_tensors, update_json
from vecloom.extend.weights import tensor_names, weight_files
from vecloom.files import check_output
from vecloom.runtime.directory import ModelSpec, read_spec
from vecloom.wording import counted

if TYPE_CHECKING:
    import torch

DEFAULT = 0.8  # our choice; second-hand notes on the paper say 0.5 to 0.8
KEY = "tempscale"

_BERT = (r"encoder\.layer\.(?P<layer>\d+)\.attention\.self\.query\.(weight|bias)$",)
_LLAMA = (r"layers\.(?P<layer>\d+)\.self_attn\.q_proj\.(weight|bias)$",)
FAMILIES: dict[str, tuple[str, ...]] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "ernie": _BERT,
    "distilbert": (r"transformer\.layer\.(?P<layer>\d+)\.attention\.q_lin\.(weight|bias)$",),
    "mpnet": (
        r"encoder\.layer\.(?P<layer>\d+)\.attention\.attn\.q\.(weight|bias)$",
        r"encoder\.relative_attention_bias\.weight$",
    ),
    "t5": (
        r"encoder\.block\.(?P<layer>\d+)\.layer\.0\.SelfAttention\.q\.weight$",
        r"encoder\.block\.0\.layer\.0\.SelfAttention\.relative_attention_bias\.weight$",
    ),
    "albert": (r"albert_layers\.\d+\.attention\.query\.(weight|bias)$",),
    "deberta-v2": (r"encoder\.layer\.(?P<layer>\d+)\.attention\.self\.(pos_)?query_proj\.(weight|bias)$",),
    "modernbert": (r"layers\.(?P<layer>\d+)\.attn\.Wqkv\.(weight|bias)$",),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "gemma": _LLAMA,
    "qwen3": (r"layers\.(?P<layer>\d+)\.self_attn\.q_norm\.weight$",),
    "gemma3_text": (r"layers\.(?P<layer>\d+)\.self_attn\.q_norm\.weight$",),
}
"""For each ``model_type`` the tensors that scores are linear in, and nothing else is; without a layer: all layers share it."""
_FUSED = frozenset({"modernbert"})  # queries, keys and values in one matrix, in this order
_ONE_PLUS = frozenset({"gemma3_text"})  # its norms multiply by 1 + weight


@dataclass(frozen=True)
class TemperatureSummary:
    """What was done.

    Attributes:
        model: as it was given.
        output: the folder.
        taus: the temperature of each layer.
        tensors: how many were scaled.
        found: what a search found out.
        seconds: it took.
    """

    model: str
    output: str
    taus: tuple[float, ...]
    tensors: int
    found: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def open_attention(name: str) -> ModelSpec:
    """Find a model whose attention can be sharpened.

    Raises:
        ModelNotFoundError: there is none of this name.
        ModelError: it is no transformer, or of a family that cannot be folded.
    """
    path = resolve(name)
    kind = kind_of(path)
    if kind != "transformer":
        raise ModelError(f"{name} is a {kind} model, which has no attention.", "Give a transformer.")
    spec = read_spec(path)
    check_family(spec.config)
    return spec


def check_family(config: Mapping[str, Any]) -> None:
    """Have a family whose queries are known.

    Raises:
        ModelError: it is another; nothing is ever left out in silence.
    """
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise ModelError(
            f"A temperature cannot be folded into a {family} model.", f"It can into {', '.join(sorted(FAMILIES))}."
        )
    if config.get("attn_logit_softcapping"):
        raise ModelError(
            "This model caps its attention scores, so that a temperature cannot be folded.", "Use another."
        )


def layer_count(config: Mapping[str, Any]) -> int:
    """How many layers attend."""
    names = ("num_hidden_layers", "n_layers", "num_layers")
    return int(next(config[name] for name in names if config.get(name)))


def checked_taus(taus: float | Sequence[float], layers: int) -> tuple[float, ...]:
    """One temperature for each layer.

    Raises:
        UsageError: there are not as many as layers, or one is not in (0, 1].
    """
    given = [float(taus)] * layers if isinstance(taus, (int, float)) else [float(tau) for tau in taus]
    given = given * layers if len(given) == 1 else given
    if len(given) != layers:
        raise UsageError(
            f"There are {counted(len(given), 'temperature')} for {layers} layers.", "Give one, or one for each layer."
        )
    odd = next((tau for tau in given if not 0 < tau <= 1), None)
    if odd is not None:
        raise UsageError(f"A temperature of {odd} is not possible.", "It is above 0 and at most 1; 1 changes nothing.")
    return tuple(given)


def query_tensors(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, int | None]:
    """The tensors to divide: name to layer, or to None where all layers share it.

    Args:
        config: ``config.json``.
        names: of all tensors, with any prefix.

    Raises:
        ModelError: the family is not known, or a layer has none.
    """
    check_family(config)
    patterns = [re.compile(pattern) for pattern in FAMILIES[str(config["model_type"])]]
    found: dict[str, int | None] = {}
    for name in names:
        for pattern in patterns:
            match = pattern.search(name)
            if match and "decoder." not in name:
                layer = match.groupdict().get("layer")
                found[name] = None if layer is None else int(layer)
    layers = {layer for layer in found.values() if layer is not None} or set(
        range(layer_count(config)) if found else ()
    )
    if layers != set(range(layer_count(config))):
        raise ModelError(
            f"Queries were found in {len(layers)} of {layer_count(config)} layers.",
            "Save the model with today's transformers.",
        )
    return found


def scaled(config: Mapping[str, Any], tensor: torch.Tensor, factor: float) -> torch.Tensor:
    """One tensor with its share in the scores multiplied by ``factor``: float32 inside, the tensor's own type outside."""
    family = str(config["model_type"])
    whole = tensor.float() if tensor.itemsize < 4 else tensor
    if family in _ONE_PLUS:
        return ((1 + whole) * factor - 1).to(tensor.dtype)
    if family in _FUSED:
        changed = whole.clone()
        changed[: len(whole) // 3] *= factor
        return changed.to(tensor.dtype)
    return (whole * factor).to(tensor.dtype)


def factors(queries: Mapping[str, int | None], before: Sequence[float], after: Sequence[float]) -> dict[str, float]:
    """By what each tensor is multiplied to come from one set of temperatures to another.

    Raises:
        ModelError: layers that share a tensor would need different ones.
    """
    each = [old / new for old, new in zip(before, after, strict=True)]
    found: dict[str, float] = {}
    for name, layer in queries.items():
        if layer is None and len(set(each)) > 1:
            raise ModelError(
                f"All layers share {name}, so they cannot have temperatures of their own.", "Give one temperature."
            )
        found[name] = each[layer or 0]
    return found


def present_taus(config: Mapping[str, Any]) -> tuple[float, ...]:
    """The temperatures that a directory's weights hold already: 1 where none was set."""
    layers = layer_count(config)
    told = config.get(KEY) or {}
    return tuple(float(tau) for tau in told["taus"]) if told.get("taus") else (1.0,) * layers


def set_temperature(
    model: str,
    output: str | PathLike[str],
    taus: float | Sequence[float] = DEFAULT,
    *,
    overwrite: bool = False,
    found: Mapping[str, Any] | None = None,
) -> TemperatureSummary:
    """Write a model whose attention has other temperatures.

    Args:
        model: a name from ``vecloom models``, a directory, or a Hub id.
        output: the folder to write: like the model, with scaled queries.
        taus: one for all layers, or one for each, in (0, 1]; of the original model, whatever was set before.
        overwrite: replace ``output``.
        found: what a search found out, for the card.

    Raises:
        UsageError: a temperature cannot be, or ``output`` exists.
        ModelNotFoundError: there is no such model.
        ModelError: the model's attention cannot be folded.
        OutputError: ``output`` cannot be written.
    """
    began = time.perf_counter()
    spec, target = open_attention(model), Path(output)
    wanted = checked_taus(taus, layer_count(spec.config))
    check_output(target, overwrite=overwrite)
    if target.exists() and target.resolve() == spec.path.resolve():
        raise UsageError(f"{output} is the model itself.", "Choose another output.")
    with changed_copy(spec.path, target) as made:
        folder = made / spec.weights_path.relative_to(spec.path)
        changed = folded(spec.config, folder, wanted)
        replace_tensors(folder, changed)
        update_json(folder / "config.json", **{KEY: {"taus": list(wanted)}})
        told = str(wanted[0]) if len(set(wanted)) == 1 else "/".join(map(str, wanted))
        does = f"`{model}` with its attention at temperature {told} (TempScale, arXiv:2410.24200), folded into the weights."
        record = {
            "source": {"model": model, "fingerprint": spec.fingerprint},
            "taus": list(wanted),
            "found": dict(found or {}),
        }
        (made / "README.md").write_text(card_text(target.name, model, spec.path, does, record), encoding="utf-8")
    return TemperatureSummary(model, str(output), wanted, len(changed), dict(found or {}), time.perf_counter() - began)


def folded(config: Mapping[str, Any], folder: Path, taus: Sequence[float]) -> dict[str, torch.Tensor]:
    """The tensors of a model that change with its temperatures, changed.

    Args:
        config: ``config.json``, with the temperatures that the weights hold already.
        folder: of the weights.
        taus: the temperature of each layer.

    Raises:
        ModelError: a layer's queries are not found, or layers share what should differ.
    """
    from safetensors import safe_open

    names = tensor_names(weight_files(folder))
    found: dict[str, torch.Tensor] = {}
    for name, factor in factors(query_tensors(config, names), present_taus(config), taus).items():
        with safe_open(str(names[name]), framework="pt") as opened:
            found[name] = scaled(config, opened.get_tensor(name), factor)
    return found
