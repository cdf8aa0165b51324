"""Tiny fine-tunes of one tiny base, on disk: the tests' models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tests.encoders import tiny


def base(folder: Path, family: str = "bert", **options) -> Path:
    """A base model."""
    return tiny.make(folder, family, **options)


def tuned(source: Path, target: Path, seed: int, size: float = 0.05, dtype: torch.dtype | None = None) -> Path:
    """A copy with noise added to all weights."""
    shutil.copytree(source, target)
    generator = torch.Generator().manual_seed(seed)
    for file in sorted(target.rglob("model.safetensors")):
        moved = {
            name: tensor + size * torch.randn(tensor.shape, generator=generator)
            for name, tensor in load_file(file).items()
        }
        save_file({name: tensor.to(dtype or tensor.dtype) for name, tensor in moved.items()}, file, {"format": "pt"})
    return target


def weights(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a single-file model."""
    return load_file(path / "model.safetensors")


def sharded(path: Path) -> Path:
    """Split a model's weights over two files."""
    tensors = weights(path)
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, path / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, held in parts.items() for name in held}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    (path / "model.safetensors").unlink()
    return path


def probe(path: Path, count: int = 40, seed: int = 0) -> Path:
    """Pairs of texts that share half their words."""
    rows = []
    for place in range(count):
        text = tiny.text(6, seed=seed * 1000 + place)
        rows.append({"anchor": text, "positive": f"{text} {tiny.text(2, seed=place)}"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
