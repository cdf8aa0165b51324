"""Mean dependency distance: how far apart the words of a sentence are that hang together.

Source: the fourth complexity measure named in "Do We Need Domain-Specific Embedding Models?" (Tang and Yang, 2024, arXiv
2409.18511); the formula is Liu's (2008): in a sentence of n words the mean of |i - head(i)| over the n - 1 words that
have a head. Our choice: punctuation is removed before positions are counted, a text is the mean of its sentences.

A figure belongs to its parser: compare figures of one parser only. Long enumerations inflate it.
When to use it: in ``complexity_profile``, for any language with a parser. When not: on titles and fragments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vecloom.errors import BackendError, DataError, ModelError, ModelNotFoundError

PARSED_CHARACTERS = 100_000  # spaCy's parser needs memory in proportion to the text, and refuses 1,000,000


@dataclass(frozen=True, slots=True)
class ParsedSentence:
    """The dependency tree of a sentence.

    Attributes:
        heads: for each token the position of its head, counted from 1; 0 for the root.
        punctuation: for each token whether it is punctuation; empty where none is.
    """

    heads: Sequence[int]
    punctuation: Sequence[bool] = ()


class Parser(Protocol):
    """Anything that turns a text into dependency trees, one a sentence."""

    def __call__(self, text: str) -> Iterable[ParsedSentence]:
        """Parse a text."""
        ...


def dependency_distance(sentence: ParsedSentence) -> float | None:
    """Mean distance between a word and its head, in words; None where no word hangs on another.

    Punctuation is removed before positions are counted; a word that hangs on punctuation hangs on that one's head.

    Raises:
        DataError: a head lies outside the sentence or is the word itself, or ``punctuation`` has another length.
    """
    heads, marks = sentence.heads, sentence.punctuation or [False] * len(sentence.heads)
    if len(marks) != len(heads) or not all(0 <= head <= len(heads) and head != i for i, head in enumerate(heads, 1)):
        raise DataError(
            f"The parser gave heads {list(heads)} with {len(marks)} punctuation flags.",
            "Heads count from 1 to the number of tokens, 0 is the root, and every token has a flag.",
        )
    places = np.cumsum([not mark for mark in marks])
    distances = []
    for token, mark in enumerate(marks, 1):
        head = _word_above(token, heads, marks)
        if head and not mark:
            distances.append(abs(int(places[token - 1] - places[head - 1])))
    return sum(distances) / len(distances) if distances else None


def _word_above(token: int, heads: Sequence[int], marks: Sequence[bool]) -> int:
    head = heads[token - 1]
    for _ in heads:  # bounded, so that punctuation in a circle ends
        if not head or not marks[head - 1]:
            return head
        head = heads[head - 1]
    return 0


def mean_dependency_distance(sentences: Iterable[ParsedSentence]) -> float | None:
    """Mean over the sentences of a text that have a dependency; None where none has."""
    found = [distance for sentence in sentences if (distance := dependency_distance(sentence)) is not None]
    return math.fsum(found) / len(found) if found else None


class SpacyParser:
    """A ``Parser`` around a loaded spaCy pipeline; made by ``spacy_parser``."""

    def __init__(self, pipeline: Any, name: str) -> None:
        self.name = name
        self._pipeline = pipeline

    def __call__(self, text: str) -> list[ParsedSentence]:
        """Parse a text; long ones go in pieces of ``PARSED_CHARACTERS``."""
        return [_from_spacy(found) for piece in _pieces(text) for found in self._pipeline(piece).sents]


def spacy_parser(pipeline: str = "en_core_web_sm") -> SpacyParser:
    """A parser from an installed spaCy pipeline.

    spaCy's English pipelines do not follow Universal Dependencies: prepositions govern their nouns there, so distances
    are shorter than with a UD parser. Its pipelines for many other languages do.

    Raises:
        BackendError: spaCy is not installed.
        ModelNotFoundError: this pipeline is not installed.
        ModelError: the pipeline has no dependency parser.
    """
    import importlib

    try:
        spacy = importlib.import_module("spacy")
    except ImportError as error:
        what = "Dependency distance needs a parser, and spaCy is not installed."
        raise BackendError(what, "Install it with: pip install spacy") from error
    try:
        loaded = spacy.load(pipeline, exclude=["ner", "lemmatizer", "textcat"])
    except OSError as error:
        what = f"spaCy has no pipeline named {pipeline!r} here."
        raise ModelNotFoundError(what, f"Install it with: python -m spacy download {pipeline}") from error
    if not loaded.has_pipe("parser"):
        raise ModelError(f"The spaCy pipeline {pipeline!r} has no dependency parser.", "Choose one that has.")
    name, version = loaded.meta["name"], loaded.meta["version"]
    return SpacyParser(loaded, f"spaCy {loaded.meta['lang']}_{name} {version}")


def _from_spacy(sentence: Any) -> ParsedSentence:
    tokens = list(sentence)
    start = sentence.start
    # spaCy's root is its own head
    heads = [0 if token.head.i == token.i else token.head.i - start + 1 for token in tokens]
    marks = [bool(token.is_punct or token.is_space or token.dep_ == "punct") for token in tokens]
    return ParsedSentence(heads, marks)


def _pieces(text: str) -> list[str]:
    pieces = []
    while len(text) > PARSED_CHARACTERS:
        cut = text.rfind(" ", 0, PARSED_CHARACTERS) + 1 or PARSED_CHARACTERS
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]
