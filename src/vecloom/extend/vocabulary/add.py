"""A larger vocabulary: a corpus's frequent words that the tokenizer cuts into pieces, each as one token.

Those that save most tokens are added, each with the mean of its pieces' rows (Gee et al. 2022, arXiv:2402.09977, section 3).
Words are ``vecloom.text``'s: vowel signs belong to them. In scripts without blanks a word is a run of two to six letters that
occurs in different surroundings again and again and is not just part of a longer one (``vecloom.text.repeats``).

What a word saves is not estimated from its count and its pieces: the corpus is tokenised with and without it (``savings``). An
estimate misses what is around a word; what follows it may need a token more.

Words are added as whole words beside the model's vocabulary, so a text without any of them is cut, and embedded, exactly as
before; a WordPiece model that got them as ordinary tokens would also find them as beginnings of longer words, with a row that was
never trained for that. A run of a script without blanks is found inside longer runs, as nothing shows its borders.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecloom.errors import DataError
from vecloom.extend.vocabulary.rules import built, rules_of
from vecloom.extend.vocabulary.surfaces import Surfaces
from vecloom.text import is_unspaced, letters, repeats, spans
from vecloom.text.repeats import LONGEST
from vecloom.text.words import cluster_spans

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST = 5  # a rarer word's row would never be trained
SHORTEST = 3  # letters of a word in a script with blanks
_POOL = 2  # times as many words are tried as are wanted
_BATCH = 1000
_APOSTROPHES = ("'", "’")


@dataclass(frozen=True)
class Word:
    """A word to add.

    Attributes:
        text: as it is written, in small letters where the tokenizer lowers.
        count: how often the new tokenizer finds it in the corpus.
        pieces: how many tokens it is cut into without.
        saved: tokens that it saves in the corpus; over all words these add up to what the new tokenizer saves.
    """

    text: str
    count: int
    pieces: int
    saved: int


def frequent_words(tokenizer: Tokenizer, texts: Iterable[str], number: int, *, least: int = LEAST) -> list[Word]:
    """The words of a corpus that save most, the best first.

    Args:
        tokenizer: the model's.
        texts: of the corpus.
        number: how many words.
        least: how often a word has to occur.

    Raises:
        DataError: no word that is cut into pieces occurs so often, or none saves a token.
    """
    corpus = list(texts)
    pieces = _candidates(tokenizer, corpus, least)
    found = list(pieces)[: _POOL * number]
    while found:
        measured = [
            Word(text, count, pieces[text], saved)
            for text, (count, saved) in savings(tokenizer, with_words(tokenizer, found), found, corpus).items()
        ]
        measured.sort(key=lambda word: (-word.saved, word.text))
        good = [word for word in measured if word.count >= least and word.saved > 0][:number]
        if len(good) == len(found):
            return good
        found = [word.text for word in good]  # measured again: what others took falls to these
    raise DataError(
        f"No word that is cut into pieces occurs {least} times.", "Give a larger corpus, or a lower --least."
    )


def savings(
    before: Tokenizer, after: Tokenizer, words: Sequence[str], texts: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """How often each word is a token of its own in texts, and how many tokens that saves, by tokenising them twice.

    Args:
        before: the tokenizer without the words.
        after: the same with them.
        words: that ``after`` has as tokens.
        texts: any.

    Returns:
        word -> count and saved tokens. A token that is saved, or needed more, between two words counts for the first.
    """
    before, after = built(rules_of(before)), built(rules_of(after))
    vocabulary = after.get_vocab()
    ids = {vocabulary[word]: word for word in words}
    counts: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        sides = (side.encode_batch(batch, add_special_tokens=False) for side in (before, after))
        for old, new in zip(*sides, strict=True):
            places = [place for place, number in enumerate(new.ids) if number in ids]
            owners = [ids[new.ids[place]] for place in places]
            counts.update(owners)
            starts = [new.offsets[place][0] for place in places]
            for encoding, sign in ((old, 1), (new, -1)) if owners else ():
                for first, _ in encoding.offsets:
                    saved[owners[max(0, bisect_right(starts, first) - 1)]] += sign
    return {word: (counts[word], saved[word]) for word in words}


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """The tokenizer with whole words as tokens of their own, behind all others; ``tokenizer`` is not changed."""
    from tokenizers import AddedToken

    made = built(rules_of(tokenizer))
    spaced = _takes_spaces(Surfaces(tokenizer))
    normalized = tokenizer.normalizer is not None and not spaced
    added = []
    for word in words:
        whole = not is_unspaced(word)  # a run's neighbours are letters, too
        added.append(AddedToken(word, single_word=whole, lstrip=spaced and whole, normalized=normalized))
    made.add_tokens(added)
    return made


def _candidates(tokenizer: Tokenizer, texts: Sequence[str], least: int) -> dict[str, int]:
    """Words that are cut into pieces -> how many; those that seem to save most come first."""
    surfaces = Surfaces(tokenizer)
    lowers = None if _takes_spaces(surfaces) else tokenizer.normalizer
    written = Counter(word for text in texts for word in _whole_words(text))
    runs = [text[start:end] for text in texts for start, end in spans(text) if is_unspaced(text[start:end])]
    written.update(_repeated(Counter(runs)))
    counted, spelled = _by_normal_form(written, lowers)
    pieces: dict[str, int] = {}
    for normal, count in sorted(counted.items()):
        word = spelled[normal]
        if count < least or word in surfaces.ids:  # it would share that token's row
            continue
        cut = surfaces.cut(b" " * (not is_unspaced(word)) + word.encode())
        if len(cut) > 1 and surfaces.unknown not in (*cut, *tokenizer.encode(word, add_special_tokens=False).ids):
            pieces[word] = len(cut)
            counted[word] = count
    best = sorted(pieces, key=lambda word: -counted[word] * (pieces[word] - 1))
    joined = "\n".join(runs)
    return {word: pieces[word] for word in best if not (is_unspaced(word) and _loses_a_mark(word, joined))}


def _whole_words(text: str) -> Iterator[str]:
    """Words of scripts with blanks, without those with digits and those that an apostrophe or underscore goes on with."""
    for start, end in spans(text):
        word = text[start:end]
        if is_unspaced(word) or letters(word) < SHORTEST or any(letter.isdigit() for letter in word):
            continue
        behind = text[end : end + 2]
        goes_on = behind.startswith(_APOSTROPHES) and behind[1:].isalpha()  # doesn't, aujourd'hui
        if not goes_on and not behind.startswith("_") and text[start - 1 : start] != "_":
            yield word


def _repeated(runs: Counter[str]) -> Counter[str]:
    """How often each word of scripts without blanks occurs.

    A sentence that is there twice shows no words, so different runs are compared. A short run in which nothing comes again is a
    word itself.
    """
    known = repeats(list(runs))
    counted: Counter[str] = Counter()
    for run, count in runs.items():
        found = [part for part in _parts(run) if part in known]
        for part in found or [run] * (1 < letters(run) <= LONGEST):
            counted[part] += count
    return counted


def _parts(run: str) -> Iterator[str]:
    ends = [end for _, end in cluster_spans(run)]
    for start, begin in enumerate([0, *ends[:-1]]):
        yield from (run[begin:end] for end in ends[start + 1 : start + LONGEST])


def _by_normal_form(written: Counter[str], normalizer: Any) -> tuple[Counter[str], dict[str, str]]:
    """How often each normal form occurs, and its commonest spelling, in small letters where these have the same form."""
    counted: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for word, count in sorted(written.items(), key=lambda item: (-item[1], item[0])):
        normal = word if normalizer is None else str(normalizer.normalize_str(word))
        if normal.strip():
            counted[normal] += count
            small = word.lower()
            same = normalizer is not None and str(normalizer.normalize_str(small)) == normal
            spelled.setdefault(normal, small if same else word)
    return counted, spelled


def _loses_a_mark(run: str, joined: str) -> bool:
    """Whether a run of letters is found where a mark of its last letter follows."""
    import regex

    return regex.search(regex.escape(run) + r"\p{M}", joined) is not None


def _takes_spaces(surfaces: Surfaces) -> bool:
    """Whether a space belongs to the word behind it; then words are found in the text as it is written."""
    return surfaces.scheme in ("byte-level", "metaspace")
