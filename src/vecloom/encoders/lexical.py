"""LexicalEncoder: bags of words, the baseline that every evaluation needs. On scikit-learn's counting.

With tf the count of a term in a text, n the number of fitted texts, df the number of those with the term:

- "tfidf": tf * (ln((1 + n) / (1 + df)) + 1), scikit-learn's smooth idf (Salton and Buckley, 1988).
- "bm25" (Robertson and Zaragoza, 2009, eq. 3.15, without the constant k1 + 1, as Lucene does): a document's term is
  tf / (tf + k1 (1 - b + b l / L)), l its length and L the mean length; a query's term is tf * ln(1 + (n - df + 0.5) /
  (df + 0.5)). The BM25 score is the dot product of a ``kind="query"`` and a ``kind="document"`` vector, both with
  ``normalize=False``.
- "count": tf itself, in ``dim`` hashed columns with alternating signs (Weinberger et al., 2009), so that nothing is
  fitted and collisions cancel in the mean.

A text's terms are those of ``vecloom.text``: words in their normal form, and characters with their pairs in scripts without
blanks. They are not stemmed.

Columns of a fitted encoder are sorted by falling document frequency, so that ``dim=k`` keeps the k commonest terms.
Vectors are sparse at heart: ``encode`` makes them dense and refuses where that would fill the memory.
When to use it: as a baseline, for rare names and codes, with no model at hand. When not: for paraphrases.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vecloom.encoders import lexical_format
from vecloom.encoders.protocol import Kind, Progress, Vectors, finish
from vecloom.encoders.texts import NO_LIMIT, all_readable, blocks, checked, prompted, unique
from vecloom.errors import DataError, UsageError
from vecloom.text import RULES, fold, terms, words

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from tokenizers import Tokenizer

DENSE_LIMIT = 2**31  # bytes that encode may fill: 16,384 texts at 32,768 dimensions
BLOCK_TEXTS = 4096
BLOCK_CHARACTERS = 16_000_000


@dataclass(frozen=True, slots=True)
class LexicalSettings:
    """How texts are cut into terms and terms are weighted.

    Attributes:
        weighting: "tfidf", "bm25" or "count" (see the module).
        analyzer: "word", or "char_wb": character n-grams within words, for typing errors and rich endings.
        ngrams: shortest and longest run of words (terms) or characters that is a term.
        k1: how slowly a repeated term's weight saturates (bm25); 1.2 is Lucene's default.
        b: how much long documents are damped (bm25); 0.75 is Lucene's default.
    """

    weighting: Literal["tfidf", "bm25", "count"] = "tfidf"
    analyzer: Literal["word", "char_wb"] = "word"
    ngrams: tuple[int, int] = (1, 1)
    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        low, high = self.ngrams
        if not 1 <= low <= high:
            raise UsageError(
                f"ngrams={self.ngrams} is not possible.", "Give two numbers, the smaller first, from 1 on."
            )
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise UsageError(f"k1={self.k1}, b={self.b} is not possible.", "Use k1 >= 0 and b between 0 and 1.")


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What was fitted: terms and how many of ``texts`` have each, by falling frequency, and the texts' mean length."""

    terms: tuple[str, ...]
    frequencies: npt.NDArray[np.int64]
    texts: int
    mean_length: float


def tfidf_idf(statistics: TermStatistics) -> Vectors:
    """Smooth inverse document frequency of each term, float32 ``(terms,)``."""
    return (np.log((1 + statistics.texts) / (1 + statistics.frequencies)) + 1).astype(np.float32)


def bm25_idf(statistics: TermStatistics) -> Vectors:
    """BM25's inverse document frequency of each term, never negative, float32 ``(terms,)``."""
    without = statistics.texts - statistics.frequencies
    return np.log1p((without + 0.5) / (statistics.frequencies + 0.5)).astype(np.float32)


def bm25_saturation(counts: csr_matrix, mean_length: float, k1: float, b: float) -> csr_matrix:
    """The document side of BM25: each count of a sparse ``(n, terms)`` matrix saturates towards 1."""
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    damping = k1 * (1 - b + b * lengths / max(mean_length, 1e-9))
    saturated = counts.copy()
    saturated.data = counts.data / (counts.data + np.repeat(damping, np.diff(counts.indptr)))
    return saturated


