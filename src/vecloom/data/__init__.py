"""Records in: readers for files and folders, chunks that fit a model, digests that tell what changed.

Floor: above ``errors`` and ``files``, beside ``runtime``; everything that takes documents builds on it.
"""

from __future__ import annotations

from vecloom.data.chunks import Chunker
from vecloom.data.fields import FieldMap
from vecloom.data.formats import FORMATS
from vecloom.data.hashing import content_hash
from vecloom.data.reader import read
from vecloom.data.records import Chunk, Document, FieldValue, Scalar
from vecloom.data.report import ReadReport
from vecloom.data.sources import input_bytes

__all__ = [
    "FORMATS",
    "Chunk",
    "Chunker",
    "Document",
    "FieldMap",
    "FieldValue",
    "ReadReport",
    "Scalar",
    "content_hash",
    "input_bytes",
    "read",
]
