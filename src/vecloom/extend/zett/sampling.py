"""Random tokenizers, drawn from the texts that a step trains on.

Source: ZeTT (Minixhofer, Ponti, Vulic 2024, arXiv:2405.07883), section 3.3 and algorithm 1. Text and tokenizer are drawn
dependently: the substrings of the last 2,048 texts are counted, the counts disturbed by noise, and the best ones become a
UnigramLM. Tokens are byte strings, spelled with byte-level BPE's letters, so that any text can be written.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecloom.extend.vocabulary.surfaces import byte_letters

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Scores: TypeAlias = Counter[str]
Vocabulary: TypeAlias = list[tuple[str, float]]

LETTERS = byte_letters()
BYTES = {letter: byte for byte, letter in LETTERS.items()}
BLANK = LETTERS[ord(" ")]
NEVER = -1e5  # the log-probability of what noise has pushed below 0


def substring_scores(texts: Iterable[str], normalizer: Any = None, longest: int = 15, stride: int = 4) -> Scores:
    """Frequency times length of the substrings of texts.

    Args:
        texts: cut into words by GPT-2's expression: letters, numbers, other signs, blanks; a word keeps the blank before it.
        normalizer: of the ``tokenizers`` library, applied first, or None.
        longest: letters (bytes) of a substring at most.
        stride: substrings begin at every ``stride``-th letter of a word.

    Returns:
        substring, in byte-level letters, to score.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    split = ByteLevel(add_prefix_space=True, use_regex=True).pre_tokenize_str
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in split(normalizer.normalize_str(text) if normalizer else text))
    scores: Scores = Counter()
    for word, count in words.items():
        for start in range(0, len(word), stride):
            for end in range(start + 1, min(len(word), start + longest) + 1):
                scores[word[start:end]] += count * (end - start)
    return scores


class SubstringQueue:
    """The scores of the last batches of texts, summed.

    Args:
        batches: how many are held; the oldest one leaves when another comes.
    """

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.total: Scores = Counter()
        self._held: deque[Scores] = deque()

    def push(self, scores: Scores) -> None:
        """Take one batch in."""
        self._held.append(scores)
        self.total.update(scores)
        if len(self._held) > self.batches:
            for substring, score in self._held.popleft().items():
                rest = self.total[substring] - score
                if rest:
                    self.total[substring] = rest
                else:
                    del self.total[substring]


def noise_deviation(generator: np.random.Generator, centre: float = 1e-5, spread: float = 4.0) -> float:
    """A step's standard deviation of the noise: log-normal around ``centre``."""
    return float(np.exp(generator.normal(math.log(centre), spread)))


def sample_vocabulary(
    scores: Mapping[str, float], size: int, generator: np.random.Generator, deviation: float, runs: int = 15
) -> Vocabulary:
    """The best substrings after noise, as a unigram model's vocabulary.

    ``p = score / sum``, plus N(0, deviation); what falls to 0 or below has log-probability -1e5. All 256 bytes are in it,
    those that were not among the best with the lowest log-probability, and so are runs of 2 to ``runs`` blanks, with 0.

    Args:
        scores: of substrings.
        size: tokens.
        generator: draws the noise; equal scores and an equal state give an equal vocabulary, in whatever order scores are held.
        deviation: of the noise; 0 for none.
        runs: longest run of blanks that is one token.

    Returns:
        ``size`` pairs of token and log-probability, the likeliest first; fewer where there are too few substrings.
    """
    blanks = [BLANK * length for length in range(2, runs + 1)]
    fixed = {*blanks, *BYTES}
    tokens = sorted(scores)
    share = np.array([scores[token] for token in tokens], float)
    share = share / max(share.sum(), 1e-300) + generator.normal(0.0, 1.0, len(tokens)) * deviation
    logs = np.where(share > 0, np.log(np.maximum(share, 1e-300)), NEVER)
    best = [(tokens[place], float(logs[place])) for place in np.argsort(-share, kind="stable")]
    room = size - len(fixed)
    longer = [pair for pair in best if pair[0] not in fixed][: max(room, 0)]
    lowest = min((log for _, log in longer), default=NEVER)
    known = dict(best)
    single = [(letter, max(known.get(letter, lowest), lowest)) for letter in BYTES]
    return [*((run, 0.0) for run in blanks), *sorted([*longer, *single], key=lambda pair: -pair[1])]


def unigram_tokenizer(vocabulary: Vocabulary, normalizer: Any = None) -> Tokenizer:
    """A tokenizer of the ``tokenizers`` library that cuts words by the likeliest pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.Unigram(vocabulary, None, False))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    made.decoder = decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    return made


def sample_unigram_tokenizer(
    texts: Sequence[str], size: int = 32_768, *, deviation: float = 0.0, seed: int = 0, normalizer: Any = None
) -> Tokenizer:
    """One random tokenizer from texts.

    Args:
        texts: what it is made of.
        size: tokens; at least 270, for the bytes and the runs of blanks.
        deviation: of the noise on shares, which sum to 1; 0 for none.
        seed: of the noise.
        normalizer: applied before all else, or None.
    """
    scores = substring_scores(texts, normalizer)
    vocabulary = sample_vocabulary(scores, size, np.random.default_rng(seed), deviation)
    return unigram_tokenizer(vocabulary, normalizer)


def surface(token: str) -> bytes:
    """The bytes that a token's letters stand for."""
    return bytes(BYTES[letter] for letter in token)
