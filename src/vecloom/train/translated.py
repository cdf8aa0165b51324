"""What machine translation does to training data, and to a vocabulary: found, counted, and put right where that is possible.

Source: the data of MahaSBERT and HindSBERT (Joshi et al. 2022, arXiv:2211.11187), translated from SNLI, MultiNLI and the STS
benchmark. Three things happen there:

- two different sentences become one: a pair of equal texts with a score below the highest, or a premise that contradicts itself;
- one sentence is written in two ways, composed and decomposed (a nukta after its consonant), so that equal texts look different;
- a sentence of the test stands in the training data, since two were translated alike.

And one happens to vocabularies: BERT's uncased normaliser deletes combining marks, among them the vowel signs of Indic scripts.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vecloom.errors import DataError, UsageError
from vecloom.wording import counted

_COLUMNS = 7  # of STSb's files: genre, file, year, number, score, sentence 1, sentence 2
_JOINERS = "\u200c\u200d"
_SHOWN = 3


class ScoredPair(NamedTuple):
    """Two sentences and how alike they are."""

    sentence1: str
    sentence2: str
    score: float


def normal(text: str) -> str:
    """A text in composed form (NFC), zero-width joiners kept: they carry meaning in Indic scripts."""
    return unicodedata.normalize("NFC", text)


def collapsed(first: str, second: str) -> bool:
    """Whether two texts are one after translation: equal but for case and white space."""
    one, two = (" ".join(normal(text).casefold().split()) for text in (first, second))
    return one == two


def read_stsb(path: Path, highest: float = 5.0) -> list[ScoredPair]:
    """Pairs of an STS benchmark file as L3Cube has them: tabs, no header, seven columns, quotation marks as they are.

    Args:
        path: the file.
        highest: of the scores, which come back as they are.

    Raises:
        DataError: a line has another number of columns, or a score is no number from 0 to ``highest``.
    """
    found = []
    csv.field_size_limit(1 << 27)
    with path.open(encoding="utf-8", newline="") as stream:
        for number, cells in enumerate(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if len(cells) != _COLUMNS:
                raise DataError(
                    f"{path}:{number} has {counted(len(cells), 'column')}, not {_COLUMNS}.", "Correct the line."
                )
            found.append(ScoredPair(cells[5], cells[6], _score(cells[4], highest, f"{path}:{number}")))
    return found


def without_leaks(test: Iterable[ScoredPair], train: Iterable[ScoredPair]) -> list[ScoredPair]:
    """The pairs of a test that the training data do not hold, in either order."""
    known = {_unordered(pair.sentence1, pair.sentence2) for pair in train}
    return [pair for pair in test if _unordered(pair.sentence1, pair.sentence2) not in known]


def lost_signs(normalise: Callable[[str], str], texts: Iterable[str]) -> Counter[str]:
    """Combining marks and joiners of texts that a normaliser deletes.

    Args:
        normalise: the tokenizer's, from text to text.
        texts: in any form.

    Returns:
        each mark and how often it went, counted in composed form, where a letter with an accent is one character and no mark.
    """
    lost: Counter[str] = Counter()
    for text in texts:
        given = normal(text)
        if any(_is_sign(letter) for letter in given):
            before, after = (Counter(filter(_is_sign, side)) for side in (given, normal(normalise(given))))
            lost += before - after
    return lost


def check_signs(tokenizer: Any, texts: Iterable[str], name: str) -> None:
    """Refuse a tokenizer that deletes vowel signs.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``.
        texts: of the language.
        name: of the model, for the message.

    Raises:
        UsageError: it does.
    """
    if tokenizer.normalizer is None:
        return
    lost = lost_signs(tokenizer.normalizer.normalize_str, texts)
    if lost:
        shown = ", ".join(f"U+{ord(sign):04X}" for sign, _ in lost.most_common(_SHOWN))
        raise UsageError(
            f"The tokenizer of {name} deletes {lost.total():,} signs of these texts, {shown} among them: words become others.",
            "Choose a model whose tokenizer has strip_accents off, or make one with vecloom.train.fresh.",
        )


def cleaned(
    rows: Iterable[tuple[int, dict[str, Any]]], first: str, second: str, wrong: Callable[[dict[str, Any]], bool]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows in composed form, without pairs of texts that collapsed into one against their label.

    Args:
        rows: (line, values).
        first: the column of one text.
        second: that of the other.
        wrong: whether a row's label denies that its texts are equal.
    """
    for line, values in rows:
        put = {name: normal(cell) if isinstance(cell, str) else cell for name, cell in values.items()}
        both = isinstance(put.get(first), str) and isinstance(put.get(second), str)
        if not (both and collapsed(put[first], put[second]) and wrong(put)):
            yield line, put


def sample(texts: Sequence[str], count: int = 2000) -> list[str]:
    """Some texts, spread over all."""
    return list(texts[:: max(1, len(texts) // count)])


def _is_sign(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter) in ("Mn", "Mc")


def _unordered(first: str, second: str) -> frozenset[str]:
    return frozenset((normal(first), normal(second)))


def _score(cell: str, highest: float, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= highest:
        raise DataError(f"{place}: the score is {cell!r}, not 0 to {highest:g}.", "Correct the line.")
    return value
