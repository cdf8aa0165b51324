"""Output formats, one module each: how a part is written and how parts become the output.

A part is one or more files that share a stem; the job's marker beside them says that they are whole. ``join`` streams
the parts, so its memory is that of one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from vecloom.embed.formats import jsonl, npy, parquet
from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import Codes
from vecloom.embed.rows import Row

About: TypeAlias = Mapping[str, Any]


class Format(Protocol):
    """What a format's module has to offer."""

    def write_part(self, stem: Path, rows: Sequence[Row], codes: Codes, layout: Layout) -> list[Path]:
        """Write one part as files ``stem`` + something and return them."""
        ...

    def join(self, stems: Sequence[Path], folder: Path, layout: Layout, about: About) -> dict[str, Path]:
        """Join parts into files in ``folder``; keys are what follows the output's name ("" is the output itself)."""
        ...


FORMATS: dict[str, Format] = {".parquet": parquet, ".npy": npy, ".jsonl": jsonl}
