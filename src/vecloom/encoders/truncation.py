"""A smaller model out of a larger one: its first layers, the first dimensions of its vectors, or both.

Source: 2D Matryoshka (arXiv:2402.14776), where one training yields a model for each depth and width; Matryoshka
representation learning (arXiv:2205.13147). The smaller model is a stock sentence-transformers directory of its own,
not the large one with a switch:

- layers: the later layers' weights are gone and ``num_hidden_layers`` says so; embeddings, pooling and tokenizer
  stay. Its vectors are the pooled states of that layer. (BERT's pooler weights stay where they are stored: no
  pipeline here uses them, but stock loaders build that part and would fill it with random numbers.)
- dim: a Dense module without bias or activation that copies the first dimensions, and Normalize behind it.
  sentence-transformers does not keep its ``truncate_dim`` in a directory; this every loader honours. Truncated
  vectors have length 1 again, whatever the model gave.

Use it on a model trained with ``matryoshka`` or ``matryoshka-2d``; an ordinary one loses much, most of it in depth.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from vecloom.encoders.resolve import resolve
from vecloom.errors import ModelError, UsageError, from_os_error
from vecloom.files import atomic_folder, check_free

FAMILIES = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "mpnet", "electra"})
"""``model_type`` of architectures whose every layer ends in its own LayerNorm, so that its states can be pooled as they are."""

_COUNTS = ("num_hidden_layers", "n_layers")  # BERT's name and DistilBERT's
_LAYER = re.compile(r"(?:^|\.)(?:encoder|transformer)\.layer\.(\d+)\.")
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.h5", "*.msgpack", "*.ot", "*.onnx")
_DENSE = "sentence_transformers.models.Dense"  # names that every release reads
_NORMALIZE = "sentence_transformers.models.Normalize"


def truncate(
    model: str | PathLike[str], out: str | PathLike[str], *, layers: int | None = None, dim: int | None = None
) -> Path:
    """Write a smaller model.

    Args:
        model: a sentence-transformers or transformers directory, or a name that ``vecloom.load`` knows.
        out: the directory to write, wholly or not at all; it must not exist, or be empty.
        layers: how many layers to keep, from the input; all by default.
        dim: how many dimensions to keep; all by default.

    Returns:
        ``out``.

    Raises:
        UsageError: nothing is to be cut, or more is asked for than the model has.
        ModelError: the model is incomplete, or of a family whose layers cannot be cut.
        OutputError: ``out`` is not free, or cannot be written.
    """
    if layers is None and dim is None:
        raise UsageError("There is nothing to cut.", "Give layers, dim, or both.")
    source, target = resolve(str(model)), Path(out)
    modules = _modules(source)
    weights = source / modules[0].get("path", "")
    config = _json(weights / "config.json")
    if layers is not None:
        _check_layers(config, layers)
    width = _width(source, modules, config)
    if dim is not None and not 1 <= dim <= width:
        raise UsageError(f"dim={dim} is not possible: this model gives {width} dimensions.", f"Use 1 to {width}.")
    check_free(target)
    try:
        with atomic_folder(target) as made:
            _copy(source, made, weights)
            place = made / modules[0].get("path", "")
            _write_weights(weights, place, config, layers)
            if dim is not None:
                _add_slice(made, modules, width, dim)
    except OSError as error:
        raise from_os_error(error, "writing the smaller model", target) from error
    return target


def _check_layers(config: Mapping[str, Any], layers: int) -> None:
    family = config.get("model_type")
    if family not in FAMILIES:
        raise ModelError(
            f"The layers of a {family} model cannot be cut: its states may need a final LayerNorm that only the last layer has.",
            f"Known: {', '.join(sorted(FAMILIES))}. Its dimensions can be cut.",
        )
    count = int(next(config[name] for name in _COUNTS if name in config))
    if not 1 <= layers <= count:
        raise UsageError(f"layers={layers} is not possible: this model has {count} layers.", f"Use 1 to {count}.")


def _write_weights(source: Path, target: Path, config: Mapping[str, Any], layers: int | None) -> None:
    """The transformer's weights and configuration; without the later layers where ``layers`` says so."""
    from safetensors.torch import save_file

    tensors = _tensors(source)
    if layers is not None:
        tensors = {name: tensor for name, tensor in tensors.items() if _layer_of(name) < layers}
        config = {**config, **{name: layers for name in _COUNTS if name in config}}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _layer_of(name: str) -> int:
    """The layer that a tensor belongs to, counted from 0; -1 for what is below all layers or beside them."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found else -1


def _add_slice(folder: Path, modules: list[dict[str, Any]], width: int, dim: int) -> None:
    """Put the copying Dense module before Normalize, and Normalize at the end where there is none."""
    import torch
    from safetensors.torch import save_file

    before = [module for module in modules if _kind(module) != "Normalize"]
    number = 1 + max(int(module["idx"]) for module in modules)
    name = f"{number}_Dense"
    (folder / name).mkdir()
    settings = {
        "in_features": width,
        "out_features": dim,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (folder / name / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    save_file({"linear.weight": torch.eye(width)[:dim].contiguous()}, folder / name / "model.safetensors")
    end = f"{number + 1}_Normalize"
    (folder / end).mkdir()
    stack = [*before, {"path": name, "type": _DENSE}, {"path": end, "type": _NORMALIZE}]
    numbered = [{**module, "idx": place, "name": str(place)} for place, module in enumerate(stack)]
    for module in modules:
        if _kind(module) == "Normalize":
            shutil.rmtree(folder / module["path"], ignore_errors=True)
    if not before[1:]:  # a bare transformer: stock loaders would pool it by the mean
        numbered = _with_mean_pooling(folder, numbered, width)
    (folder / "modules.json").write_text(json.dumps(numbered, indent=2) + "\n", encoding="utf-8")


def _with_mean_pooling(folder: Path, modules: list[dict[str, Any]], width: int) -> list[dict[str, Any]]:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    settings = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    pooling = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    stack = [modules[0], pooling, *modules[1:]]
    return [{**module, "idx": place, "name": str(place)} for place, module in enumerate(stack)]


def _width(source: Path, modules: list[dict[str, Any]], config: Mapping[str, Any]) -> int:
    """Dimensions of the model's vectors."""
    width = int(config.get("hidden_size") or config.get("dim") or 0)
    for module in modules[1:]:
        settings = source / module["path"] / "config.json"
        if _kind(module) == "Pooling":
            modes = _json(settings)
            width = int(modes.get("word_embedding_dimension") or modes.get("embedding_dimension") or width)
            width *= max(1, _poolings(modes))
        elif _kind(module) == "Dense":
            width = int(_json(settings)["out_features"])
    return width


