"""Weights on disk as tensors by name, one at a time: safetensors files read and written without holding a model.

Format: https://github.com/huggingface/safetensors: eight bytes of length, a JSON header, the numbers. Tensors are read by
seeking and not by mapping the file, so that what was read counts once and is given back when the tensor is dropped.
A model's files share one name space: those of its first module keep their names, those of the others
(a ``Dense``) get their folder in front, as in ``2_Dense/linear.weight``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch

_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_FLOATS = {"F64", "F32", "F16", "BF16"}
_CODES = {name: code for code, name in _TORCH.items()}
_LONGEST_HEADER = 100_000_000  # as the library allows


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Attributes:
        path: its file.
        key: its name there.
        code: its number type, in safetensors' letters.
        shape: of the tensor.
        start: first byte in the file.
        end: one past the last.
    """

    path: Path
    key: str
    code: str
    shape: tuple[int, ...]
    start: int
    end: int


class ModelTensors(Mapping[str, "torch.Tensor"]):
    """Tensors that are read when they are asked for.

    Args:
        entries: where each lies.
        device: where to put them.
    """

    def __init__(self, entries: Mapping[str, Entry], device: str = "cpu") -> None:
        self.entries = dict(entries)
        self.device = device

    def __getitem__(self, name: str) -> torch.Tensor:
        return read_tensor(self.entries[name], self.device)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def floating_names(self) -> list[str]:
        """Names of the tensors that can be merged."""
        return [name for name, entry in self.entries.items() if entry.code in _FLOATS and entry.end > entry.start]

    def only(self, names: Iterable[str]) -> ModelTensors:
        """These tensors alone."""
        return ModelTensors({name: self.entries[name] for name in names}, self.device)


def read_entries(path: Path, prefix: str = "") -> dict[str, Entry]:
    """The header of a file.

    Raises:
        ModelError: it is no safetensors file, or cut short, or has a number type that cannot be merged.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _LONGEST_HEADER):
                raise ValueError(f"its header would be {length:,} bytes long")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {prefix + key: _entry(path, key, told, 8 + length) for key, told in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(f"The weights {path} cannot be read: {error}.", "Copy the model again.") from error
    if any(entry.end > size for entry in found.values()):
        raise ModelError(f"The weights {path} are cut short.", "Copy the model again.")
    odd = next((name for name, entry in found.items() if entry.code not in _TORCH), None)
    if odd:
        raise ModelError(f"{odd} in {path} is {found[odd].code}, which cannot be merged.", "Save it in bfloat16.")
    return found


def _entry(path: Path, key: str, told: Mapping[str, Any], origin: int) -> Entry:
    start, end = told["data_offsets"]
    return Entry(path, key, told["dtype"], tuple(told["shape"]), origin + start, origin + end)


def read_tensor(entry: Entry, device: str = "cpu") -> torch.Tensor:
    """One tensor, in memory of its own."""
    import torch

    kind = getattr(torch, _TORCH[entry.code])
    tensor = torch.empty(entry.shape, dtype=kind)
    if entry.end > entry.start:
        with entry.path.open("rb", buffering=0) as file:
            file.seek(entry.start)
            _fill(file, _bytes(tensor))
    return tensor if device == "cpu" else tensor.to(device)


def _fill(file: Any, target: memoryview) -> None:
    done = 0
    while done < len(target):  # one call of the system reads 2 GiB at most
        read = file.readinto(target[done:])
        if not read:
            raise ModelError(f"The weights {file.name} became shorter while they were read.", "Run it again.")
        done += read


def write_tensors(
    path: Path, layout: Sequence[tuple[str, str, tuple[int, ...]]], tensors: Iterable[torch.Tensor]
) -> None:
    """Write a file as its tensors come.

    Args:
        path: the file.
        layout: name, number type (torch's name) and shape of each, in their order.
        tensors: the numbers.
    """
    import torch

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, kind, shape in layout:
        size = int(torch.tensor(shape, dtype=torch.int64).prod()) * getattr(torch, kind).itemsize
        header[name] = {"dtype": _CODES[kind], "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)  # the numbers begin at a multiple of eight
    with path.open("wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(told)) + told)
        for (_, kind, _), tensor in zip(layout, tensors, strict=True):
            _write(file, _bytes(tensor.to("cpu", getattr(torch, kind)).contiguous()))


def _write(file: Any, source: memoryview) -> None:
    done = 0
    while done < len(source):
        done += file.write(source[done:])


def _bytes(tensor: torch.Tensor) -> memoryview:
    import torch

    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else memoryview(b"")


def kind_named(dtype: str) -> str:
    """PyTorch's name of a number type as people write it.

    Raises:
        UsageError: models are not stored in it.
    """
    short = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "half": "float16", "float": "float32"}
    found = short.get(dtype, dtype)
    if found not in ("float64", "float32", "float16", "bfloat16"):
        raise UsageError(f"There is no dtype {dtype!r}.", "There are float32, float16 and bfloat16.")
    return found


def kind_of(entry: Entry, dtype: str | None) -> str:
    """The number type that a tensor is written in: its own, or another where it is a floating one."""
    return dtype if dtype and entry.code in _FLOATS else _TORCH[entry.code]
