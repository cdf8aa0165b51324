"""Write a merged model: the first model's directory with other numbers, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vecloom.errors import from_os_error
from vecloom.files import atomic_folder
from vecloom.merge.directory import ModelDirectory
from vecloom.merge.weights import kind_of, write_tensors

if TYPE_CHECKING:
    import torch

_LEFT_OUT = {"onnx", "openvino", "README.md", ".git", ".gitattributes", "training_args.bin", "optimizer.pt"}
"""What belongs to the first model alone: other forms of its weights, its card, its training."""
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".ot"}


def write_model(
    target: Path,
    like: ModelDirectory,
    tensors: Callable[[str], torch.Tensor],
    card: Callable[[], str],
    dtype: str | None = None,
) -> None:
    """Write a directory like another's.

    Args:
        target: replaced as a whole at the end.
        like: whose files are copied, and whose layout the weights keep.
        tensors: gives the merged tensor of a name; asked once for each, in the order of the files.
        card: gives the text of README.md when all weights are written.
        dtype: number type of the floating tensors, or None for that of ``like``.

    Raises:
        OutputError: the disk is full, read-only, ...
    """
    try:
        with atomic_folder(target) as made:
            _copy_rest(like.path, made)
            for file, prefix in like.files:
                _write_file(made / file.relative_to(like.path), like, file, prefix, tensors, dtype)
            (made / "README.md").write_text(card(), encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, "writing the merged model", target) from error


def _write_file(
    path: Path,
    like: ModelDirectory,
    file: Path,
    prefix: str,
    tensors: Callable[[str], torch.Tensor],
    dtype: str | None,
) -> None:
    entries = {name: entry for name, entry in like.tensors.entries.items() if entry.path == file}
    layout = [(name.removeprefix(prefix), kind_of(entry, dtype), entry.shape) for name, entry in entries.items()]
    path.parent.mkdir(parents=True, exist_ok=True)

    def each() -> Iterator[torch.Tensor]:
        for name in entries:
            yield tensors(name)

    write_tensors(path, layout, each())


def _copy_rest(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        skipped = relative.parts[0] in _LEFT_OUT or path.suffix in _WEIGHTS
        if path.is_file() and not skipped:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / relative)
