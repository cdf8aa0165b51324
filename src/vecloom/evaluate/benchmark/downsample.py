"""Smaller data with the same order of models: hard-negative corpora and samples for clustering.

Source: MMTEB (Enevoldsen et al., ICLR 2025, arXiv 2502.13595) and the descriptions and code of mteb 2.26's tasks.
Retrieval: the first 250 documents of each of BM25, multilingual-e5-large and e5-mistral-7b-instruct for every query, and
all its relevant ones; the corpus is their union; at most 1,000 queries. Clustering: 4 % of the texts, drawn by
``random.Random(42).sample``.
Ours: which retrievers pool is the caller's choice, only queries with a relevant document count towards the most, and the
order of models on the small data is compared with that on the full, with intervals over queries.

When to use it: corpora that cost too much for every model. When not: where a model under test finds documents that no
pooling retriever finds; such errors vanish from the small corpus, which is why its scores are higher. Pool with models as
good as those to be compared, of more than one family.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.encoders.protocol import Encoder
from vecloom.errors import DataError, UsageError
from vecloom.evaluate.benchmark.aggregate import Correlation, Floats, correlation
from vecloom.evaluate.ranking import BLOCK_BYTES, ranked
from vecloom.evaluate.significance import SAMPLES, percentile_interval, resampled_counts
from vecloom.wording import counted

DEPTH = 250  # documents of each retriever and query; mteb's HardNegatives tasks
MAX_QUERIES = 1000  # likewise
FRACTION = 0.04  # of the texts of a clustering task; mteb's AbsTaskClustering
SEED = 42
BLOCK_TEXTS = 16_384  # documents encoded and scored at a time

Ids: TypeAlias = npt.NDArray[np.int64]
Retriever: TypeAlias = Callable[[list[str], list[str], int], npt.NDArray[np.integer[Any]]]
"""Queries, documents and k -> ``(queries, k)`` positions of documents, best first; -1 where it finds no more."""


@dataclass(frozen=True, slots=True)
class HardNegatives:
    """A small retrieval task.

    Attributes:
        corpus: id -> text, in the order of the full corpus.
        queries: id -> text.
        qrels: judgements of these queries, those of documents outside the small corpus left out.
        unknown: relevant documents that the full corpus lacks, as (query, document); they stay in ``qrels``, so that the
            best possible ranking is the same on the small and the full corpus.
        unanswered: queries without a relevant document, which were left out.
    """

    corpus: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    unknown: tuple[tuple[str, str], ...]
    unanswered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderAgreement:
    """Do models keep their order on the reduced data?

    Attributes:
        models: their names.
        correlation: of full and reduced scores over models.
        spearman_interval: 95 % bootstrap interval over units; None where only one score a model was given.
        kendall_interval: likewise.
        swapped: pairs of models, the first better on the full data and the second on the reduced.
    """

    models: tuple[str, ...]
    correlation: Correlation
    spearman_interval: tuple[float, float] | None
    kendall_interval: tuple[float, float] | None
    swapped: tuple[tuple[str, str], ...]


def hard_negative_subset(
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    retrievers: Sequence[Retriever],
    *,
    depth: int = DEPTH,
    max_queries: int = MAX_QUERIES,
    seed: int = SEED,
) -> HardNegatives:
    """Pool the best documents of several retrievers into a small corpus.

    Args:
        corpus: id -> text.
        queries: id -> text.
        qrels: query -> document -> grade; above 0 is relevant.
        retrievers: see ``Retriever``, ``bm25_retriever`` and ``encoder_retriever``.
        depth: documents of each retriever for each query.
        max_queries: more are sampled down.
        seed: of that sample.

    Raises:
        UsageError: there is no retriever, or a number is not positive.
        DataError: no query has a relevant document, or a retriever answers with impossible positions.
    """
    if not retrievers or depth < 1 or max_queries < 1:
        raise UsageError(
            f"{counted(len(retrievers), 'retriever')}, depth={depth}, max_queries={max_queries} pool nothing.",
            "Use 1 or more of each.",
        )
    answered = [query for query in queries if any(grade > 0 for grade in qrels.get(query, {}).values())]
    if not answered:
        raise DataError(
            "No query has a relevant document.", "Check that the ids of queries and judgements are the same."
        )
    chosen = _sampled(answered, max_queries, seed)
    pooled = _pool([queries[query] for query in chosen], list(corpus.values()), retrievers, depth)
    relevant = {query: [doc for doc, grade in qrels[query].items() if grade > 0] for query in chosen}
    needed = {document for documents in relevant.values() for document in documents}
    small = {doc: text for place, (doc, text) in enumerate(corpus.items()) if place in pooled or doc in needed}
    return HardNegatives(
        corpus=small,
        queries={query: queries[query] for query in chosen},
        qrels={
            query: {doc: grade for doc, grade in qrels[query].items() if doc in small or grade > 0} for query in chosen
        },
        unknown=tuple((query, doc) for query in chosen for doc in relevant[query] if doc not in corpus),
        unanswered=tuple(query for query in queries if query not in set(answered)),
    )


def encoder_retriever(encoder: Encoder, *, block_texts: int = BLOCK_TEXTS, block_bytes: int = BLOCK_BYTES) -> Retriever:
    """Exact search by dot product; only ``block_texts`` documents' vectors and ``block_bytes`` of scores are held at a time."""

    def retrieve(queries: list[str], documents: list[str], k: int) -> Ids:
        asked = encoder.encode(queries, kind="query")
        best = np.full((len(queries), 0), -np.inf, np.float32)
        places = np.full((len(queries), 0), -1, np.int64)
        for start in range(0, len(documents), block_texts):
            vectors = encoder.encode(documents[start : start + block_texts], kind="document")
            found = list(ranked(asked, vectors, k, block_bytes))
            best = np.hstack([best, np.stack([scores for _, scores in found])])
            places = np.hstack([places, np.stack([ids + start for ids, _ in found])])
            order = np.argsort(-best, axis=1, kind="stable")[:, :k]  # stable: of equal scores the earlier document
            best, places = np.take_along_axis(best, order, 1), np.take_along_axis(places, order, 1)
        return places

    return retrieve


