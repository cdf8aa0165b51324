"""A digest of a document's content: a record whose digest has not changed need not be encoded again."""

from __future__ import annotations

import json
from hashlib import blake2b

from vecloom.data.records import Document


def content_hash(document: Document) -> str:
    """Return 32 hex digits (BLAKE2b, 128 bits) over id, text, title, pages and fields, whatever the fields' order.

    Where it was read from (source, position) does not count.
    """
    content: list[object] = [document.id, document.text, document.title, sorted(document.fields.items())]
    if document.pages:
        content.append(document.pages)
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # lone surrogates have no UTF-8 form; they must not stop a digest
    return blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
