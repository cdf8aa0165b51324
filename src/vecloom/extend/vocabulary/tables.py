"""A model's tensors that have a row for each token: input embeddings, output embeddings and output bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import ModelError
from vecloom.extend.weights import weight_files

if TYPE_CHECKING:
    import torch

_INPUT = ("word_embeddings.weight", "embed_tokens.weight", "tok_embeddings.weight", "wte.weight", "shared.weight")
_OUTPUT = ("predictions.decoder.weight", "lm_head.decoder.weight", "lm_head.weight", "vocab_projector.weight", "embed_out.weight",
           "decoder.weight", "generator_lm_head.weight")  # fmt: skip
_BIAS = ("predictions.bias", "predictions.decoder.bias", "lm_head.bias", "lm_head.decoder.bias", "vocab_projector.bias",
         "decoder.bias", "generator_lm_head.bias")  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """What of a model has a row for each token.

    Attributes:
        rows: (V, c) float32: input embeddings, then output embeddings and bias where the model has its own.
        columns: tensor's name to its columns in ``rows``; tensors that share numbers share columns.
    """

    rows: Vectors
    columns: Mapping[str, slice]

    def split(self, rows: Vectors) -> dict[str, torch.Tensor]:
        """New rows (V', c) as the tensors that they are of."""
        import torch

        found = {}
        for name, place in self.columns.items():
            part = torch.from_numpy(np.ascontiguousarray(rows[:, place]))
            found[name] = part[:, 0].contiguous() if name.endswith("bias") else part
        return found


def read_tables(folder: Path) -> Tables:
    """Read them from a folder of safetensors.

    Raises:
        ModelError: there is no table of input embeddings, or no weights that can be read.
    """
    tensors = _candidates(folder)
    inputs = [name for name in tensors if name.endswith(_INPUT)]
    if not inputs:
        raise ModelError(f"{folder} has no table of token embeddings that vecloom knows.", "Give a transformer.")
    first = tensors[inputs[0]]
    ordered = [*inputs, *(name for name in tensors if name not in inputs and len(tensors[name]) == len(first))]
    columns: dict[str, slice] = {}
    parts: list[Vectors] = []
    width = 0
    for name in ordered:
        part = tensors[name].reshape(len(first), -1)
        same = next((other for other in columns if _equal(tensors[other], part)), None)
        if same:  # tied: one set of numbers under two names
            columns[name] = columns[same]
            continue
        columns[name] = slice(width, width + part.shape[1])
        parts.append(part)
        width += part.shape[1]
    return Tables(np.concatenate(parts, axis=1), columns)


def _equal(tensor: Vectors, part: Vectors) -> bool:
    held = tensor.reshape(len(tensor), -1)
    return held.shape == part.shape and np.array_equal(held, part)


def _candidates(folder: Path) -> dict[str, Vectors]:
    """Tensors whose names are those of tables, as float32."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, Vectors] = {}
    try:
        for file in weight_files(folder):
            with safe_open(str(file), framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - no mapping, it only has keys()
                    if name.endswith((*_INPUT, *_OUTPUT, *_BIAS)):
                        found[name] = opened.get_tensor(name).float().numpy()
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error}.", "Copy the model again.") from error
    return found
