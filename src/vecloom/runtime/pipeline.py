"""The way of texts through a session: tokenised ahead of the computing, batched, run, put back in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vecloom.runtime.batching import Batch, Floats, Skip, batches
from vecloom.runtime.borders import prompt_tokens
from vecloom.runtime.session import Session

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLOCK_CHARACTERS = 128 * 1024  # tokenised at once: enough to pack well, little enough to overlap with computing
BLOCK_TEXTS = 8192
CHARACTERS_PER_TOKEN = 64  # a text is first cut to this much per token of the limit; see ``TokenSource``


@dataclass
class TokenSource:
    """Turns texts into token ids, cut to a limit.

    Attributes:
        tokenizer: with padding off; its truncation is set to ``max_length``.
        max_length: tokens, special ones included.
        truncated: how many texts have been cut so far.
    """

    tokenizer: Tokenizer
    max_length: int
    truncated: int = 0

    def __post_init__(self) -> None:
        self.tokenizer.enable_truncation(self.max_length)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one each.

        A very long text is cut by characters first: what lies far beyond the limit would be read only to be dropped. Where the
        cut leaves fewer tokens than the limit (a text of long words or of blanks), the whole text is read after all.
        """
        return [encoding.ids or [0] for encoding in self._cut(texts, self.tokenizer.encode_batch_fast)]

    def tokenize_prompted(self, texts: Sequence[str], border: int) -> tuple[list[list[int]], npt.NDArray[np.int64]]:
        """Token ids of texts after a prompt of ``border`` characters, and how many of each text are the prompt's: (n,)."""
        encodings = self._cut(texts, self.tokenizer.encode_batch)
        skip = [
            prompt_tokens([end for _, end in encoding.offsets], encoding.special_tokens_mask, border)
            for encoding in encodings
        ]
        return [encoding.ids or [0] for encoding in encodings], np.array(skip, np.int64)

    def _cut(self, texts: Sequence[str], encode: Callable[[list[str]], list[Any]]) -> list[Any]:
        most = self.max_length * CHARACTERS_PER_TOKEN
        encodings = list(encode([text[:most] for text in texts]))
        short = [i for i, text in enumerate(texts) if len(text) > most and not encodings[i].overflowing]
        for i, encoding in zip(short, encode([texts[i] for i in short]), strict=True):
            encodings[i] = encoding
        self.truncated += sum(1 for encoding in encodings if encoding.overflowing)
        return encodings


def run_texts(
    texts: Sequence[str],
    *,
    source: TokenSource,
    session: Session,
    pooling: str,
    skip: int = 0,
    border: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Floats:
    """Pooled vectors of texts.

    Args:
        texts: n >= 1 strings that have a UTF-8 form, best without repetitions.
        source: the tokenizer.
        session: the network.
        pooling: one of ``batching.POOLINGS``.
        skip: leading tokens that pooling leaves out.
        border: leading characters that pooling leaves out, instead: tokens that end within them.
        progress: called with the number of texts that were finished.

    Returns:
        (n, width) float32 pooled vectors, in input order.
    """

    def layout() -> Iterator[Batch]:
        for start, stop in blocks(texts):
            tokens: list[list[int]]
            left_out: Skip
            if border:
                tokens, left_out = source.tokenize_prompted(texts[start:stop], border)
            else:
                tokens, left_out = source.tokenize(texts[start:stop]), skip
            for batch in _batches(tokens, session, pooling, left_out):
                yield batch.shifted(start)

    return _collect(layout(), len(texts), session, progress)


def run_tokens(tokens: Sequence[Sequence[int]], *, session: Session, pooling: str) -> Floats:
    """Pooled vectors of n >= 1 complete id sequences, special tokens included: (n, width) float32."""
    return _collect(_batches(tokens, session, pooling, 0), len(tokens), session, None)


def _batches(tokens: Sequence[Sequence[int]], session: Session, pooling: str, skip: Skip) -> Iterator[Batch]:
    return batches(
        tokens, pooling=pooling, packing=session.packing, parallel=session.parallel, cells=session.cells, skip=skip
    )


def _collect(layout: Iterator[Batch], count: int, session: Session, progress: Callable[[int], None] | None) -> Floats:
    """Run batches and put their vectors where they belong."""
    out: list[Floats] = []

    def emit(batch: Batch, vectors: Floats) -> None:
        if not out:  # the width is known from the first batch on
            out.append(np.empty((count, vectors.shape[1]), np.float32))
        out[0][batch.items] = vectors
        if progress:
            progress(len(batch.items))

    session.run(layout, emit, single=count == 1)
    return out[0]


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Bounds of runs of texts of about ``BLOCK_CHARACTERS``; the first is a quarter, so that computing begins soon."""
    start, size, most = 0, 0, BLOCK_CHARACTERS // 4
    for index, text in enumerate(texts):
        size += len(text)
        if size >= most or index - start + 1 >= BLOCK_TEXTS:
            yield start, index + 1
            start, size, most = index + 1, 0, BLOCK_CHARACTERS
    if start < len(texts):
        yield start, len(texts)


def cosine_rows(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    """Cosine of each row of ``a`` (n, d) with the same row of ``b`` (n, d): (n,) float64."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny))
