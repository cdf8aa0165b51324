"""What a step of stage 2 trains on: texts, and a tokenizer made from the substrings of these and the texts before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecloom.errors import DataError
from vecloom.extend.vocabulary.surfaces import Surfaces
from vecloom.extend.zett.corpus import Stream
from vecloom.extend.zett.forms import Forms
from vecloom.extend.zett.sampling import (
    SubstringQueue,
    noise_deviation,
    sample_vocabulary,
    substring_scores,
    surface,
    unigram_tokenizer,
)
from vecloom.extend.zett.settings import Settings
from vecloom.wording import counted

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Form: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """One step's texts under one tokenizer.

    Attributes:
        texts: n of them.
        used: for each text the surface forms of its tokens, special ones aside.
        shared: forms of tokens of the tokenizer that the source has too, for the auxiliary loss.
    """

    texts: list[str]
    used: list[list[Form]]
    shared: list[Form]


class Examples:
    """Examples by their number; each depends on the texts, the settings and its number alone.

    Args:
        texts: passages.
        source: of the model's tokenizer.
        vocabulary: V, the model's rows.
        room: tokens of a text at most, special ones aside.
        settings: of the training.
    """

    def __init__(self, texts: Sequence[str], source: Surfaces, vocabulary: int, room: int, settings: Settings) -> None:
        self._settings, self._room = settings, room
        self._normalizer = character_normalizer(source)
        self._forms = Forms(source, vocabulary, settings.length)
        self._stream = Stream(texts, settings.batch_size, settings.seed)
        self._queue = SubstringQueue(max(1, settings.queue_texts // self._stream.batch_size))
        self._next: int | None = None

    def draw(self, number: int) -> Example:
        """The example of a step of stage 2, counted from 0.

        Raises:
            DataError: none of its texts has a token.
        """
        tokenizer = self.tokenizer(number)
        texts = self.texts(number)
        cut = [found.ids[: self._room] for found in tokenizer.encode_batch(texts, add_special_tokens=False)]
        kept = [place for place, ids in enumerate(cut) if ids]
        if not kept:
            raise DataError(
                f"A batch of {counted(len(texts), 'text')} holds nothing but control signs.", "Clean the corpus."
            )
        ids = tokenizer.get_vocab()
        tokens = sorted(ids, key=ids.__getitem__)
        used = [[self._forms[surface(tokens[place])] for place in cut[text]] for text in kept]
        return Example([texts[place] for place in kept], used, self._shared(tokens, self._generator(number, 1)))

    def texts(self, number: int) -> list[str]:
        """The texts of an example: the latest that the queue takes in, which is filled before the first one."""
        return self._stream.batch(number + self._queue.batches - 1)

    def tokenizer(self, number: int) -> Tokenizer:
        """The tokenizer of an example; in order each takes one batch more in, out of order the queue is filled anew."""
        settings, latest = self._settings, number + self._queue.batches - 1
        first = latest if self._next == number else latest - self._queue.batches + 1
        for batch in range(first, latest + 1):
            texts = self._stream.batch(batch)
            self._queue.push(substring_scores(texts, self._normalizer, settings.longest, settings.stride))
        self._next = number + 1
        generator = self._generator(number, 0)
        noisy = settings.noise_centre > 0
        deviation = noise_deviation(generator, settings.noise_centre, settings.noise_spread) if noisy else 0.0
        size, longest = settings.vocabulary_size, settings.longest
        return unigram_tokenizer(
            sample_vocabulary(self._queue.total, size, generator, deviation, longest), self._normalizer
        )

    def _shared(self, tokens: Sequence[str], generator: np.random.Generator) -> list[Form]:
        """As many tokens as the auxiliary loss wants, drawn evenly."""
        wanted = self._settings.auxiliary_tokens or len(tokens)
        found: list[Form] = []
        for place in generator.permutation(len(tokens)).tolist():
            spelled = surface(tokens[place])
            if self._forms.shared(spelled):
                found.append(self._forms[spelled])
                if len(found) == wanted:
                    break
        return found

    def _generator(self, number: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._settings.seed, number, purpose))


def character_normalizer(source: Surfaces) -> Any:
    """What a tokenizer does to characters (lowering, accents), or None; SentencePiece's also marks blanks, and is left out."""
    return None if source.scheme == "metaspace" else source.tokenizer.normalizer
