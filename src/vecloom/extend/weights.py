"""The safetensors files of a model, and the names in them."""

from __future__ import annotations

from pathlib import Path

from vecloom.errors import ModelError
from vecloom.extend.output import read_json


def weight_files(folder: Path) -> list[Path]:
    """The files of a model's weights.

    Raises:
        ModelError: there are none in safetensors' format.
    """
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if index.is_file():
        shards = set(read_json(index)["weight_map"].values())
        return [folder / shard for shard in sorted(shards)]
    if single.is_file():
        return [single]
    raise ModelError(f"{folder} has no weights (model.safetensors).", "Save the model as safetensors.")


def tensor_names(files: list[Path]) -> dict[str, Path]:
    """Every tensor's name, and its file.

    Raises:
        ModelError: a file is cut short, or no safetensors.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, Path] = {}
    for file in files:
        try:
            with safe_open(str(file), framework="pt") as opened:
                found |= dict.fromkeys(opened.keys(), file)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"The weights {file} cannot be read: {error}.", "Copy the model again.") from error
    return found
