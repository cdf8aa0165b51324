"""A model directory as the merge sees it: its tensors, files and pipeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vecloom.encoders.layouts import kind_of
from vecloom.encoders.resolve import resolve
from vecloom.errors import ModelError
from vecloom.files import file_digest, text_digest
from vecloom.merge.weights import Entry, ModelTensors, read_entries
from vecloom.runtime.directory import ModelSpec, read_spec

_KINDS = ("transformer", "static")


@dataclass(frozen=True)
class ModelDirectory:
    """A model on disk.

    Attributes:
        name: as it was given.
        path: its directory.
        kind: "transformer" or "static".
        modules: class names of its pipeline.
        spec: what the directory says of itself; None for static ones.
        weights_path: folder of the first module.
        files: its weights files, and under which prefix their tensors go.
        tensors: read when asked for.
    """

    name: str
    path: Path
    kind: str
    modules: tuple[str, ...]
    spec: ModelSpec | None
    weights_path: Path
    files: tuple[tuple[Path, str], ...]
    tensors: ModelTensors

    @property
    def config(self) -> dict[str, Any]:
        """The first module's config.json."""
        return dict(self.spec.config) if self.spec else {}

    def digest(self) -> str:
        """Hex digest of all weights: SHA-256 of the file, or a digest of several files' SHA-256."""
        each = [file_digest(path) for path, _ in self.files]
        return each[0] if len(each) == 1 else text_digest(json.dumps(each))


def open_model(name: str, device: str = "cpu") -> ModelDirectory:
    """Find a model and read the headers of its weights.

    Raises:
        ModelNotFoundError: there is none of this name.
        ModelError: it has no weights that can be merged, or its files are broken.
    """
    path = resolve(name)
    kind = kind_of(path)
    if kind not in _KINDS:
        raise ModelError(f"{name} is a {kind} model: it has no weights to merge.", "Give transformers or token tables.")
    modules = _modules(path)
    folders = [path / str(module.get("path", "")) for module in modules]
    files: list[tuple[Path, str]] = []
    for place, folder in enumerate(folders):
        prefix = f"{folder.name}/" if place else ""
        files += [(file, prefix) for file in _weight_files(folder, required=place == 0)]
    entries: dict[str, Entry] = {}
    for file, prefix in files:
        entries |= read_entries(file, prefix)
    return ModelDirectory(
        name=name,
        path=path,
        kind=kind,
        modules=tuple(str(module["type"]).rsplit(".", 1)[-1] for module in modules),
        spec=read_spec(path) if kind == "transformer" else None,
        weights_path=folders[0],
        files=tuple(files),
        tensors=ModelTensors(entries, device),
    )


def _modules(path: Path) -> list[dict[str, Any]]:
    file = path / "modules.json"
    if not file.is_file():
        return [{"type": "Transformer", "path": ""}]
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [dict(module) for module in found]
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{file} cannot be read: {error}.", "Copy the model again.") from error


def _weight_files(folder: Path, *, required: bool) -> Sequence[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(f"{index} cannot be read: {error}.", "Copy the model again.") from error
        return [_present(folder / shard) for shard in shards]
    if (folder / "pytorch_model.bin").is_file():
        raise ModelError(
            f"{folder} has its weights as a pickle, which vecloom does not open.", "Save the model as safetensors."
        )
    if required:
        raise ModelError(f"{folder} has no weights (model.safetensors).", "Copy or download the model again.")
    return []


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"The shard {path} is missing.", "Copy or download the model again.")
    return path
