"""How hard a set of texts is: word entropy, Gunning Fog index and mean dependency distance.

Source: "Do We Need Domain-Specific Embedding Models? An Empirical Investigation" (Tang and Yang, 2024, arXiv 2409.18511).
The paper names four measures: the error rate of a chat model (see ``llm_error``), information entropy, readability and
mean dependency distance (see ``dependency``). The formulas here are our choice, because the paper's are not known to us:
Shannon entropy in bits of the word distribution, per text and of a sample of fixed size; the Gunning Fog index (Gunning,
1952) with syllables counted as groups of vowels. The averages beside them (words per sentence, letters and syllables per
word) are those that the authors tabulate.

Words are lower-cased runs of letters, which may hold apostrophes. Entropy per text is mostly the logarithm of the text's
length: compare data sets by the entropy of the sample. Fog means little for titles and one-line queries, and nothing
for scripts without Latin vowels. Dependency distance depends on the parser: compare figures of one parser only.
When to use it: before blaming a model for low scores on a domain, see whether its texts are simply harder. When not: as a
judgement of single texts.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.domain.dependency import Parser, mean_dependency_distance
from vecloom.text import is_unspaced, letters, sentences, spoken_words

MEASURES = ("entropy", "fog", "mdd")
COMPLEX_SYLLABLES = 3  # Gunning's "hard words"

_VOWELS = re.compile(r"[aeiouy]+")
_NO_PARSER = "No dependency parser was given."
_NO_WORD_BORDERS = "This script puts no spaces between words, so words need a tokenizer."
_NO_VOWELS = "Syllables are counted by Latin vowels, and most words here are not in Latin letters."
_NO_SENTENCES = "The parser found no sentence of two words or more."

Tokenizer = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ComplexityProfile:
    """How hard a set of texts is; a measure that could not be taken is None and ``missing`` says why.

    Attributes:
        texts: texts with at least one word; the others are counted in ``empty_texts`` and left out.
        empty_texts: texts without a word.
        words: words in all texts.
        words_per_sentence: over all sentences; None where blanks do not tell words.
        letters_per_word: over all words, marks not counted; None as before.
        syllables_per_word: over all words.
        entropy_text: bits; the mean over texts of each text's own word entropy. Grows with the texts' length.
        entropy_sample: bits; word entropy of ``sampled_words`` words drawn from all texts. Compare sets by this one.
        sampled_words: size of that sample; smaller than asked where the texts have fewer words.
        fog: Gunning Fog index, mean over texts; about the years of school that a reader needs.
        mdd: mean dependency distance in words: mean over sentences, then over texts.
        parser: name of the parser behind ``mdd``.
        missing: measure -> reason why it is None.
        seed: of the sample.
    """

    texts: int
    empty_texts: int
    words: int
    words_per_sentence: float | None
    letters_per_word: float | None
    syllables_per_word: float | None = None
    entropy_text: float | None = None
    entropy_sample: float | None = None
    sampled_words: int = 0
    fog: float | None = None
    mdd: float | None = None
    parser: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    def measures(self) -> dict[str, float]:
        """The measures that could be taken, by name: what ``domain_gap`` wants for a data set."""
        names = ("entropy_text", "entropy_sample", "fog", "mdd")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def words_of(text: str) -> list[str]:
    """The lower-cased words of a text: runs of letters with their marks, with apostrophes inside them."""
    return spoken_words(text.lower())


def sentences_of(text: str) -> list[str]:
    """The sentences of a text that hold a word (``vecloom.text.sentences``)."""
    return [part for part in sentences(text) if spoken_words(part)]


def word_entropy(words: Iterable[str]) -> float:
    """Shannon entropy of the words' distribution in bits, H = -sum p log2 p; 0 where there are none."""
    counts = sorted(Counter(words).values())
    return _entropy_of_counts(counts)


def _entropy_of_counts(counts: Sequence[int]) -> float:
    total = sum(counts)
    return max(0.0, -math.fsum(count / total * math.log2(count / total) for count in counts if count))


def sampled_entropy(words: Iterable[str], size: int, seed: int = 0) -> float:
    """Entropy in bits of ``size`` words drawn without replacement; of all words where there are no more.

    The draw sees how often each word occurs and nothing else, so the order of the texts changes nothing.
    """
    counts = Counter(words)
    ordered = np.array([counts[word] for word in sorted(counts)], np.int64)
    if ordered.sum() > size:
        ordered = np.random.default_rng(seed).multivariate_hypergeometric(ordered, size, method="marginals")
    return _entropy_of_counts(sorted(ordered.tolist()))