class LexicalEncoder:
    """An ``Encoder`` over counted words; made by ``fit`` or ``hashed``.

    Args:
        settings: see there.
        statistics: of the fitted texts; None for a hashed encoder.
        dim: columns of a hashed encoder; of a fitted one it is the number of terms.
        name: for people.
    """

    tokenizer: Tokenizer | None = None
    max_length: int = NO_LIMIT

    def __init__(
        self, settings: LexicalSettings, statistics: TermStatistics | None, *, dim: int = 0, name: str = "lexical"
    ) -> None:
        self.name = name
        self.settings = settings
        self.statistics = statistics
        self.dim = len(statistics.terms) if statistics else dim

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        settings: LexicalSettings | None = None,
        most_terms: int | None = None,
        min_texts: int = 1,
        name: str = "lexical",
    ) -> LexicalEncoder:
        """Learn the vocabulary and the weights from texts.

        Args:
            texts: read once; a generator is fine.
            settings: tf-idf of single words by default.
            most_terms: keep only so many, the commonest.
            min_texts: drop terms that are in fewer texts.
            name: for people.

        Raises:
            DataError: no term is left.
            UsageError: the settings ask for "count", which is not fitted.
        """
        settings = settings or LexicalSettings()
        if settings.weighting == "count":
            raise UsageError('weighting="count" is not fitted.', "Use LexicalEncoder.hashed, or another weighting.")
        if isinstance(texts, str):
            raise UsageError("fit got one string, but it takes texts.", "Write fit([text]).")
        return cls(settings, _count(texts, settings, most_terms, min_texts), name=name)

    @classmethod
    def hashed(
        cls, dim: int = 2**15, *, settings: LexicalSettings | None = None, name: str = "lexical-hashed"
    ) -> LexicalEncoder:
        """An encoder that needs no fit: counts in ``dim`` hashed columns."""
        if not 1 <= dim < 2**31:
            raise UsageError(f"dim={dim} is not possible.", "Use 1 to 2147483647.")
        settings = settings or LexicalSettings(weighting="count")
        if settings.weighting != "count":
            raise UsageError(f'weighting="{settings.weighting}" needs fitted texts.', "Use LexicalEncoder.fit.")
        return cls(settings, None, dim=dim, name=name)

    @classmethod
    def load(cls, directory: str | PathLike[str], *, name: str | None = None) -> LexicalEncoder:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is missing or broken.
        """
        parts = lexical_format.read(Path(directory))
        settings = LexicalSettings(**{**parts.settings, "ngrams": tuple(parts.settings["ngrams"])})
        name = name or Path(directory).name
        if parts.terms is None:
            return cls(settings, None, dim=parts.dim, name=name)
        statistics = TermStatistics(tuple(parts.terms), parts.frequencies, parts.texts, parts.mean_length)
        return cls(settings, statistics, name=name)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the settings and of what was fitted."""
        known = self.statistics
        digest = hashlib.sha256(json.dumps([RULES, asdict(self.settings), self.dim], sort_keys=True).encode())
        if known:
            digest.update(json.dumps([known.terms, known.texts, round(known.mean_length, 6)]).encode())
            digest.update(known.frequencies.tobytes())
        return digest.hexdigest()

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Encode texts as dense vectors; see ``Encoder.encode``. A text without known words gets the zero vector.

        Raises:
            UsageError: the result would need more than ``DENSE_LIMIT`` bytes, or ``dim`` is not possible.
        """
        given = checked(texts)
        size = len(given) * (self.dim if dim is None else dim) * 4
        if size > DENSE_LIMIT:
            raise UsageError(
                f"{len(given):,} dense vectors of {dim or self.dim:,} dimensions need {size / 2**30:.1f} GiB.",
                "Use encode_sparse, a smaller dim, or fewer texts at a time.",
            )
        sparse = self.encode_sparse(given, kind=kind, dim=dim, normalize=normalize, prompt=prompt, progress=progress)
        return np.ascontiguousarray(sparse.toarray(), dtype=np.float32)

    def encode_sparse(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> csr_matrix:
        """As ``encode``, but a SciPy CSR matrix of float32, which holds only what is not zero."""
        from scipy.sparse import csr_matrix, vstack

        width = finish(np.empty((0, self.dim), np.float32), dim, normalize=False).shape[1]
        given = prompted(checked(texts), kind, prompt, {})
        different, places = unique(given)
        parts = [csr_matrix((0, width), dtype=np.float32)]
        for block in blocks(different, BLOCK_TEXTS, BLOCK_CHARACTERS):
            parts.append(_scaled(self._weighted(block, kind)[:, :width], normalize))
            if progress:
                progress(len(block))
        if progress and len(given) > len(different):
            progress(len(given) - len(different))
        matrix = vstack(parts, format="csr", dtype=np.float32)
        return csr_matrix(matrix if places is None else matrix[places])

    def save(self, directory: str | PathLike[str]) -> None:
        """Write a directory that ``load`` reads, and ``SentenceTransformer(directory, trust_remote_code=True)``.

        The flag is sentence-transformers' rule for every module outside its own package: the module is this package.

        Raises:
            OutputError: the directory cannot be written.
        """
        known = self.statistics
        parts = lexical_format.LexicalParts(
            settings=asdict(self.settings),
            dim=self.dim,
            terms=list(known.terms) if known else None,
            frequencies=known.frequencies if known else np.empty(0, np.int64),
            texts=known.texts if known else 0,
            mean_length=known.mean_length if known else 0.0,
        )
        lexical_format.write(Path(directory), parts, self.name)

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

        if self.statistics:
            return CountVectorizer(vocabulary=list(self.statistics.terms), dtype=np.float32, **_cutting(self.settings))
        return HashingVectorizer(n_features=self.dim, norm=None, dtype=np.float32, **_cutting(self.settings))

    @cached_property
    def _idf(self) -> Vectors:
        if not self.statistics:
            return np.ones(self.dim, np.float32)
        return (bm25_idf if self.settings.weighting == "bm25" else tfidf_idf)(self.statistics)

    def _weighted(self, texts: list[str], kind: Kind) -> csr_matrix:
        counts = self._vectorizer.transform(all_readable(texts))
        if self.settings.weighting == "count":
            return counts
        if self.settings.weighting == "bm25" and kind == "document" and self.statistics:
            return bm25_saturation(counts, self.statistics.mean_length, self.settings.k1, self.settings.b)
        counts.data *= self._idf[counts.indices]
        return counts


def _count(texts: Iterable[str], settings: LexicalSettings, most_terms: int | None, min_texts: int) -> TermStatistics:
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(**_cutting(settings))
    try:
        counts = counter.fit_transform(all_readable(list(texts)))
    except ValueError as error:  # scikit-learn's "empty vocabulary"
        raise DataError("The texts to fit hold no words.", "Give texts with words.") from error
    terms = counter.get_feature_names_out()
    frequencies = np.bincount(counts.indices, minlength=len(terms))
    order = np.argsort(-frequencies, kind="stable")
    order = order[frequencies[order] >= min_texts][:most_terms]
    if not len(order):
        raise DataError(f"No term is in {min_texts} texts or more.", "Use a smaller min_texts, or more texts.")
    kept = counts[:, order]
    mean_length = float(kept.sum()) / kept.shape[0]
    return TermStatistics(tuple(terms[order].tolist()), frequencies[order].astype(np.int64), kept.shape[0], mean_length)


def _cutting(settings: LexicalSettings) -> dict[str, Any]:
    if settings.analyzer == "char_wb":
        return {"analyzer": "char_wb", "ngram_range": settings.ngrams, "preprocessor": _in_normal_form}
    return {"analyzer": terms if settings.ngrams == (1, 1) else partial(_runs, ngrams=settings.ngrams)}


def _in_normal_form(text: str) -> str:
    return " ".join(map(fold, words(text)))


def _runs(text: str, ngrams: tuple[int, int]) -> list[str]:
    """All runs of neighbouring terms, of the lengths asked for."""
    single = terms(text)
    low, high = ngrams
    return [
        " ".join(single[start : start + length])
        for length in range(low, high + 1)
        for start in range(len(single) - length + 1)
    ]


def _scaled(matrix: csr_matrix, normalize: bool) -> csr_matrix:
    if not normalize:
        return matrix
    from sklearn.preprocessing import normalize as to_length_one

    return to_length_one(matrix)
