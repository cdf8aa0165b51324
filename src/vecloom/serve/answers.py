"""Vectors as bytes of an answer, made a few rows at a time so that a large answer does not hold up the others."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import orjson
from starlette.responses import Response

from vecloom.embed.quantize import Codes
from vecloom.encoders.protocol import Vectors

Encoding: TypeAlias = Literal["float", "base64"]
ROWS = 64  # 384 numbers each take a millisecond or two


def json_response(content: Any, headers: dict[str, str] | None = None) -> Response:
    """A small answer."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), 200, headers, "application/json")


async def in_pieces(count: int, piece: Callable[[int, int], Any]) -> bytes:
    """The JSON list that ``piece(start, stop)`` gives parts of: without its brackets' repetition, in one."""
    parts = []
    for start in range(0, count, ROWS):
        part = orjson.dumps(piece(start, min(start + ROWS, count)), option=orjson.OPT_SERIALIZE_NUMPY)
        parts.append(part[1:-1])
        if count > ROWS:
            await asyncio.sleep(0)
    return b"[" + b",".join(parts) + b"]"


async def rows(vectors: Vectors) -> bytes:
    """``(n, d)`` vectors as JSON lists."""
    return await in_pieces(len(vectors), lambda start, stop: vectors[start:stop])


async def openai_data(numbers: Codes, encoding: Encoding) -> bytes:
    """OpenAI's ``data``: one object for each row, its numbers as JSON or as base64 of their bytes, little-endian."""
    stored = numbers.dtype.newbyteorder("<")

    def written(row: Codes) -> Any:
        return row if encoding == "float" else base64.b64encode(row.astype(stored, copy=False).tobytes()).decode()

    return await in_pieces(
        len(numbers),
        lambda start, stop: [
            {"object": "embedding", "index": start + i, "embedding": written(row)}
            for i, row in enumerate(numbers[start:stop])
        ],
    )