@lru_cache(maxsize=2**16)
def syllables(word: str) -> int:
    """Syllables of a lower-case word: groups of vowels, one less for a final e that is not -le, at least 1.

    A rule, not the truth: it counts "reported" as three. Accented vowels are vowels, and é is not silent.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    groups = len(_VOWELS.findall(plain))
    silent = unicodedata.normalize("NFC", word).endswith("e") and not plain.endswith("le")
    return max(groups - silent, 1)


def fog_index(text: str) -> float:
    """Gunning Fog index 0.4 (words / sentences + 100 complex / words), complex: words of three syllables or more.

    Raises:
        DataError: the text has no word.
    """
    words = words_of(text)
    if not words:
        raise DataError(f"The text {text[:40]!r} has no word.", "Give a text with words.")
    return _fog(words, len(sentences_of(text)))


def _fog(words: Sequence[str], sentences: int) -> float:
    hard = sum(syllables(word) >= COMPLEX_SYLLABLES for word in words)
    return 0.4 * (len(words) / max(sentences, 1) + 100 * hard / len(words))


def complexity_profile(
    texts: Iterable[str],
    *,
    measures: Sequence[str] = MEASURES,
    parser: Parser | None = None,
    tokenizer: Tokenizer | None = None,
    sample_tokens: int = 5000,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ComplexityProfile:
    """Measure how hard a set of texts is.

    Args:
        texts: of one data set; a few hundred are enough. Their order does not matter.
        measures: which of "entropy", "fog" and "mdd" to take.
        parser: for "mdd"; without one it is None.
        tokenizer: text -> words, for scripts without spaces; words are lower-cased runs of letters by default.
        sample_tokens: words in the sample for ``entropy_sample``; only figures of equal size can be compared.
        seed: of that sample.
        progress: called with 1 after each text.

    Raises:
        DataError: no text holds a word.
        UsageError: a measure is unknown, or ``sample_tokens`` is below 1.
    """
    _check(texts, measures, sample_tokens)
    tally = _Tally(tokenizer or words_of, parser if "mdd" in measures else None)
    for text in texts:
        tally.add(text)
        if progress:
            progress(1)
    if not tally.words:
        raise DataError(f"None of the {tally.empty} texts holds a word.", "Give texts with words.")
    missing: dict[str, str] = {}
    entropies = _entropies(tally, measures, tokenizer, sample_tokens, seed, missing)
    latin = _share_of_scripts(tally.words, ("LATIN",)) >= 0.5
    spoken = math.fsum(syllables(word) * count for word, count in sorted(tally.words.items())) if latin else None
    total = tally.words.total()
    cut = tokenizer is not None or not _mostly_unspaced(tally.words)
    if not cut:
        missing["words"] = _NO_WORD_BORDERS
    return ComplexityProfile(
        texts=tally.texts,
        empty_texts=tally.empty,
        words=total,
        words_per_sentence=total / tally.sentences if cut else None,
        letters_per_word=sum(letters(word) * count for word, count in tally.words.items()) / total if cut else None,
        syllables_per_word=None if spoken is None else spoken / total,
        fog=_fog_of(tally, measures, latin, missing),
        mdd=_mdd_of(tally, measures, missing),
        parser=getattr(parser, "name", type(parser).__name__) if tally.parser else None,
        missing=missing,
        seed=seed,
        **entropies,
    )


def _check(texts: Iterable[str], measures: Sequence[str], sample_tokens: int) -> None:
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown or isinstance(measures, str):
        raise UsageError(f"measures={measures!r} is not possible.", f"Choose from {', '.join(MEASURES)}.")
    if sample_tokens < 1:
        raise UsageError(f"sample_tokens={sample_tokens} is not possible.", "Use 1 or more; 5000 is usual.")
    if isinstance(texts, str):
        raise UsageError("complexity_profile got one string, but it takes texts.", "Write complexity_profile([text]).")


class _Tally:
    """What is gathered from the texts, one after another."""

    def __init__(self, tokenizer: Tokenizer, parser: Parser | None) -> None:
        self.tokenizer, self.parser = tokenizer, parser
        self.texts = self.empty = self.sentences = 0
        self.words: Counter[str] = Counter()
        self.entropies: list[float] = []
        self.fogs: list[float] = []
        self.distances: list[float] = []

    def add(self, text: str) -> None:
        words = [word for word in self.tokenizer(text) if word]
        if not words:
            self.empty += 1
            return
        sentences = max(len(sentences_of(text)), 1)
        self.texts += 1
        self.sentences += sentences
        self.words.update(words)
        self.entropies.append(word_entropy(words))
        self.fogs.append(_fog(words, sentences))
        distance = mean_dependency_distance(self.parser(text)) if self.parser else None
        if distance is not None:
            self.distances.append(distance)


def _entropies(
    tally: _Tally, measures: Sequence[str], tokenizer: Tokenizer | None, size: int, seed: int, missing: dict[str, str]
) -> dict[str, Any]:
    if "entropy" not in measures:
        return {}
    if tokenizer is None and _mostly_unspaced(tally.words):
        missing["entropy"] = _NO_WORD_BORDERS
        return {}
    return {
        "entropy_text": math.fsum(tally.entropies) / tally.texts,
        "entropy_sample": sampled_entropy(tally.words, size, seed),
        "sampled_words": min(size, tally.words.total()),
    }


def _fog_of(tally: _Tally, measures: Sequence[str], latin: bool, missing: dict[str, str]) -> float | None:
    if "fog" not in measures:
        return None
    if not latin:
        missing["fog"] = _NO_VOWELS
        return None
    return math.fsum(tally.fogs) / tally.texts


def _mdd_of(tally: _Tally, measures: Sequence[str], missing: dict[str, str]) -> float | None:
    if "mdd" not in measures:
        return None
    if not tally.distances:
        missing["mdd"] = _NO_SENTENCES if tally.parser else _NO_PARSER
        return None
    return math.fsum(tally.distances) / len(tally.distances)


def _mostly_unspaced(words: Counter[str]) -> bool:
    return sum(count for word, count in words.items() if is_unspaced(word)) >= 0.5 * words.total()


def _share_of_scripts(words: Counter[str], scripts: tuple[str, ...]) -> float:
    """Share of the words whose first letter's Unicode name begins with one of ``scripts``."""
    return sum(count for word, count in words.items() if _script(word[0]).startswith(scripts)) / words.total()


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "")
