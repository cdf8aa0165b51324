"""Read weights into NumPy arrays: safetensors, and pickles through torch's loader that takes nothing but tensors.

bfloat16, which NumPy does not know, becomes float32: its sixteen bits are the upper half of a float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import MissingExtraError, ModelError, first_line
from vecloom.runtime.directory import ModelSpec

Tensors = dict[str, Any]
_LENGTH = 8  # bytes of a safetensors file that say how long its header is


def read_weights(spec: ModelSpec) -> Tensors:
    """All tensors of a model, from one file or from its shards.

    Raises:
        ModelError: a file is cut short, or is neither safetensors nor a pickle of tensors alone.
        MissingExtraError: it is a pickle, and torch is not installed.
    """
    if spec.weights.suffix != ".json":
        return read_tensors(spec.weights)
    shards = sorted(set(json.loads(spec.weights.read_text(encoding="utf-8"))["weight_map"].values()))
    return {name: tensor for shard in shards for name, tensor in read_tensors(spec.weights_path / shard).items()}


def read_tensors(path: Path) -> Tensors:
    """All tensors of one file, by name.

    Raises:
        ModelError: the file is cut short, or is neither safetensors nor a pickle of tensors alone.
        MissingExtraError: it is a pickle, and torch is not installed.
    """
    return _pickled(path) if path.suffix in (".bin", ".pt", ".pth") else _safetensors(path)


def _safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError, safe_open

    try:
        kinds = _number_types(path)
        with safe_open(path, framework="numpy") as file:
            plain = {name: file.get_tensor(name) for name, kind in kinds.items() if kind != "BF16"}
        return plain | _bfloat16(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The weights {path} cannot be read: {first_line(error)}.", "Copy the model again: it is damaged."
        ) from error


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where the numbers begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > path.stat().st_size:
            raise ValueError("it is not a safetensors file")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, _LENGTH + length


def _number_types(path: Path) -> dict[str, str]:
    return {name: str(entry["dtype"]) for name, entry in _header(path)[0].items()}


def _bfloat16(path: Path) -> Tensors:
    """The bfloat16 tensors as float32, without a library that happens to have been imported."""
    header, begin = _header(path)
    found: Tensors = {}
    for name, entry in header.items():
        if entry["dtype"] == "BF16":
            start, stop = entry["data_offsets"]
            upper = np.fromfile(path, "<u2", (stop - start) // 2, offset=begin + start)
            found[name] = (upper.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
    return found


def _pickled(path: Path) -> Tensors:
    """Tensors of a pickle, read by torch's loader that runs no code of it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"{path} is a pickle, which is read with torch.", "torch") from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in loaded.items()}
    except Exception as error:  # the loader raises anything for what is not tensors alone
        raise ModelError(
            f"{path} is not a pickle of tensors alone, and vecloom opens no other.", "Save the model as safetensors."
        ) from error
