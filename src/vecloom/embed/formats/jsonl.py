"""``.jsonl``: one object a line, ``{"id", "source", "position", "vector": [...]}``; ``OUT.jsonl.json`` tells of them.

Numbers have the fewest digits that give back the same float32. For int8 and binary the vector holds the codes. When to
use it: to look at vectors, or for tools that read nothing else; it is four times the size of parquet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vecloom.embed.formats import lines
from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import Codes
from vecloom.embed.rows import Row


def write_part(stem: Path, rows: Sequence[Row], codes: Codes, layout: Layout) -> list[Path]:
    """Write a part as final lines, so that joining only copies bytes."""
    both = zip(lines.records(rows, layout), lines.number_lists(codes), strict=True)
    return [lines.write(_part(stem), (f'{record[:-1]}, "vector": [{numbers}]}}' for record, numbers in both))]


def join(stems: Sequence[Path], folder: Path, layout: Layout, about: Mapping[str, Any]) -> dict[str, Path]:
    """Concatenate the parts; the vectors' description goes into a file of its own."""
    return {
        ".json": lines.write(folder / "about.json", [json.dumps(about, indent=1)]),
        "": lines.concatenate(map(_part, stems), folder / "joined.jsonl"),
    }


def _part(stem: Path) -> Path:
    return stem.with_name(stem.name + ".jsonl")