def bm25_retriever(settings: LexicalSettings | None = None, *, block_bytes: int = BLOCK_BYTES) -> Retriever:
    """BM25 over single words, fitted on the documents; documents without a word of the query are not found.

    Raises:
        UsageError: the settings weigh by something else.
    """
    settings = settings or LexicalSettings(weighting="bm25")
    if settings.weighting != "bm25":
        raise UsageError(
            f'weighting="{settings.weighting}" is not BM25.', "Use encoder_retriever for other weightings."
        )

    def retrieve(queries: list[str], documents: list[str], k: int) -> Ids:
        encoder = LexicalEncoder.fit(documents, settings=settings)
        asked = encoder.encode_sparse(queries, kind="query", normalize=False)
        rows = encoder.encode_sparse(documents, kind="document", normalize=False)
        found = ranked(asked, rows, k, block_bytes)
        return np.stack([np.where(scores > 0, ids, -1) for ids, scores in found])

    return retrieve


def downsample_clustering(
    labels: Sequence[Any], *, fraction: float | None = FRACTION, most: int | None = None, seed: int = SEED
) -> Ids:
    """Positions of the texts that mteb would embed for a clustering task, in its order.

    Args:
        labels: one a text.
        fraction: of the texts; None to use ``most``.
        most: how many texts; None to use ``fraction``. All texts are taken where both are None.
        seed: of the sample.

    Raises:
        UsageError: both are given, or one is not possible.
        DataError: not a single text would be left.
    """
    count = len(labels)
    if fraction is not None and most is not None:
        raise UsageError(f"fraction={fraction} and most={most} exclude each other.", "Set one of them to None.")
    if (fraction is not None and not 0 < fraction <= 1) or (most is not None and most < 1):
        raise UsageError(f"fraction={fraction}, most={most} is not possible.", "Use 0 to 1, or a number of texts.")
    if fraction is None and most is None:
        return np.arange(count)
    size = min(count, int(fraction * count) if fraction is not None else most or count)
    if not size:
        raise DataError(f"{fraction} of {count} texts is not one text.", "Use a larger fraction, or None for all.")
    return np.array(random.Random(seed).sample(range(count), size), np.int64)


