"""Classify texts with nothing but class names or a few keywords, by similarity: the baselines that a method has to beat.

Source: Schopf, Braun and Matthes 2022, "Evaluating Unsupervised Text Classification" (arXiv:2211.16285), the SBERT and
SimCSE baselines. With x a document's vector and c a class:

"name"            m_c = v(name of c)
"joined"          m_c = v(keywords of c in one string)
"mean_keywords"   m_c = (1/K) sum_k v(keyword k of c)

and the label of x is argmax_c cos(m_c, x), the first of equals. Nothing is fitted.
Our choices: keywords are joined by a space; class and document are both encoded as documents. Averaged word vectors are the same
classifier over a ``StaticEncoder``, and latent semantic analysis is the same over an ``LsaEncoder``: the paper's older
baselines are not described closely enough to be rebuilt, and these two stand in for them.

``compare`` runs any objects with ``predict`` on the same labelled texts; ``EntailmentClassifier`` is the zero-shot rival.
When to use it: unlabelled texts, topics that have names. When not: a hundred labels are at hand (train a classifier), or
classes that are not topics (sentiment, kinds of questions), which name vectors hardly see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from vecloom.encoders.lexical import LexicalEncoder
from vecloom.encoders.protocol import Vectors, finish
from vecloom.errors import DataError, MissingExtraError, UsageError
from vecloom.evaluate.unlabelled.entailment import EntailmentClassifier as EntailmentClassifier
from vecloom.evaluate.unlabelled.label_comparison import ClassifierComparison as ClassifierComparison
from vecloom.evaluate.unlabelled.label_comparison import HasPredict as HasPredict
from vecloom.evaluate.unlabelled.label_comparison import compare as compare

Pooling: TypeAlias = Literal["mean_keywords", "joined", "name"]

LSA_DIM = 100  # about what Deerwester et al. 1990 use
SVD_ITERATIONS = 7  # of the randomised SVD; scikit-learn's estimators use 5, two more cost little


class EncodesTexts(Protocol):
    """What a classifier needs of an encoder; every ``Encoder`` has it."""

    def encode(self, texts: Sequence[str], *, normalize: bool = True) -> Vectors:
        """float32 ``(n, d)``, of length 1 where ``normalize``."""
        ...


def mean_keyword_vectors(keywords: Vectors, counts: Sequence[int]) -> Vectors:
    """Mean of each class's keyword vectors, not normalised: ``(sum of counts, d)`` to ``(C, d)``."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.add.reduceat(keywords, starts) / np.asarray(counts)[:, None], np.float32)


def class_vectors(
    encoder: EncodesTexts, descriptions: Mapping[str, Sequence[str]], pooling: Pooling, normalize: bool
) -> Vectors:
    """m_c of each class, float32 ``(C, d)``; see the module."""
    if pooling == "name":
        return encoder.encode(list(descriptions), normalize=normalize)
    if pooling == "joined":
        return encoder.encode([" ".join(keywords) for keywords in descriptions.values()], normalize=normalize)
    every = [keyword for keywords in descriptions.values() for keyword in keywords]
    counts = [len(keywords) for keywords in descriptions.values()]
    return mean_keyword_vectors(encoder.encode(every, normalize=normalize), counts)


