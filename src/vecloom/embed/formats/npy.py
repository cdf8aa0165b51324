"""``.npy``: one ``(n, width)`` array, rows in input order; ``numpy.load(OUT, mmap_mode="r")`` opens it at once.

An array has no room for names, so two files stand beside it: ``OUT.npy.rows.jsonl`` (id, source and position of each
row) and ``OUT.npy.json`` (model, kind, prompt, dtype, de-quantisation constants).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vecloom.embed.formats import lines
from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import Codes, storage
from vecloom.embed.rows import Row
from vecloom.files import atomic_path


def write_part(stem: Path, rows: Sequence[Row], codes: Codes, layout: Layout) -> list[Path]:
    """Write a part's vectors as raw numbers and its rows as lines."""
    with atomic_path(_numbers(stem)) as temporary:
        temporary.write_bytes(np.ascontiguousarray(codes).data)
    return [_numbers(stem), lines.write(_rows(stem), lines.records(rows, layout))]


def join(stems: Sequence[Path], folder: Path, layout: Layout, about: Mapping[str, Any]) -> dict[str, Path]:
    """Put the header before the parts' numbers."""
    target = folder / "joined.npy"
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        _header(file, int(about["rows"]), layout)
        for stem in stems:
            with _numbers(stem).open("rb") as part:
                shutil.copyfileobj(part, file, 2**20)
    return {
        ".json": lines.write(folder / "about.json", [json.dumps(about, indent=1)]),
        ".rows.jsonl": lines.concatenate(map(_rows, stems), folder / "joined.rows.jsonl"),
        "": target,
    }


def _header(file: BinaryIO, rows: int, layout: Layout) -> None:
    described = np.lib.format.dtype_to_descr(storage(layout.dtype))
    header = {"descr": described, "fortran_order": False, "shape": (rows, layout.width)}
    np.lib.format.write_array_header_1_0(file, header)


def _numbers(stem: Path) -> Path:
    return stem.with_name(stem.name + ".numbers")


def _rows(stem: Path) -> Path:
    return stem.with_name(stem.name + ".rows.jsonl")
