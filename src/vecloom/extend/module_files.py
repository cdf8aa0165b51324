"""Put a module of vecloom into a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vecloom.errors import ModelError
from vecloom.extend.attention_check import check_attention
from vecloom.extend.output import read_json, set_limit, update_json, write_json
from vecloom.extend.source import Source

HOME = "vecloom.extend.modules"
_BARE = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def put_transformer(source: Source, made: Path, kind: str, target: int, **extension: Any) -> None:
    """Replace the first module of a copied directory, and write its settings.

    Args:
        source: the model.
        made: the copy.
        kind: name of a class of ``vecloom.extend.modules``.
        target: tokens that it reads now.
        extension: the settings.

    Raises:
        ModelError: the first module is not the stock one, or its attention cannot be replaced.
    """
    modules = _modules(source, made)
    if not str(modules[0]["type"]).startswith("sentence_transformers."):
        raise ModelError(
            f"The first module of {source.name} is {modules[0]['type']}, which cannot be extended again.",
            "Give the model that it was made from.",
        )
    modules[0]["type"] = f"{HOME}.{kind}"
    write_json(made / "modules.json", modules)
    folder = made / source.spec.weights_path.relative_to(source.path)
    told = {"source_length": source.length, "target_length": target, **extension}
    update_json(folder / "sentence_bert_config.json", extension=told)
    set_limit(source.spec, made, target)
    if extension.get("window") or extension.get("attention_scaling"):
        check_attention(source, made)


def put_window_mean(made: Path) -> None:
    """Add the mean over windows behind the pooling and the Dense modules: before Normalize, or at the end."""
    modules = read_json(made / "modules.json")
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    place = kinds.index("Normalize") if "Normalize" in kinds else len(modules)
    folder = f"{len(modules)}_WindowMean"
    modules.insert(place, {"path": folder, "type": f"{HOME}.WindowMean"})
    for number, module in enumerate(modules):
        module |= {"idx": number, "name": str(number)}
    write_json(made / "modules.json", modules)
    (made / folder).mkdir()
    write_json(made / folder / "config.json", {})


def _modules(source: Source, made: Path) -> list[dict[str, Any]]:
    """The pipeline; a bare transformer gets the mean pooling that sentence-transformers gives it."""
    file = made / "modules.json"
    if file.is_file():
        return [dict(module) for module in read_json(file)]
    width = int(source.spec.config.get("hidden_size") or source.spec.config["dim"])
    (made / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    write_json(made / "1_Pooling" / "config.json", pooling)
    return [dict(module) for module in _BARE]
