"""The normal form of a word: what two spellings of one word have in common.

A word is decomposed (Unicode NFKD), folded to lower case by Unicode's full case folding, freed of the marks that writers
leave out, and composed again (NFKC). What goes, by script:

- Latin, Greek: every accent. Letters that do not decompose are spelled with plain ones (ø o, æ ae, đ d, ł l, ı i).
- Cyrillic: the dots of ё and stress marks; й and ї are letters of their own and stay.
- Hebrew: points, cantillation, and the marks of abbreviations inside words. Arabic: vowel signs, hamza above or below its seat,
  tatweel; the Persian forms of yeh and kaf become the Arabic ones, alef maksura becomes yeh.
- Devanagari: the nukta. All other vowel signs and viramas of Indic and South-East Asian scripts are spelling and stay.
- Everywhere: soft hyphens, joiners, variation selectors. Decimal digits of every script become 0 to 9.

Vietnamese is the exception: folded, six words are one. ``keep_accents`` is its normal form, beside which an index has the folded
one for those who ask without accents.

Not folded: traditional and simplified Han, hiragana and katakana, ä and ae.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SPELLED = {
    "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "ĸ": "k", "ŋ": "n", "ȷ": "j", "æ": "ae",
    "œ": "oe", "þ": "th", "ɨ": "i", "ƒ": "f", "ⱥ": "a", "ǥ": "g",
    "ی": "ي", "ى": "ي", "ې": "ي", "ک": "ك", "ہ": "ه", "ە": "ه", "ٱ": "ا",
    "\u0640": "", "\u05f3": "", "\u05f4": "", '"': "", "'": "", "’": "",  # tatweel; marks of Hebrew abbreviations
}  # fmt: skip
_PLAIN = str.maketrans(_SPELLED)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]+"
)
_AS_THEY_ARE = re.compile(  # letters for which NFKC is all: kana, Han, Thai, Lao, Burmese, Khmer
    "[\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u103f\u1780-\u17b3\u17b6-\u17d2\u3005\u3041-\u309a\u30a1-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)
_TONES = re.compile("[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")  # horn, dot below, hook above, and tones over â, ê, ô, ă
_LOOSE = re.compile("[\u0300-\u0323]")
_CYRILLIC_VOWELS = frozenset("аеиоуыэюяієѣ")
_ROUNDS = 4  # of decomposing and case folding; two are enough for every character


@lru_cache(maxsize=2**16)
def fold(word: str) -> str:
    """The normal form of a word, or of any run of letters.

    >>> fold("Poincaré"), fold("STRASSE") == fold("Straße"), fold("İstanbul")
    ('poincare', True, 'istanbul')
    """
    if word.isascii():
        return word.lower()
    return fold_long(word)


def keep_accents(word: str) -> str:
    """The normal form of a word whose accents tell it apart from others, as the tones of Vietnamese do."""
    if word.isascii():
        return word.lower()
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold()))


def has_tones(text: str) -> bool:
    """Whether there is a letter in the text that Vietnamese has and its neighbours have not.

    >>> has_tones("Việt Nam"), has_tones("Việt Nam"), has_tones("Kraków")
    (True, True, False)
    """
    if text.isascii():
        return False
    return _TONES.search(unicodedata.normalize("NFC", text) if _LOOSE.search(text) else text) is not None


def fold_long(text: str) -> str:
    """``fold`` of a text that is not worth remembering."""
    text = unicodedata.normalize("NFKC", text)
    if _AS_THEY_ARE.fullmatch(text):
        return text
    for _ in range(_ROUNDS):
        folded = _folded(text)
        if folded == text:
            break
        text = folded
    return text


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _INVISIBLE.sub("", plain).translate(_PLAIN)
    if plain.isascii():
        return plain
    return unicodedata.normalize("NFKC", "".join(_without_marks(plain)))


def _without_marks(plain: str) -> list[str]:
    kept: list[str] = []
    base = ""
    for letter in plain:
        kind = unicodedata.category(letter)
        if kind in ("Mn", "Me"):
            if kind == "Mn" and not _is_left_out(letter, base):
                kept.append(letter)
            continue
        base = letter
        kept.append(str(unicodedata.decimal(letter)) if kind == "Nd" else letter)
    return kept


def _is_left_out(mark: str, base: str) -> bool:
    """Whether writers of the base letter's script leave the mark out."""
    if "\u0591" <= mark <= "\u05c7" or "\u064b" <= mark <= "\u065f" or mark in "\u0670\u06df\u06e1\u093c":
        return True  # Hebrew, Arabic, nukta
    if base < "\u0400" or "\u1e00" <= base < "\u2000" or "\u2c60" <= base < "\u2c80" or "\ua720" <= base < "\ua800":
        return True  # Latin and Greek; also a mark without a letter
    if base < "\u0530":
        stress = mark in "\u0300\u0301" and base in _CYRILLIC_VOWELS
        return stress or (mark == "\u0308" and base == "е")
    return False
