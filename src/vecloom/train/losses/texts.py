"""Which texts a batch holds, told from its tokens: for finding equal ones and for asking another model about them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def token_rows(features: Mapping[str, Any]) -> list[list[int]]:
    """The token ids of each text, without padding; from padded, flattened or bag-of-tokens input."""
    ids = features["input_ids"]
    if "cu_seq_lens_q" in features:  # texts laid end to end, for flash attention
        return _cut(ids[0].tolist(), features["cu_seq_lens_q"].tolist())
    if ids.ndim == 1:  # sentence-transformers' StaticEmbedding
        return _cut(ids.tolist(), [*features["offsets"].tolist(), len(ids)])
    mask = features.get("attention_mask")
    if mask is None:
        return [list(row) for row in ids.tolist()]
    kept = mask.bool().cpu().numpy()
    return [row[keep].tolist() for row, keep in zip(ids.cpu().numpy(), kept, strict=True)]


def digests(rows: Sequence[Sequence[int]]) -> Tensor:
    """(n,) int64: equal for equal rows of tokens, and different for different ones but with chance 2^-64."""
    found = [hashlib.blake2b(np.asarray(row, np.int64).tobytes(), digest_size=8).digest() for row in rows]
    return torch.from_numpy(np.frombuffer(b"".join(found), np.int64).copy())


def decode(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Texts of rows of tokens, without special tokens; a transformers or a tokenizers tokenizer."""
    rows = [list(row) for row in rows]
    if hasattr(tokenizer, "batch_decode"):
        return list(tokenizer.batch_decode(rows, skip_special_tokens=True))
    return list(tokenizer.decode_batch(rows, skip_special_tokens=True))


def _cut(ids: list[int], bounds: list[int]) -> list[list[int]]:
    return [ids[start:end] for start, end in itertools.pairwise(bounds)]
