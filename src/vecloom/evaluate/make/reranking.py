"""Reranking samples: seven relevant documents and the twenty-one that are hardest to tell from them.

Source: BuiltBench (Shahinmoghadam and Motamedi, arXiv 2411.12056), its data set code.

The paper's: only queries with MORE than 7 relevant documents; min(4, count // 7) samples of each; positives by the
diversity sampler; three negatives for each positive, the ones most similar to the query under the baseline that no sample
of this query used before. Our choices: a negative never has the same text as a relevant document, and texts that are
the same count once.

When to use it: to compare rerankers and encoders on cases that are hard for the baseline. When not: to compare the
baseline itself with others. Its own mistakes were chosen as negatives, so it is handicapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vecloom.evaluate.make.dictionary import Entry
from vecloom.evaluate.make.relevance import Relevance
from vecloom.evaluate.make.sampling import Strategy, diverse_sample, negative_sets, random_negative_sets, set_count
from vecloom.evaluate.make.vectors import TextVectors

Negatives: TypeAlias = Literal["similar", "random"]


@dataclass(frozen=True, slots=True)
class RerankingSettings:
    """How reranking samples are made; the defaults are the paper's.

    Attributes:
        positives: relevant documents of a sample; a query needs more of them.
        ratio: negatives for each positive.
        sets: samples of a query, at most.
        negatives: "similar" for the most similar to the query under the baseline, "random" for any.
        strategy: how positives are picked.
    """

    positives: int = 7
    ratio: int = 3
    sets: int = 4
    negatives: Negatives = "similar"
    strategy: Strategy = "chain"


@dataclass(frozen=True, slots=True)
class RerankingSample:
    """One list to rank.

    Attributes:
        id: the topic's, "#" and the 1-based number of the sample.
        query: its text.
        positives: codes of relevant documents.
        negatives: codes of documents that are not relevant.
    """

    id: str
    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]


def passage(entry: Entry) -> str:
    """What stands for an entry in a list: its description, or its title where it has none."""
    return entry.description or entry.title


def reranking_samples(
    relevance: Relevance, queries: Mapping[str, str], vectors: TextVectors, settings: RerankingSettings, seed: int = 42
) -> list[RerankingSample]:
    """Samples of all topics that have a query and enough relevant documents; none where negatives have run out.

    Args:
        relevance: topics, documents and judgements.
        queries: text by the topic's id; other topics are passed over.
        vectors: the baseline's.
        settings: see there.
        seed: draws the first positive of each sample, and random negatives.
    """
    texts = {entry.code: passage(entry) for entry in relevance.documents}
    samples: list[RerankingSample] = []
    for topic, query in queries.items():
        relevant = relevance.relevant[topic]
        count = set_count(len(relevant), settings.positives, settings.sets)
        if not count:
            continue
        rows = vectors([texts[code] for code in relevant])
        chosen = diverse_sample(rows, settings.positives, count, seed=seed, strategy=settings.strategy)
        against = _negatives(query, _pool(texts, relevant), texts, vectors, settings, count, seed)
        samples.extend(
            RerankingSample(f"{topic}#{number}", query, tuple(relevant[row] for row in positives), negatives)
            for number, (positives, negatives) in enumerate(zip(chosen, against, strict=True), 1)
            if negatives
        )
    return samples


def _pool(texts: Mapping[str, str], relevant: Sequence[str]) -> list[str]:
    """Codes whose text is no relevant document's, one for each text."""
    taken = {texts[code] for code in relevant}
    different: dict[str, str] = {}
    for code, text in texts.items():
        if text not in taken:
            different.setdefault(text, code)
    return list(different.values())


def _negatives(
    query: str,
    pool: Sequence[str],
    texts: Mapping[str, str],
    vectors: TextVectors,
    settings: RerankingSettings,
    count: int,
    seed: int,
) -> list[tuple[str, ...]]:
    samples = settings.positives * settings.ratio
    if settings.negatives == "random":
        drawn = random_negative_sets(len(pool), samples, count, seed)
    else:
        similar = np.asarray(vectors([texts[code] for code in pool]) @ vectors([query], "query")[0])
        drawn = negative_sets(similar, samples, count)
    return [tuple(pool[row] for row in rows) for rows in drawn]
