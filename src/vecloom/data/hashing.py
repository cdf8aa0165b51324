"""A digest of a document's content: a record whose digest has not changed need not be encoded again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from vecloom.data.records import Document

if TYPE_CHECKING:
    from vecloom.data.records import Vector


def content_hash(document: Document) -> str:
    """Return 32 hex digits (BLAKE2b, 128 bits) over id, text, title, pages, fields and vector, whatever the fields' order.

    Where it was read from (source, position) does not count.
    """
    content: list[object] = [document.id, document.text, document.title, sorted(document.fields.items())]
    if document.pages:
        content.append(document.pages)
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # lone surrogates have no UTF-8 form; they must not stop a digest
    digest = blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16)
    if document.vector is not None:
        digest.update(b"\0" + _bytes(document.vector))
    return digest.hexdigest()


def _bytes(vector: Vector | Sequence[float]) -> bytes:
    import numpy as np

    return np.asarray(vector, dtype="<f4").tobytes()
