"""Write an extended model: a copy of the directory with some files changed, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vecloom.errors import ModelError, from_os_error
from vecloom.files import atomic_folder
from vecloom.outputs import check_apart
from vecloom.runtime.directory import ModelSpec

_LEFT_OUT = {"onnx", "openvino", ".git", ".gitattributes", "training_args.bin", "optimizer.pt", "README.md"}
"""What belongs to the unchanged model alone: other forms of its weights, its training, its card."""


@contextmanager
def changed_copy(source: Path, target: Path) -> Iterator[Path]:
    """Yield a copy of a model directory that takes the place of ``target`` when the block ends well.

    Raises:
        UsageError: the target is, holds or lies within the source, which may have been named by a name.
        OutputError: the disk is full, read-only, ...
    """
    check_apart(target, [source])
    try:
        with atomic_folder(target) as made:
            for path in sorted(source.rglob("*")):
                relative = path.relative_to(source)
                if path.is_file() and relative.parts[0] not in _LEFT_OUT:
                    (made / relative).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, made / relative)
            yield made
    except OSError as error:
        raise from_os_error(error, "writing the extended model", target) from error


def replace_tensors(folder: Path, changed: Mapping[str, Any], *, dropped: str = "") -> None:
    """Write other numbers for some of a safetensors model's tensors, in the number type that each has.

    Args:
        folder: with ``model.safetensors``, or with an index and its shards.
        changed: torch tensors by the names that they have in the files, of any shape.
        dropped: last part of the name of tensors that are left out, where they lie in a file that is written.
    """
    from safetensors.torch import load_file, save_file

    index = folder / "model.safetensors.index.json"
    files = [folder / "model.safetensors"]
    if index.is_file():
        files = [folder / shard for shard in sorted(set(read_json(index)["weight_map"].values()))]
    for file in files:
        tensors = load_file(file)
        mine = {name: tensor for name, tensor in changed.items() if name in tensors}
        if mine:
            tensors |= {name: tensor.to(tensors[name].dtype).contiguous() for name, tensor in mine.items()}
            kept = {name: tensor for name, tensor in tensors.items() if name.rsplit(".", 1)[-1] != dropped}
            mode = file.stat().st_mode
            save_file(kept, file, {"format": "pt"})
            file.chmod(mode)  # the library makes files that only their owner can read


def set_limit(spec: ModelSpec, made: Path, length: int, positions: int | None = None) -> None:
    """Write a new limit wherever a directory of sentence-transformers holds one.

    Args:
        spec: of the source.
        made: the copy.
        length: tokens after which texts are cut.
        positions: ``max_position_embeddings``, or None to leave it.
    """
    folder = made / spec.weights_path.relative_to(spec.path)
    update_json(folder / "tokenizer_config.json", model_max_length=length)
    if (folder / "sentence_bert_config.json").is_file():
        update_json(folder / "sentence_bert_config.json", max_seq_length=length)
    if positions is not None:
        update_json(folder / "config.json", max_position_embeddings=positions)
    _set_truncation(folder / "tokenizer.json", length)


def _set_truncation(file: Path, length: int) -> None:
    if file.is_file():
        told = read_json(file)
        if told.get("truncation"):
            told["truncation"]["max_length"] = length
            file.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


def read_json(file: Path) -> Any:
    """The value in a file.

    Raises:
        ModelError: it is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} cannot be read: {error}.", "Copy the model again.") from error


def update_json(file: Path, **changed: Any) -> None:
    """Set keys of a JSON file; a missing file is made."""
    write_json(file, (read_json(file) if file.is_file() else {}) | changed)


def write_json(file: Path, value: Any) -> None:
    """Write a value, for people to read too."""
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
