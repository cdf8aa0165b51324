"""Vectors in a space that both vocabularies have: learned from texts, or read from a file.

WECHSEL and FOCUS compare tokens in the space of fastText vectors. Here they are learned by what skip-gram with negative
sampling approximates (Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization"): positive pointwise
mutual information of units within a window, and its truncated singular value decomposition. That is deterministic, needs no
further library, and takes seconds for a million units. Window 5 with nearer units weighing more and contexts' counts to the
power 0.75 are word2vec's; the square root of the singular values follows Levy, Goldberg and Dagan 2015 (TACL 3).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import DataError
from vecloom.text import is_unspaced, repeats, spans
from vecloom.text.repeats import LONGEST
from vecloom.text.words import clusters

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from vecloom.extend.vocabulary.surfaces import Surfaces

WINDOW = 5  # word2vec
SMOOTHING = 0.75  # word2vec, for contexts
RAREST = 2  # a unit seen once has the contexts of chance
MOST_WORDS = 100_000
_BLANKS = re.compile("[ \t]+")  # no others: words may hold a no-break space
_CHUNK = 1 << 20
_SWEEPS = 6  # power iterations of the decomposition; more change nothing in the third digit


@dataclass(frozen=True)
class WordVectors:
    """Words with vectors.

    Attributes:
        words: different ones.
        vectors: (n, a) float32.
        counts: (n,) float64: how often each occurs, or a guess from its rank.
    """

    words: tuple[str, ...]
    vectors: Vectors
    counts: Any


def token_vectors(tokenizer: Tokenizer, texts: Sequence[str], dimensions: int, seed: int = 0) -> Vectors:
    """Learn vectors of a tokenizer's tokens from texts.

    Args:
        tokenizer: whose tokens.
        texts: any number.
        dimensions: a; fewer where there are fewer tokens, and zeros fill up.
        seed: of the decomposition's start.

    Returns:
        (V', a) float32, rows of zeros for tokens that hardly occur.
    """
    size = 1 + max(tokenizer.get_vocab().values())
    sequences = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return learn(sequences, size, dimensions, seed)


def word_vectors(texts: Iterable[str], dimensions: int, seed: int = 0) -> WordVectors:
    """Learn vectors of the words in texts, the most frequent 100,000 of them that occur twice.

    Words are ``vecloom.text``'s; each mark of punctuation is one, too. A run of a script without blanks is cut into the longest
    pieces that occur again and again, and single letters.
    """
    corpus = list(texts)
    runs = (text[start:end] for text in corpus for start, end in spans(text))
    known = repeats([run for run in runs if is_unspaced(run)])
    cut = [list(_units(text, known)) for text in corpus]
    counted = Counter(word for words in cut for word in words)
    kept = [word for word, count in counted.most_common(MOST_WORDS) if count >= RAREST]
    numbers = {word: number for number, word in enumerate(kept)}
    sequences = [[numbers[word] for word in words if word in numbers] for words in cut]
    vectors = learn(sequences, len(kept), dimensions, seed)
    return WordVectors(tuple(kept), vectors, np.array([counted[word] for word in kept], float))


def _units(text: str, known: Container[str]) -> Iterator[str]:
    last = 0
    for start, end in [*spans(text), (len(text), len(text))]:
        yield from "".join(text[last:start].split())
        word = text[start:end]
        yield from _pieces(word, known) if is_unspaced(word) else [word] * bool(word)
        last = end


def _pieces(run: str, known: Container[str]) -> Iterator[str]:
    """The longest known pieces of a run, from the left, and single letters with their marks."""
    parts = clusters(run)
    start = 0
    while start < len(parts):
        ends = range(min(len(parts), start + LONGEST), start + 1, -1)
        end = next((end for end in ends if "".join(parts[start:end]) in known), start + 1)
        yield "".join(parts[start:end])
        start = end


def read_vectors(path: str | PathLike[str]) -> WordVectors:
    """Read word2vec's, GloVe's and fastText's text format: a word and its numbers in each line, the commonest first.

    Blanks or tabs separate. A first line of two whole numbers (how many words, how many numbers each) or of column names is
    not a word. A word may hold blanks. Counts are guessed by Zipf's law from the order.

    Raises:
        DataError: the file cannot be read, or a line has another number of numbers than the first.
    """
    words: dict[str, Vectors] = {}
    width = 0
    try:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, 1):
                parts = _BLANKS.split(line.strip(" \t\r\n"))
                if parts == [""]:
                    continue
                if number == 1 and _is_header(parts):
                    width = int(parts[1]) if parts[1].isdecimal() else 0
                    continue
                width = width or _numbers(parts)
                word, vector = _word_and_vector(parts, width, number)
                words.setdefault(word, vector)
    except (OSError, ValueError) as error:
        form = "Give word2vec's text format: a word and its numbers, with blanks or tabs between."
        raise DataError(f"The word vectors {path} cannot be read: {error}.", form) from error
    if not words:
        raise DataError(f"There are no word vectors in {path}.", "Give word2vec's text format.")
    return WordVectors(tuple(words), np.stack(list(words.values())), 1.0 / np.arange(1, len(words) + 1))


def _word_and_vector(parts: Sequence[str], width: int, number: int) -> tuple[str, Vectors]:
    word, values = parts[:-width], parts[-width:]
    if not width or not word or (len(word) > 1 and _numbers(parts) != width):
        raise ValueError(f"line {number} has {_numbers(parts)} numbers behind a word{f', not {width}' * bool(width)}")
    vector = np.array(values, np.float32)
    if not np.isfinite(vector).all():
        raise ValueError(f"line {number} has a number that is not finite")
    return " ".join(word), vector


def _numbers(parts: Sequence[str]) -> int:
    """How many of a line's parts are numbers, from its end on, its first part aside."""
    count = 0
    for part in reversed(parts[1:]):
        try:
            float(part)
        except ValueError:
            break
        count += 1
    return count


def _is_header(parts: Sequence[str]) -> bool:
    """Whether a line counts words and numbers ("2 300") or names columns."""
    counts = len(parts) == 2 and all(part.isdecimal() for part in parts)
    return counts or (len(parts) > 1 and not _numbers(parts))


def subword_vectors(words: WordVectors, surfaces: Surfaces) -> Vectors:
    """Vectors of a tokenizer's tokens: the mean of the words that contain each, by their counts (WECHSEL, section 3.1).

    Args:
        words: with vectors.
        surfaces: of the tokenizer that cuts them.

    Returns:
        (V, a) float32, rows of zeros for tokens in no word.
    """
    from scipy import sparse

    rows, columns = [], []
    for column, word in enumerate(words.words):
        for number in set(surfaces.cut(b" " + word.encode())):
            rows.append(number)
            columns.append(column)
    size = 1 + max(surfaces.ids.values())
    shape = (size, len(words.words))
    weights = sparse.csr_matrix((np.asarray(words.counts, float)[columns], (rows, columns)), shape=shape)
    total = np.asarray(weights.sum(axis=1))
    return np.asarray(weights @ words.vectors / np.maximum(total, 1e-12), np.float32)


def learn(sequences: Sequence[Sequence[int]], size: int, dimensions: int, seed: int = 0) -> Vectors:
    """Factorise the PMI matrix of sequences of numbers below ``size``: (size, dimensions) float32."""
    from sklearn.utils.extmath import randomized_svd

    found = np.zeros((size, dimensions), np.float32)
    matrix = positive_pmi(pair_counts(sequences, size))
    seen = np.flatnonzero(np.diff(matrix.indptr))
    rank = min(dimensions, len(seen))
    if rank:
        left, values, _ = randomized_svd(matrix[seen][:, seen], rank, n_iter=_SWEEPS, random_state=seed)
        found[seen, :rank] = left * np.sqrt(values)
    return found


def pair_counts(sequences: Sequence[Sequence[int]], size: int, window: int = WINDOW) -> Any:
    """How often two numbers stand near each other: (size, size) CSR, symmetric; o apart counts (window - o + 1) / window."""
    from scipy import sparse

    total = sparse.csr_matrix((size, size), dtype=np.float64)
    for numbers, owners in _chunks(sequences):
        for offset in range(1, window + 1):
            together = owners[:-offset] == owners[offset:]
            left, right = numbers[:-offset][together], numbers[offset:][together]
            weights = np.full(len(left), (window - offset + 1) / window)
            total += sparse.coo_matrix((weights, (left, right)), shape=(size, size)).tocsr()
    return (total + total.T).tocsr()


def positive_pmi(counts: Any, smoothing: float = SMOOTHING, rarest: float = RAREST) -> Any:
    """``max(0, log(n_ij n / (n_i n_j^s / sum_k n_k^s * sum_k n_k)))`` of a symmetric count matrix, as CSR without zeros.

    Args:
        counts: (V, V) CSR.
        smoothing: s, the power of the contexts' counts.
        rarest: units with a smaller sum of counts are left out.
    """
    table = counts.tocoo()
    sums = np.asarray(counts.sum(axis=1)).ravel()
    kept = (sums[table.row] >= rarest) & (sums[table.col] >= rarest)
    rows, columns, values = table.row[kept], table.col[kept], table.data[kept]
    contexts = sums**smoothing
    contexts /= max(contexts.sum(), 1e-300)
    from scipy import sparse

    information = np.log(values / (sums[rows] * contexts[columns]))
    positive = information > 0
    return sparse.csr_matrix((information[positive], (rows[positive], columns[positive])), shape=counts.shape)


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; rows of zeros stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)


def _chunks(sequences: Sequence[Sequence[int]]) -> Iterable[tuple[Any, Any]]:
    """The numbers of whole sequences in a row, and the place of the sequence that each is of."""
    held: list[Any] = []
    owners: list[Any] = []
    length = 0
    for place, sequence in enumerate(sequences):
        held.append(np.asarray(sequence, np.int64))
        owners.append(np.full(len(sequence), place))
        length += len(sequence)
        if length >= _CHUNK:
            yield np.concatenate(held), np.concatenate(owners)
            held, owners, length = [], [], 0
    if held:
        yield np.concatenate(held), np.concatenate(owners)
