"""A retrieval set made small without changing the order of models: hard negatives pooled from several retrievers.

Source: MMTEB (Enevoldsen et al., ICLR 2025, arXiv:2502.13595), as ``downsample.hard_negative_subset`` does it. The new set is a
folder that ``vecloom eval`` reads; scores on it are higher than on the full set and compare only with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from vecloom.errors import UsageError
from vecloom.evaluate.benchmark.downsample import DEPTH, MAX_QUERIES, SEED, Retriever, hard_negative_subset
from vecloom.evaluate.make.writing import write_rows, writing
from vecloom.evaluate.tasks.collections import read_collection
from vecloom.evaluate.tasks.local import LocalTask
from vecloom.files import write_text


@dataclass(frozen=True, slots=True)
class SubsetReport:
    """What was kept of a set.

    Attributes:
        folder: of the new task.
        documents: kept, and ``all_documents`` of the full set.
        all_documents: see ``documents``.
        queries: kept, and ``all_queries`` of the full set.
        all_queries: see ``queries``.
    """

    folder: Path
    documents: int
    all_documents: int
    queries: int
    all_queries: int


def make_subset(
    task: LocalTask,
    directory: str | PathLike[str],
    retrievers: Sequence[Retriever],
    *,
    depth: int = DEPTH,
    max_queries: int = MAX_QUERIES,
    seed: int = SEED,
) -> SubsetReport:
    """Write ``NAME-hard-negatives`` below a directory.

    Args:
        task: a local retrieval task with one split.
        directory: where its folder is made.
        retrievers: whose best documents are pooled.
        depth: documents of each for each query.
        max_queries: more are sampled down.
        seed: of that sample.

    Raises:
        UsageError: the task is of another kind, or has several splits.
        DataError: the data are broken.
        OutputError: the folder cannot be written.
    """
    if task.kind != "retrieval" or len(task.splits) != 1:
        raise UsageError(f"{task.name} is no retrieval task with one split.", "Name a folder in the BEIR layout.")
    found = read_collection(task.path, task.splits[0])
    rows = {row["id"]: row for row in found.corpus}
    texts = {name: f"{row['title']} {row['text']}".strip() for name, row in rows.items()}
    queries = {row["id"]: row["text"] for row in found.queries}
    small = hard_negative_subset(
        texts, queries, found.judgements, retrievers, depth=depth, max_queries=max_queries, seed=seed
    )
    folder = Path(directory, f"{task.name}-hard-negatives")
    judged = [(q, doc, grade) for q, grades in small.qrels.items() for doc, grade in grades.items()]
    with writing(folder):
        documents = ({"_id": name, "title": rows[name]["title"], "text": rows[name]["text"]} for name in small.corpus)
        write_rows(folder / "corpus.jsonl", documents)
        write_rows(folder / "queries.jsonl", ({"_id": name, "text": text} for name, text in small.queries.items()))
        lines = ["query-id\tcorpus-id\tscore", *(f"{query}\t{doc}\t{grade}" for query, doc, grade in judged)]
        write_text(folder / "qrels" / "test.tsv", "\n".join(lines) + "\n")
    return SubsetReport(folder, len(small.corpus), len(texts), len(small.queries), len(queries))
