"""Smaller vectors: float16, int8 with a range per dimension, and one bit per dimension.

Formulas are those of sentence-transformers' ``quantize_embeddings``, so both libraries give the same bytes:

- int8: ``step = (high - low) / 255`` per dimension, ``q = clip(floor((x - low) / step), 0, 255) - 128``. A code stands
  for the middle of its interval, ``x ~ offset + scale * q`` with ``scale = step`` and ``offset = low + 128.5 * step``,
  so a value inside the range comes back within half a step; one outside saturates at the nearest end.
- binary: bit 1 where ``x > 0``, eight dimensions a byte, first dimension in the highest bit (``numpy.packbits``).

Shapes: vectors ``(n, dim)`` float32; codes ``(n, dim)``, for binary ``(n, ceil(dim / 8))`` uint8.
When to use which: float16 halves the size at no cost that search can measure; int8 quarters it, with a small one;
binary takes 1/32 of it and is meant for a first pass that another score refines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Dtype: TypeAlias = Literal["float32", "float16", "int8", "binary"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
Floats: TypeAlias = npt.NDArray[np.float32]
Codes: TypeAlias = npt.NDArray[Any]
"""float32, float16, int8 or (binary) uint8, after the dtype asked for."""

LEVELS = 255  # steps between the lowest and the highest int8 code


@dataclass(frozen=True)
class Int8Range:
    """The value range that int8 codes span, per dimension.

    Attributes:
        low: float32 ``(dim,)``, the value where code -128 begins.
        high: float32 ``(dim,)``, the value where code 127 begins.
    """

    low: Floats
    high: Floats

    @property
    def scale(self) -> Floats:
        """float32 ``(dim,)``: what one code is worth; 0 where a dimension is constant."""
        return (self.high - self.low) / np.float32(LEVELS)

    @property
    def offset(self) -> Floats:
        """float32 ``(dim,)``: the value that code 0 stands for."""
        return self.low + np.float32(128.5) * self.scale

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; ``from_dict`` gives back the very same floats."""
        return {
            "formula": "value = offset + scale * code",
            "scale": self.scale.tolist(),
            "offset": self.offset.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Int8Range:
        """Undo ``as_dict``."""
        return cls(np.array(data["low"], dtype=np.float32), np.array(data["high"], dtype=np.float32))


def calibrate(vectors: Floats) -> Int8Range:
    """Take the smallest and largest value of each dimension of ``(n, dim)`` vectors; zeros where ``n`` is 0."""
    if not len(vectors):
        nothing = np.zeros(vectors.shape[1], dtype=np.float32)
        return Int8Range(nothing, nothing)
    return Int8Range(vectors.min(axis=0), vectors.max(axis=0))


def to_int8(vectors: Floats, span: Int8Range) -> npt.NDArray[np.int8]:
    """Code ``(n, dim)`` float32 vectors as int8 of the same shape; values outside ``span`` saturate."""
    step = np.where(span.scale == 0, np.float32(1), span.scale)
    codes = np.clip(np.floor((vectors - span.low) / step), 0, LEVELS)
    return np.asarray(codes - 128, dtype=np.int8)


def from_int8(codes: npt.NDArray[np.int8], span: Int8Range) -> Floats:
    """Turn ``(n, dim)`` int8 codes back into float32, each into the middle of its interval."""
    return np.asarray(span.offset + span.scale * codes, dtype=np.float32)


def to_binary(vectors: Floats) -> npt.NDArray[np.uint8]:
    """Pack the signs of ``(n, dim)`` vectors into uint8 ``(n, ceil(dim / 8))``; zero counts as negative."""
    return np.packbits(vectors > 0, axis=-1)


def from_binary(codes: npt.NDArray[np.uint8], dim: int) -> Floats:
    """Turn packed signs back into ``(n, dim)`` float32 vectors of length 1 with entries ``+-1/sqrt(dim)``."""
    bits = np.unpackbits(codes, axis=-1, count=dim)
    return (bits.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(dim))


def width(dim: int, dtype: Dtype) -> int:
    """Numbers stored per vector of ``dim`` dimensions."""
    return -(-dim // 8) if dtype == "binary" else dim


def storage(dtype: Dtype) -> np.dtype[Any]:
    """The NumPy dtype of the stored numbers."""
    return np.dtype(np.uint8 if dtype == "binary" else dtype)


def quantize(vectors: Floats, dtype: Dtype, span: Int8Range | None = None) -> Codes:
    """Store ``(n, dim)`` float32 vectors as ``dtype``.

    Args:
        vectors: float32, ``(n, dim)``.
        dtype: one of ``DTYPES``.
        span: the int8 range; taken from ``vectors`` themselves where it is None.
    """
    if dtype == "int8":
        return to_int8(vectors, calibrate(vectors) if span is None else span)
    if dtype == "binary":
        return to_binary(vectors)
    return np.ascontiguousarray(vectors, dtype=np.dtype(dtype))


def dequantize(codes: Codes, dtype: Dtype, *, dim: int, span: Int8Range | None = None) -> Floats:
    """Turn stored numbers back into float32 ``(n, dim)``.

    Raises:
        ValueError: int8 codes without the range that they were made with.
    """
    if dtype == "int8":
        if span is None:
            raise ValueError("int8 codes need the Int8Range that they were made with")
        return from_int8(codes, span)
    if dtype == "binary":
        return from_binary(codes, dim)
    return np.asarray(codes, dtype=np.float32)
