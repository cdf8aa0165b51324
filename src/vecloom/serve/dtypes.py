"""The numbers of an answer: float32, float16, codes of eight bits, or one bit for each dimension.

Names, bits and their order are those of Voyage's and Cohere's ``output_dtype``
(https://docs.voyageai.com/docs/flexible-dimensions-and-quantization). For ``(n, dim)`` vectors of length 1:

- ``int8``: ``value ~ scale * code`` with ``scale = min(1, 8 / sqrt(dim)) / 127``; ``uint8``: ``value ~ scale * (code - 128)``.
  The range is the same for every text and every request, or codes of two requests could not be compared; what lies beyond it
  saturates. Zero is a code, so products of int8 codes are those of the vectors times a constant.
- ``ubinary``: ``(n, ceil(dim / 8))`` uint8, bit 1 where the value is positive, first dimension in the highest bit, the last byte
  filled with zeros; ``binary``: the same less 128, as int8 (offset binary).
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from vecloom.embed.quantize import Codes, Int8Range, quantize, to_binary, to_int8
from vecloom.encoders.protocol import Vectors

OutputDtype: TypeAlias = Literal["float", "float16", "int8", "uint8", "binary", "ubinary"]

SPREAD = 8.0  # values of unit vectors spread like 1 / sqrt(dim); some models have dimensions that lie far out
OFFSET = np.uint8(128)  # between the signed and the unsigned code of the same bits


def scale(dim: int) -> float:
    """What one int8 code is worth, for unit vectors of ``dim`` dimensions."""
    return min(1.0, SPREAD / math.sqrt(dim)) / 127


def converted(vectors: Vectors, dtype: OutputDtype) -> Codes:
    """``(n, dim)`` unit vectors in the numbers that were asked for."""
    if dtype == "float":
        return vectors
    if dtype == "float16":
        return quantize(vectors, "float16")
    if dtype in {"int8", "uint8"}:
        codes = to_int8(vectors, _span(vectors.shape[1]))
        return codes if dtype == "int8" else codes.view(np.uint8) ^ OFFSET
    bits = to_binary(vectors)
    return bits if dtype == "ubinary" else (bits ^ OFFSET).view(np.int8)


def _span(dim: int) -> Int8Range:
    """A range whose code 0 stands for the value 0: codes reach half a step further than their values, and one more below."""
    step = scale(dim)
    return Int8Range(np.full(dim, -128.5 * step, np.float32), np.full(dim, 126.5 * step, np.float32))
