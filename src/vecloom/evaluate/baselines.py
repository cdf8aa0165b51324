"""Counted words beside every model: what a task is worth without any learning.

Source: Tang and Yang, FinMTEB, EMNLP 2025 (arXiv:2502.10990), where a bag of words has the best STS score of all models. Its
tokeniser and weighting are not given there; here words are the terms of ``vecloom.text``, fitted on all texts of the task, with
cosine. The second baseline is BM25 where texts are searched and tf-idf where they are compared, since BM25
tells queries from documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.errors import UsageError

SEARCHED = ("Retrieval", "Reranking", "InstructionRetrieval", "InstructionReranking")
DENSE = ("PairClassification", "Summarization", "MultilabelClassification")  # mteb's code for these needs arrays
BASELINES = ("bag-of-words", "bm25/tf-idf")


def fitted(name: str, task: Any) -> LexicalEncoder:
    """A baseline fitted on the texts of a loaded mteb task.

    Args:
        name: one of ``BASELINES``.
        task: a loaded mteb task.

    Raises:
        UsageError: there is no such baseline.
        DataError: the task's texts hold no words.
    """
    if name == "bag-of-words":
        fit = LexicalEncoder.fit(task_texts(task))
        return LexicalEncoder(LexicalSettings(weighting="count"), fit.statistics, name=name)
    if name != "bm25/tf-idf":
        raise UsageError(f"There is no baseline {name!r}.", f"There are {', '.join(BASELINES)}.")
    if task.metadata.type in SEARCHED:
        return LexicalEncoder.fit(corpus_texts(task), settings=LexicalSettings(weighting="bm25"), name=name)
    return LexicalEncoder.fit(task_texts(task), name=name)


def task_texts(task: Any) -> Iterator[str]:
    """Every text of a loaded task that a model would encode, label names and ids left out."""
    if task.metadata.type in SEARCHED:
        yield from corpus_texts(task)
        for data in _splits(task.dataset):
            yield from data["queries"]["text"]
        return
    for data in _splits(task.dataset):
        yield from _table_texts(data)


def corpus_texts(task: Any) -> Iterator[str]:
    """The documents of a loaded search task, titles before their texts as mteb does."""
    for data in _splits(task.dataset):
        for title, text in zip(_titles(data["corpus"]), data["corpus"]["text"], strict=True):
            yield f"{title} {text}".strip()


def _splits(dataset: Any) -> Iterator[Any]:
    """The tables of all subsets and splits, or their collections."""
    for value in dataset.values():
        if not hasattr(value, "values") or "corpus" in value:
            yield value
        else:
            yield from _splits(value)


def _table_texts(table: Any) -> Iterator[str]:
    for column in table.column_names:
        if column in ("id", "_id", "label", "labels"):
            continue
        for value in table[column]:
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from (text for text in value if isinstance(text, str))


def _titles(corpus: Any) -> list[str]:
    return list(corpus["title"]) if "title" in corpus.column_names else [""] * len(corpus)
