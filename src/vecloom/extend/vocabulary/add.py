"""A larger vocabulary: a corpus's frequent words that the tokenizer cuts into pieces, each as one token.

A word saves ``count * (pieces - 1)`` tokens; those that save most are added, each with the mean of its pieces' rows
(Gee et al. 2022, arXiv:2402.09977, section 3). They are added as whole words beside the model's vocabulary, so a text without any
of them is cut, and embedded, exactly as before; a WordPiece model that got them as ordinary tokens would also find them as
beginnings of longer words, with a row that was never trained for that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vecloom.errors import DataError
from vecloom.extend.vocabulary.rules import built, rules_of
from vecloom.extend.vocabulary.surfaces import Surfaces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST = 5  # a rarer word's row would never be trained
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Word:
    """A word to add.

    Attributes:
        text: as the tokenizer's normaliser writes it.
        count: how often it occurs.
        pieces: how many tokens it is cut into.
    """

    text: str
    count: int
    pieces: int

    @property
    def saved(self) -> int:
        """Tokens that it saves in the corpus."""
        return self.count * (self.pieces - 1)


def frequent_words(tokenizer: Tokenizer, texts: Iterable[str], number: int, *, least: int = LEAST) -> list[Word]:
    """The words of a corpus that save most, the best first.

    Args:
        tokenizer: the model's.
        texts: of the corpus.
        number: how many words.
        least: how often a word has to occur.

    Raises:
        DataError: no word occurs so often in more than one piece.
    """
    surfaces = Surfaces(tokenizer)
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(_WORD.findall(_normal(tokenizer, text)))
    offered = []
    for text, count in counted.items():
        pieces = surfaces.cut(b" " + text.encode()) if count >= least else ()
        if len(pieces) > 1 and surfaces.unknown not in pieces:
            offered.append(Word(text, count, len(pieces)))
    if not offered:
        raise DataError(
            f"No word that is cut into pieces occurs {least} times.", "Give a larger corpus, or a lower --least."
        )
    return sorted(offered, key=lambda word: (-word.saved, word.text))[:number]


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """The tokenizer with whole words as tokens of their own, behind all others; ``tokenizer`` is not changed."""
    from tokenizers import AddedToken

    made = built(rules_of(tokenizer))
    spaced = Surfaces(tokenizer).scheme in ("byte-level", "metaspace")  # there a space belongs to the word behind it
    normalized = tokenizer.normalizer is not None and not spaced
    made.add_tokens([AddedToken(word, single_word=True, lstrip=spaced, normalized=normalized) for word in words])
    return made


def _normal(tokenizer: Tokenizer, text: str) -> str:
    if tokenizer.normalizer is None:
        return text
    return str(tokenizer.normalizer.normalize_str(text)).replace("▁", " ")
