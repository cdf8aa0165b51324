"""Texts -> bags of token ids, fast: every whitespace-separated word is tokenised once and remembered.

A subword tokenizer spends about 1.5 microseconds a token, mostly on words it has met before. Where the tokenizer's
own rules make a space a border that nothing looks across (BERT and its kin: see ``splits_at_spaces``), the ids of a
text are exactly the ids of its words one after the other, so a dictionary from word to ids replaces it, at about a
tenth of the time. Any other tokenizer is run on the whole texts.

Shapes: a ``Bags`` holds the ids of n texts end to end, ``ids[offsets[i]:offsets[i + 1]]`` being those of text i.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, chain
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.texts import all_readable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Together about 60 MB of memory at most; Zipf's law makes a refill after forgetting cheap.
MOST_WORDS = 250_000
MOST_CHARACTERS = 8_000_000

# Each of these works on single characters or on runs that end at a space.
_LOCAL_NORMALIZERS = {"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD"}
_SPACE_SPLITTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_LOCAL_SPLITTERS = _SPACE_SPLITTERS | {"Punctuation", "Digits"}

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bags:
    """Token ids of n texts: ``ids`` int32 ``(total,)``, ``offsets`` int64 ``(n + 1,)``."""

    ids: Ids
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Offsets:
        """Number of tokens of each text, int64 ``(n,)``."""
        return np.diff(self.offsets)

    def first(self, most: int) -> Bags:
        """Keep at most the first ``most`` tokens of each text."""
        counts = self.counts
        if not len(self) or counts.max() <= most:
            return self
        place = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], counts)
        return self._where(place < most)

    def without(self, token: int) -> Bags:
        """Remove every occurrence of one id."""
        keep = self.ids != token
        return self if keep.all() else self._where(keep)

    def _where(self, keep: npt.NDArray[np.bool_]) -> Bags:
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return Bags(self.ids[keep], kept_before[self.offsets])


def splits_at_spaces(rules: Mapping[str, Any]) -> bool:
    """Whether a tokenizer (its JSON) gives for ``"a b"`` always the ids of ``"a"`` and then those of ``"b"``.

    True only for combinations of parts that are known to be local; anything unknown answers False.
    """
    normalizers = {part["type"] for part in _parts(rules.get("normalizer"), "normalizers")}
    splitters = _parts(rules.get("pre_tokenizer"), "pretokenizers")
    kinds = {part["type"] for part in splitters if not _marks_every_word(part)}
    added = [token["content"] for token in rules.get("added_tokens", ())]
    return (
        normalizers <= _LOCAL_NORMALIZERS
        and kinds <= _LOCAL_SPLITTERS
        and bool(splitters)
        and splitters[0]["type"] in _SPACE_SPLITTERS
        and not any(character.isspace() for content in added for character in content)
        and not rules["model"].get("dropout")
    )


def gather_runs(values: Ids, starts: Offsets, counts: Offsets) -> Ids:
    """Concatenate ``values[s:s + c]`` for each start and count, without a Python loop."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return np.asarray(values[places])


def tokenize(tokenizer: Tokenizer, texts: list[str]) -> Bags:
    """Run the tokenizer over whole texts, without special tokens."""
    try:
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    except TypeError:  # what tokenizers raises for a lone surrogate
        encodings = tokenizer.encode_batch_fast(all_readable(texts), add_special_tokens=False)
    rows = [encoding.ids for encoding in encodings]
    offsets = np.fromiter(accumulate(map(len, rows), initial=0), dtype=np.int64, count=len(rows) + 1)
    return Bags(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(offsets[-1])), offsets)


class Bagger:
    """Turn texts into ``Bags`` with one tokenizer; safe to call from several threads.

    Args:
        tokenizer: truncation and padding must be off.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.remembers = splits_at_spaces(json.loads(tokenizer.to_str()))
        self._lock = Lock()
        self._places = _Places()
        self._known = _nothing()

    def __call__(self, texts: list[str]) -> Bags:
        """Tokenise without special tokens."""
        if not self.remembers or not texts:
            return tokenize(self.tokenizer, texts)
        spaces = np.fromiter((text.count(" ") for text in texts), dtype=np.int64, count=len(texts))
        word_offsets = np.concatenate([[0], np.cumsum(spaces + 1)])
        with self._lock:
            words = self._look_up(" ".join(texts).split(" "))
            known = self._known
            if len(self._places) > MOST_WORDS or self._places.characters > MOST_CHARACTERS:
                self._forget()
        counts = known.counts[words]
        token_offsets = np.concatenate([[0], np.cumsum(counts)])
        return Bags(gather_runs(known.ids, known.offsets[words], counts), token_offsets[word_offsets])

    def _look_up(self, words: list[str]) -> npt.NDArray[np.int64]:
        """Place of each word in ``self._known``, which grows by those that are new."""
        if len(self._places) != len(self._known):  # an interrupt came between the two
            self._forget()
        places = np.fromiter(map(self._places.__getitem__, words), dtype=np.int64, count=len(words))
        if self._places.new:
            found = tokenize(self.tokenizer, self._places.new)
            ids = np.concatenate([self._known.ids, found.ids])
            self._known = Bags(ids, np.concatenate([self._known.offsets, found.offsets[1:] + len(self._known.ids)]))
            self._places.new = []
        return places

    def _forget(self) -> None:
        self._places = _Places()
        self._known = _nothing()


class _Places(dict[str, int]):
    """A word's ordinal; a word that is asked for the first time gets the next one and is noted in ``new``.

    ``__missing__`` lets ``map(places.__getitem__, words)`` run in C for the words that are known.
    """

    def __init__(self) -> None:
        self.new: list[str] = []
        self.characters = 0

    def __missing__(self, word: str) -> int:
        place = self[word] = len(self)
        self.new.append(word)
        self.characters += len(word)
        return place


def _nothing() -> Bags:
    return Bags(np.empty(0, np.int32), np.zeros(1, np.int64))


def _parts(step: Mapping[str, Any] | None, key: str) -> list[Mapping[str, Any]]:
    """A tokenizer step as a flat list of its parts."""
    if step is None:
        return []
    if step["type"] != "Sequence":
        return [step]
    return list(chain.from_iterable(_parts(part, key) for part in step[key]))


def _marks_every_word(part: Mapping[str, Any]) -> bool:
    """Metaspace that puts its mark before each piece; with "first" the first word would differ from the others."""
    return part["type"] == "Metaspace" and part.get("prepend_scheme") == "always"
