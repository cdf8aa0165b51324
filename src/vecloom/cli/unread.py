"""Say once that a model can hardly read the texts: their script or language is not one that its tokenizer was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vecloom.encoders.reading import LOOKED_AT, UNKNOWN_MOST, Reading, reading
from vecloom.text import word_count

if TYPE_CHECKING:
    from vecloom.data import Document
    from vecloom.encoders.protocol import Encoder

SAMPLE = 100  # documents that are looked at
LEAST = 3  # words; a rare name alone has many tokens in every language


class Noted:
    """Documents on their way, of which the first ones' texts are kept."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self.texts: list[str] = []

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            if len(self.texts) < SAMPLE:
                self.texts.append(document.text)
            yield document


def told(encoder: Encoder | None, texts: Iterable[str]) -> str:
    """The sentence, or "" where the model reads the texts or nobody knows."""
    long_enough = [text for text in texts if word_count(text[:LOOKED_AT]) >= LEAST]
    read = reading(encoder.tokenizer, long_enough) if encoder is not None else None
    if encoder is None or read is None or not read.bad:
        return ""
    return (
        f"{encoder.name} can hardly read this language: {_how(read)}. "
        "A multilingual model (-m) would help; until then search by words, --mode keyword."
    )


def _how(read: Reading) -> str:
    if read.unknown > UNKNOWN_MOST:
        return f"{read.unknown:.0%} of its tokens are unknown to it"
    return f"it needs {read.per_word:.1f} tokens a word"
