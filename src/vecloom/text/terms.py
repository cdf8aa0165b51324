"""Terms: what words are counted, indexed and compared as.

- A word of a script with blanks is one term, its normal form.
- A run of a script without blanks gives its characters (letters with their marks) and each two neighbours: 東京都 is 東, 京, 都,
  東京, 京都. So a word inside a longer run is found without a dictionary. So does a run of Hangul, whose particles are written
  onto the words. Measured against ICU's dictionaries, nDCG@10: Chinese 96.6 against 96.0, Thai 96.1 against 96.2
  (xquad), Japanese 76.3 against 70.8 (captions of one picture, jsts-ja).
- A word that a hyphen cuts at a line's end is there in one piece as well.

``stems`` goes on to cut endings, by Snowball's stemmer of the text's language, or of the script where one language is likely.
Marks are folded before stemming, on both sides, so that an accent that is left out changes nothing. Turkish, whose stemmer
needs the accents, keeps the first five letters of a word (Can et al., JASIST 2008, find that as good as a stemmer); Arabic the
first five of a stem. On xquad, in chunks: Turkish 94.3 against 92.3, Arabic 93.3 against 92.3 with the stop words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any

from vecloom.text.folding import fold, fold_long, has_tones, keep_accents
from vecloom.text.languages import STEMMERS
from vecloom.text.words import clusters, is_unspaced, words

RULES = 1  # of what is a term; raised with every change, as indexes and fitted models hold terms
_STOP_WORDS = """
    a an and are as at be but by for if in into is it no not of on or such that the their then there these they
    this to was will with"""
_ARABIC_STOP_WORDS = """
    من في على إلى عن ما ماذا متى أين كيف كم هل هو هي التي الذي الذين هذا هذه ذلك تلك أو أن إن كان كانت مع لم لا لن قد
    بعد قبل عند بين كل أي و ثم حيث لماذا يكون تكون تم"""
STOP_WORDS = frozenset([*_STOP_WORDS.split(), *map(fold, _ARABIC_STOP_WORDS.split())])  # English: Lucene's classic list
_FIRST = {"turkish": 5, "arabic": 5}  # letters that are kept of a word or a stem: many endings, one after another
_CUT = re.compile(r"([^\W\d_]+)[-\u2010\u00ad][ \t]*\r?\n\s*([^\W\d_]+)")
_REMEMBERED = 2**17  # words of one language whose terms are kept
_LONG = 64  # letters; longer words are not worth keeping


def terms(text: str) -> list[str]:
    """The terms of a text, in its order, not stemmed.

    >>> terms("Zoë's 東京")
    ['zoe', 's', '東', '京', '東京']
    """
    return _joined(cut(text), _toned() if has_tones(text) else _plain()).split()


def stems(text: str, language: str = "en") -> list[str]:
    """The terms of a text, stemmed.

    Args:
        text: any.
        language: of its words in Latin letters, one of ``languages.LANGUAGES``; others are not stemmed.

    >>> stems("running indexes", "en"), stems("книгами")
    (['run', 'index'], ['книг'])
    """
    return joined_stems(cut(text), language).split()


def cut(text: str) -> list[str]:
    """The words that terms are made of: those of the text, in small letters where that is quick, and mended ones."""
    found = words(text.lower() if text.isascii() else text)
    return found + _mended(text) if "\n" in text else found


def joined_stems(cut_words: list[str], language: str) -> str:
    """``stems`` of a text that is ``cut`` already, joined by blanks."""
    return _joined(cut_words, _stemming(language))


def query_stems(text: str, languages: Iterable[str]) -> list[str]:
    """What to look for: each word's stems in all languages of the texts, each once.

    English and Arabic stop words are left out where other words remain: a long question is answered by the words that tell
    something. Words in capitals (IT, WHO) are not stop words unless all is in capitals.
    """
    if has_tones(text):
        languages = ["toned" if language == "vi" else language for language in languages]
    kinds = [_stemming(language) for language in languages] or [_stemming("")]
    found: list[str] = []
    for word in [*_telling(words(text)), *_mended(text)]:
        found += dict.fromkeys(term for kind in kinds for term in kind[word].split())
    return found


def _telling(written: list[str]) -> list[str]:
    shouted = all(word == word.upper() for word in written)
    telling = [
        word
        for word in written
        if fold(word) not in STOP_WORDS or (len(word) > 1 and not shouted and word == word.upper())
    ]
    return telling or written


def _joined(cut_words: list[str], known: _Terms) -> str:
    return " ".join(map(known.__getitem__, cut_words))


def _mended(text: str) -> list[str]:
    """Words that a hyphen cuts at a line's end, in one piece."""
    return [first + second for first, second in _CUT.findall(text) if not second[0].isupper()]


class _Terms(dict[str, str]):
    """A word's terms, joined by blanks; made when first asked for."""

    def __init__(self, stem: Callable[[str], str], fold: Callable[[str], str] = fold) -> None:
        super().__init__()
        self._stem = stem
        self._fold = fold

    def __missing__(self, word: str) -> str:
        if is_unspaced(word):
            return " ".join(_pairs(fold_long(word)))
        found = self._of(word)
        if len(word) <= _LONG:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[word] = found
        return found

    def _of(self, word: str) -> str:
        if word.isascii():
            return self._stem(word.lower())
        found: list[str] = []
        for part in words(self._fold(word)):  # mostly one; ligatures and fractions fall apart
            found += _pairs(part) if is_unspaced(part) or _is_hangul(part) else [self._stem(part)]
        return " ".join(found)


class _WithTones(_Terms):
    def _of(self, word: str) -> str:
        folded, kept = super()._of(word), keep_accents(word)
        return folded if kept == folded else f"{folded} {kept}"


def _is_hangul(word: str) -> bool:
    return "\uac00" <= word[0] <= "\ud7a3"


def _pairs(run: str) -> list[str]:
    letters = clusters(run)
    return letters + [first + second for first, second in pairwise(letters)]


@cache
def _plain() -> _Terms:
    return _Terms(str)


@cache
def _toned() -> _Terms:
    return _Terms(str, keep_accents)


@cache
def _stemming(language: str) -> _Terms:
    """A document in Vietnamese has each word with its tones and without; a query with tones asks for the former."""
    if language == "toned":
        return _toned()
    return _WithTones(_Stemming(language)) if language == "vi" else _Terms(_Stemming(language))


class _Stemming:
    """A folded word's stem; the stemmer follows from the word's script, and for Latin letters from the language."""

    def __init__(self, language: str) -> None:
        self._latin = STEMMERS.get(language)
        self._lock = Lock()  # a stemmer holds state while it works

    def __call__(self, word: str) -> str:
        name = _script_stemmer(word[0]) if word[0] > "\u0250" else self._latin
        if name is None:
            return word
        if name == "turkish":
            return word[: _FIRST[name]]
        with self._lock:
            stem = str(_stemmer(name).stemWord(word)) or word
        return stem[: _FIRST.get(name)]


def _script_stemmer(letter: str) -> str | None:
    for first, last, name in (
        ("\u0370", "\u03ff", "greek"),
        ("\u0400", "\u052f", "russian"),
        ("\u0530", "\u058f", "armenian"),
        ("\u0600", "\u06ff", "arabic"),
        ("\u0900", "\u097f", "hindi"),
        ("\u0b80", "\u0bff", "tamil"),
    ):
        if first <= letter <= last:
            return name
    return None


@cache
def _stemmer(name: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(name, 0)