def _poolings(settings: Mapping[str, Any]) -> int:
    """How many pooled vectors are laid side by side."""
    mode = settings.get("pooling_mode")
    if mode is not None:
        return 1 if isinstance(mode, str) else len(mode)
    return sum(bool(value) for key, value in settings.items() if key.startswith("pooling_mode_"))


def _modules(source: Path) -> list[dict[str, Any]]:
    if not (source / "modules.json").is_file():
        return [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    modules: list[dict[str, Any]] = _json(source / "modules.json")
    if not modules or _kind(modules[0]) != "Transformer":
        raise ModelError(f"The first module of {source} is no Transformer, so it has no layers to cut.", "")
    return modules


def _kind(module: Mapping[str, Any]) -> str:
    return str(module["type"]).rsplit(".", 1)[-1]


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise ModelError(f"{folder} has no model.safetensors.", "Save the model as safetensors first.")
    try:
        return {name: tensor for file in files for name, tensor in load_file(file).items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error}.", "Copy the model again.") from error


def _copy(source: Path, target: Path, weights: Path) -> None:
    """Everything but the transformer's weights, in whatever format."""
    skipped = shutil.ignore_patterns(*_WEIGHTS, "onnx", "openvino", ".*")

    def ignored(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        return skipped(folder, names) if here in (source, weights) else set()

    shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"The model directory is incomplete: {path} is missing.", "Copy the model again.") from error
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Copy the model again.") from error
