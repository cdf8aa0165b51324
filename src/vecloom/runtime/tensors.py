"""Read safetensors files into NumPy arrays; bfloat16, which NumPy does not know, becomes float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vecloom.errors import ModelError
from vecloom.runtime.directory import ModelSpec

Tensors = dict[str, Any]


def read_weights(spec: ModelSpec) -> Tensors:
    """All tensors of a model, from one file or from its shards.

    Raises:
        ModelError: a file is cut short, or is not safetensors.
    """
    if spec.weights.suffix != ".json":
        return read_tensors(spec.weights)
    shards = sorted(set(json.loads(spec.weights.read_text(encoding="utf-8"))["weight_map"].values()))
    return {name: tensor for shard in shards for name, tensor in read_tensors(spec.weights_path / shard).items()}


def read_tensors(path: Path) -> Tensors:
    """All tensors of one file, by name.

    Raises:
        ModelError: the file is cut short, or is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if path.suffix != ".safetensors":
        raise ModelError(f"{path} is a pickle, which vecloom does not open.", "Save the model as safetensors.")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weights {path} cannot be read: {error}.", "Copy the model again: it is damaged."
        ) from error