class SimilarityClassifier:
    """The label whose vector is nearest to the document's.

    Args:
        encoder: any ``Encoder``, or another object with ``encode(texts, normalize=...)``.
        descriptions: the classes and the keywords of each; with ``pooling="name"`` only the classes count.
        pooling: how a class becomes a vector; see the module. Where the classes are codes, give each its name as the only
            keyword and use "joined".
        normalize: whether each keyword's vector has length 1 before the mean, as all-MiniLM-L6-v2 gives it in the paper. With
            False the encoder's own lengths count, so that long vectors outweigh short ones.

    Attributes:
        labels: the classes in order.
        vectors: m_c, float32 ``(C, d)``.

    Raises:
        UsageError: fewer than two classes, a string where keywords should be, or no such pooling.
        DataError: a class has no keyword, or the encoder knows none of its words.
    """

    def __init__(
        self,
        encoder: EncodesTexts,
        descriptions: Mapping[str, Sequence[str]],
        *,
        pooling: Pooling = "mean_keywords",
        normalize: bool = True,
    ) -> None:
        _check_descriptions(descriptions, pooling)
        self.labels = list(descriptions)
        self.vectors = class_vectors(encoder, descriptions, pooling, normalize)
        self._encoder = encoder
        unknown = [label for label, vector in zip(self.labels, self.vectors, strict=True) if not np.any(vector)]
        if unknown:
            raise DataError(
                f"The encoder knows no word that describes {', '.join(map(repr, unknown))}.",
                "Give keywords that occur in the texts, or use another encoder.",
            )

    def similarities(self, texts: Sequence[str]) -> Vectors:
        """Cosine of each text and class, float32 ``(n, C)``; 0 for a text whose vector is zero."""
        documents = finish(self._encoder.encode(texts, normalize=True), None, normalize=True)
        return documents @ finish(self.vectors, None, normalize=True).T

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The nearest label of each text; the first of equals."""
        return [self.labels[place] for place in self.similarities(texts).argmax(axis=1)]


class LsaEncoder:
    """Latent semantic analysis: tf-idf, projected on its first singular directions.

    Source: Deerwester, Dumais, Furnas, Landauer and Harshman 1990, "Indexing by Latent Semantic Analysis". With X (n, terms)
    the tf-idf rows of length 1 of the fitted texts and X = U S V' cut to d directions, a text's vector is x V (d,).

    Args:
        lexical: what turns texts into tf-idf rows.
        directions: V, float32 ``(terms, d)``.
    """

    def __init__(self, lexical: LexicalEncoder, directions: Vectors) -> None:
        self.lexical = lexical
        self.directions = directions

    @classmethod
    def fit(cls, texts: Sequence[str], *, dim: int = LSA_DIM, seed: int = 0) -> LsaEncoder:
        """Learn from unlabelled texts, which may be those that are to be classified.

        Args:
            texts: at least ``dim`` of them.
            dim: directions kept.
            seed: of the randomised decomposition.

        Raises:
            DataError: the texts hold no words.
            UsageError: ``dim`` is not between 1 and the number of texts and of terms.
        """
        from sklearn.utils.extmath import randomized_svd

        lexical = LexicalEncoder.fit(texts)
        rows = lexical.encode_sparse(texts)
        if not 1 <= dim <= min(rows.shape):
            raise UsageError(
                f"dim={dim} is not possible for {rows.shape[0]} texts with {rows.shape[1]} terms.",
                f"Use 1 to {min(rows.shape)}.",
            )
        _, _, directions = randomized_svd(rows, n_components=dim, n_iter=SVD_ITERATIONS, random_state=seed)
        return cls(lexical, np.ascontiguousarray(directions.T, dtype=np.float32))

    def encode(self, texts: Sequence[str], *, normalize: bool = True) -> Vectors:
        """float32 ``(n, d)``; a text without known words gets the zero vector."""
        return finish(np.asarray(self.lexical.encode_sparse(texts) @ self.directions), None, normalize)


def read_keywords(path: str | PathLike[str]) -> dict[str, list[str]]:
    """Read a YAML or JSON mapping of labels to a list of keywords, or to one name.

    Raises:
        DataError: the file cannot be read or parsed, or a label or keyword in it is not what it has to be.
        MissingExtraError: it is YAML and pyyaml is not installed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"The keywords file {path} cannot be read: {reason}.", "Give a YAML or JSON file.") from error
    pairs = _json_pairs(text, path) if path.suffix.lower() == ".json" else _yaml_pairs(text, path)
    if not pairs:
        raise DataError(f"{path} holds no labels.", "Write one line for each: label: [keyword, keyword].")
    found: dict[str, list[str]] = {}
    for key, keywords in pairs:
        label = _text(key, "label", path)
        if label in found:
            raise DataError(f"{path}: the label {label!r} is given twice.", "Join its keywords in one list.")
        found[label] = _keywords(label, keywords, path)
    return found


def _json_pairs(text: str, path: Path) -> list[tuple[Any, Any]]:
    try:
        value = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}.", "Correct it.") from error
    if not isinstance(value, _Pairs):
        raise _no_mapping(path, "an object", '{"label": ["keyword"]}')
    return value


def _yaml_pairs(text: str, path: Path) -> list[tuple[Any, Any]]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(f"Reading {path} needs pyyaml.", "eval") from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise _no_mapping(path, "a mapping", "label: [keyword, keyword]")
        # safe_load would keep the last of two equal labels without a word
        nodes = [part for pair in node.value for part in pair]
        values = [loader.construct_object(part, deep=True) for part in nodes]
    except yaml.YAMLError as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())}.", "Correct it.") from error
    return list(zip(values[::2], values[1::2], strict=True))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that comes twice is seen."""


def _no_mapping(path: Path, wanted: str, example: str) -> DataError:
    return DataError(f"{path} does not hold {wanted} of labels.", f"Write {example}.")


def _keywords(label: Any, value: Any, path: Path) -> list[str]:
    keywords = [value] if isinstance(value, str) else value
    if isinstance(keywords, _Pairs) or not isinstance(keywords, list) or not keywords:
        raise DataError(f"{path}: the label {label!r} has no list of keywords.", "Write label: [keyword, keyword].")
    return [_text(keyword, f"keyword of {label!r}", path) for keyword in keywords]


def _text(value: Any, what: str, path: Path) -> str:
    if not isinstance(value, str):
        kind = type(value).__name__
        raise DataError(f"{path}: the {what} {value!r} is {kind}, not text.", "Put it in quotes.")
    if not value.strip():
        raise DataError(f"{path}: a {what} is empty.", "Write it, or leave it out.")
    return value


def _check_descriptions(descriptions: Mapping[str, Sequence[str]], pooling: str) -> None:
    if pooling not in ("mean_keywords", "joined", "name"):
        raise UsageError(f"There is no pooling {pooling!r}.", "Use mean_keywords, joined or name.")
    if len(descriptions) < 2:
        raise UsageError(f"descriptions={dict(descriptions)} leaves nothing to choose.", "Give two classes or more.")
    for label, keywords in descriptions.items():
        if isinstance(keywords, str):
            raise UsageError(f"The keywords of {label!r} are one string, {keywords!r}.", "Give a list of keywords.")
        if pooling != "name" and not keywords:
            raise DataError(f"The class {label!r} has no keywords.", 'Give some, or use pooling="name".')


__all__ = [
    "ClassifierComparison",
    "EntailmentClassifier",
    "HasPredict",
    "LsaEncoder",
    "SimilarityClassifier",
    "compare",
    "read_keywords",
]