def order_agreement(
    full: Mapping[str, Any], reduced: Mapping[str, Any], *, samples: int = SAMPLES, seed: int = 0
) -> OrderAgreement:
    """Compare the order of models on full and on reduced data.

    Args:
        full: model -> its score, or the scores of its units (queries, ...) whose mean is its score.
        reduced: likewise; the same models. Where both have the same number of units these are taken for the same ones
            and drawn together; units of one side are always drawn together for all models.
        samples: bootstrap resamples.
        seed: of these.

    Raises:
        DataError: the models differ, there are fewer than two, or models have different numbers of units.
    """
    models = tuple(full)
    if set(models) != set(reduced) or len(models) < 2:
        raise DataError(
            f"The full data has scores of {counted(len(models), 'model')}, the reduced of {len(reduced)}.",
            "Give the same two or more models for both.",
        )
    sides = [_units(scores, models) for scores in (full, reduced)]
    before, after = (side.mean(axis=1) for side in sides)
    spearman, kendall = _intervals(sides, samples, seed)
    pairs = combinations(range(len(models)), 2)
    ordered = [(a, b) if before[a] > before[b] else (b, a) for a, b in pairs if before[a] != before[b]]
    swapped = tuple((models[a], models[b]) for a, b in ordered if after[a] < after[b])
    return OrderAgreement(models, correlation(before, after), spearman, kendall, swapped)


def _sampled(queries: list[str], most: int, seed: int) -> list[str]:
    if len(queries) <= most:
        return queries
    return [queries[place] for place in sorted(random.Random(seed).sample(range(len(queries)), most))]


def _pool(queries: list[str], documents: list[str], retrievers: Sequence[Retriever], depth: int) -> set[int]:
    pooled: set[int] = set()
    for retrieve in retrievers:
        found = np.asarray(retrieve(queries, documents, min(depth, len(documents))))
        fits = found.ndim == 2 and len(found) == len(queries) and np.issubdtype(found.dtype, np.integer)
        if not fits or (found.size and not -1 <= found.min() <= found.max() < len(documents)):
            raise DataError(
                f"A retriever answered {len(queries)} queries with an array of shape {found.shape} and type {found.dtype}.",
                f"It has to give one row of positions, -1 to {len(documents) - 1}, for each query.",
            )
        pooled.update(np.unique(found[:, :depth]).tolist())
    return pooled - {-1}


def _units(scores: Mapping[str, Any], models: Sequence[str]) -> Floats:
    rows = [np.atleast_1d(np.asarray(scores[model], np.float64)) for model in models]
    if len({row.shape for row in rows}) != 1 or rows[0].ndim != 1 or not rows[0].size:
        raise DataError("The models' scores differ in their number of units.", "Score every model on the same units.")
    return np.stack(rows)


def _intervals(sides: Sequence[Floats], samples: int, seed: int) -> tuple[Any, Any]:
    """Bootstrap intervals of Spearman's and Kendall's correlation; None where there are no units to draw."""
    if any(side.shape[1] == 1 for side in sides):
        return None, None
    means = [resampled_counts(side.shape[1], samples, seed) @ side.T / side.shape[1] for side in sides]
    drawn = [correlation(before, after) for before, after in zip(*means, strict=True)]
    spearman = [np.nan if found.spearman is None else found.spearman for found in drawn]
    kendall = [np.nan if found.kendall is None else found.kendall for found in drawn]
    return percentile_interval(spearman), percentile_interval(kendall)
