"""How well a model's tokenizer reads a text: tokens per word, and how many of them stand for something unknown.

A tokenizer that was trained on a language gives 1.0 to 1.5 tokens a word. One that was not spells words letter by letter, or
gives up, and then the vectors say little. That can be seen before anything is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vecloom.text import word_count

if TYPE_CHECKING:
    from tokenizers import Tokenizer

READ_WELL, READ_BADLY = (
    1.5,
    2.0,
)  # tokens a word; a tokenizer for English gives English 1.0 to 1.7, Spanish 1.6 to 2.6
UNKNOWN_MOST = 0.5  # of the tokens; the vectors are worth nothing then
MANY_TOKENS = 3.0  # a word, at which a user is told
LOOKED_AT = 400  # characters of a text
_UNKNOWN = ("[UNK]", "<unk>", "<UNK>")


@dataclass(frozen=True, slots=True)
class Reading:
    """Of some texts: tokens a word, and the share of tokens that are unknown."""

    per_word: float
    unknown: float

    @property
    def familiar(self) -> float:
        """From 0, the model cannot read it, to 1, it was trained on the like."""
        spelled = (READ_BADLY - self.per_word) / (READ_BADLY - READ_WELL)
        return min(1.0, max(0.0, spelled)) * max(0.0, 1 - self.unknown / UNKNOWN_MOST)

    @property
    def bad(self) -> bool:
        """Whether the texts are hardly read at all."""
        return self.per_word > MANY_TOKENS or self.unknown > UNKNOWN_MOST


def reading(tokenizer: Tokenizer | None, texts: Iterable[str]) -> Reading | None:
    """How well texts are read; None where there is no tokenizer to ask, or no word."""
    if tokenizer is None:
        return None
    unknown = {tokenizer.token_to_id(name) for name in _UNKNOWN} - {None}
    tokens = strange = 0
    words = 0.0
    for text in texts:
        words += word_count(start := text[:LOOKED_AT])
        found = tokenizer.encode(start, add_special_tokens=False)
        ids = [number for number, real in zip(found.ids, found.attention_mask, strict=True) if real]
        tokens += len(ids)
        strange += sum(number in unknown for number in ids)
    return Reading(tokens / words, strange / max(1, tokens)) if words else None
