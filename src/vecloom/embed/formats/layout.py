"""What every format has to know about the rows that it writes."""

from __future__ import annotations

from dataclasses import dataclass

from vecloom.embed.quantize import Dtype


@dataclass(frozen=True)
class Layout:
    """Shape and columns of an output.

    Attributes:
        dim: dimensions of a vector.
        width: numbers per vector (for binary, bytes).
        dtype: how they are stored.
        with_text: write the text that was encoded too.
        with_fields: write the record's other fields too, as JSON.
    """

    dim: int
    width: int
    dtype: Dtype
    with_text: bool = False
    with_fields: bool = False
