"""How an index's words are made: the terms of its chunks, the languages that they are stemmed in, and a query's terms.

The language of each chunk is given, or found from its commonest words, with that of its batch as the usual one. The index
remembers the languages that it met: a query, too short to tell its own, looks for each word's stems in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vecloom.errors import UsageError
from vecloom.text import LANGUAGES, joined_stems, language_of, query_stems

LACKS = (
    "Its words are those of an older vecloom: stop words, words of more than 40 bytes and parts of Chinese, Japanese or Thai "
    "words are not found, nor are other spellings of accents."
)
_LOOKED_AT = 150  # words of a chunk that tell its language
_SAMPLE = 64  # chunks of a batch that tell what is usual
_TELLING = 0.25  # of them must be of one language
_RARE, _MANY = 0.01, 100  # share of a batch below which a language counts as a mistake, in batches of so many chunks


def check(language: str | None) -> None:
    """Refuse a language that there is no rule for.

    Raises:
        UsageError: it is not one of ``LANGUAGES``.
    """
    if language is not None and language not in LANGUAGES:
        raise UsageError(
            f"There is no language {language!r}.",
            f"Use one of {', '.join(LANGUAGES)}; texts in other scripts than Latin need none.",
        )


def languages_of(cut: Sequence[list[str]], usual: str) -> list[str]:
    """The language of each passage.

    Args:
        cut: the passages' words, of one batch.
        usual: the language that counts where none of them shows one; "" where nothing is known yet.
    """
    first = [one[:_LOOKED_AT] for one in cut]
    commonest = _commonest(first[:: max(1, len(first) // _SAMPLE)]) or usual or "en"
    found = [language_of(one, commonest) for one in first]
    counts = Counter(found)
    rare = {name for name, count in counts.items() if len(found) >= _MANY and count < _RARE * len(found)}
    return [commonest if name in rare else name for name in found]


def _commonest(some: Sequence[list[str]]) -> str:
    """The language of texts taken together, which titles tell too; where that is undecided, that of most of them."""
    if together := language_of([word for one in some for word in one]):
        return together
    counts = Counter(found for one in some if (found := language_of(one)))
    name, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return name if count >= _TELLING * len(some) else ""


def terms_of(cut: Sequence[list[str]], languages: Sequence[str]) -> list[str]:
    """What the word index holds of each passage: its terms, joined by blanks."""
    return [joined_stems(one, language) for one, language in zip(cut, languages, strict=True)]


def query_terms(query: str, languages: Sequence[str]) -> str:
    """What the word index is asked for."""
    return " ".join(query_stems(query, languages))
