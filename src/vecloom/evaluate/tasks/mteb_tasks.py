"""Local data sets as genuine mteb tasks, so that their scores are mteb's own.

Source: mteb 2.26 (Enevoldsen et al., ICLR 2025, arXiv:2502.13595). Only ``load_data`` is ours. Where mteb's class has
settings for large public sets that would spoil a small one, they are set here: clustering embeds all texts (mteb: 4 % of them;
``downsample`` in ``task.yaml`` sets the share).
A classification set without a train split is scored by mteb's five-fold cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datasets import Dataset, DatasetDict
from mteb._evaluators.retrieval_metrics import evaluate_p_mrr_change
from mteb.abstasks import (
    AbsTaskBitextMining,
    AbsTaskClassification,
    AbsTaskClustering,
    AbsTaskClusteringLegacy,
    AbsTaskMultilabelClassification,
    AbsTaskPairClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
    AbsTaskSummarization,
)
from mteb.abstasks.abstask import AbsTask
from mteb.abstasks.task_metadata import TaskMetadata
from pydantic import ValidationError

from vecloom.errors import DataError, first_line
from vecloom.evaluate.tasks.collections import Collection, from_rows, read_collection
from vecloom.evaluate.tasks.columns import Columns, read_columns
from vecloom.evaluate.tasks.local import LocalTask
from vecloom.evaluate.tasks.rows import read_rows, split_file

MAIN_SCORES = {
    "retrieval": "ndcg_at_10",
    "reranking": "map_at_1000",
    "sts": "cosine_spearman",
    "pair-classification": "max_ap",
    "classification": "accuracy",
    "multilabel-classification": "accuracy",
    "clustering": "v_measure",
    "summarization": "cosine_spearman",
    "bitext-mining": "f1",
    "instruction-retrieval": "ndcg_at_10",
}
"""mteb's usual main score of each kind."""

CLASSES: dict[str, type[AbsTask]] = {
    "retrieval": AbsTaskRetrieval,
    "reranking": AbsTaskRetrieval,
    "sts": AbsTaskSTS,
    "pair-classification": AbsTaskPairClassification,
    "classification": AbsTaskClassification,
    "multilabel-classification": AbsTaskMultilabelClassification,
    "clustering": AbsTaskClustering,
    "summarization": AbsTaskSummarization,
    "bitext-mining": AbsTaskBitextMining,
    "instruction-retrieval": AbsTaskRetrieval,
}
NEIGHBOURS = 5  # our choice; MahaSBERT's number was not found
UNKNOWN_LANGUAGE = ["und-Zyyy"]


def as_mteb(task: LocalTask) -> AbsTask:
    """A new mteb task that holds the data of a local one.

    Returns:
        the task, loaded; ``notes`` are sentences on what was met in the data, ``label_names`` what label numbers stand for.

    Raises:
        DataError: the data or ``task.yaml`` are not what they have to be.
    """
    if task.kind in ("retrieval", "reranking", "instruction-retrieval"):
        return _of_collections(task)
    return _of_rows(task, read_columns(task))


def _of_rows(task: LocalTask, data: Columns) -> AbsTask:
    base = CLASSES[task.kind]
    own: dict[str, Any] = {}
    scored = data.splits[task.splits[0]]
    if task.kind == "clustering":
        if isinstance(scored["sentences"][0], list):
            base = AbsTaskClusteringLegacy
        else:
            own["max_fraction_of_documents_to_embed"] = task.settings.get("downsample")
    if task.kind == "classification":
        own.update(_classifier(task, data))
    if task.kind in ("sts", "summarization"):
        rated = scored["score"] if task.kind == "sts" else [value for row in scored["relevance"] for value in row]
        own["min_score"] = float(task.settings.get("min_score", min(0.0, *rated)))
        own["max_score"] = float(task.settings.get("max_score", max(rated)))
    made = _made(task, base, own)
    made.dataset = DatasetDict({split: Dataset.from_dict(table) for split, table in data.splits.items()})
    made.notes, made.label_names = data.notes, data.names
    return made


def _classifier(task: LocalTask, data: Columns) -> dict[str, Any]:
    """Mteb's logistic regressions on 8 texts a label, or the five nearest of all training texts ("knn")."""
    own: dict[str, Any] = {}
    if "train" not in data.splits:
        own.update(is_cross_validation=True, train_split=task.splits[0])
    wanted = task.settings.get("classifier", "logistic")
    if wanted == "knn":
        from sklearn.neighbors import KNeighborsClassifier

        nearest = KNeighborsClassifier(NEIGHBOURS, metric="cosine", algorithm="brute")
        known = data.splits.get("train", data.splits[task.splits[0]])["label"]
        own.update(evaluator_model=nearest, samples_per_label=len(known), n_experiments=1)
    elif wanted != "logistic":
        raise DataError(f"{task.path}/task.yaml: classifier is {wanted!r}.", "Use logistic or knn.")
    return own


def _of_collections(task: LocalTask) -> AbsTask:
    splits = {split: _collection(task, split) for split in task.splits}
    own: dict[str, Any] = {}
    if task.follows_instructions:
        changed = {split: found.changed for split, found in splits.items()}
        own.update(task_specific_scores=_p_mrr_of(changed), changed=changed)
    made = _made(task, AbsTaskRetrieval, own)
    made.dataset = {"default": {split: _split_data(found) for split, found in splits.items()}}
    made.notes, made.label_names = [note for found in splits.values() for note in found.notes], []
    made.positions = {split: found.positions for split, found in splits.items()}
    return made


def _collection(task: LocalTask, split: str) -> Collection:
    if task.path.is_file():
        return from_rows(read_rows(task.path), task.path)
    if rows := split_file(task.path, split):
        return from_rows(read_rows(rows), rows)
    return read_collection(task.path, split)


def _split_data(found: Collection) -> dict[str, Any]:
    return {
        "corpus": Dataset.from_list(found.corpus),
        "queries": Dataset.from_list(found.queries),
        "relevant_docs": found.judgements,
        "top_ranked": found.candidates,
    }


def _p_mrr_of(changed: dict[str, dict[str, list[str]]]) -> Callable[..., dict[str, Any]]:
    def scores(self: Any, _all: Any, qrels: Any, results: Any, hf_split: str, hf_subset: str) -> dict[str, Any]:
        return dict(evaluate_p_mrr_change(qrels, results, changed[hf_split], self.k_values))

    return scores


def _made(task: LocalTask, base: type[AbsTask], own: dict[str, Any]) -> AbsTask:
    def load_data(self: Any, *_given: Any, **_named: Any) -> None:
        self.data_loaded = True

    attributes = {"metadata": _metadata(task), "load_data": load_data, "data_loaded": True, **own}
    made: AbsTask = type(f"Local{base.__name__}", (base,), attributes)()
    return made


def _metadata(task: LocalTask) -> TaskMetadata:
    settings = task.settings
    category = "t2c" if "classification" in task.kind and task.kind != "pair-classification" else "t2t"
    known = [domain for domain in settings.get("domains") or [] if domain in _domains()]
    try:
        return TaskMetadata(
            name=task.name,
            description=str(settings.get("description") or f"The local data set {task.name}."),
            type=task.type,
            category=category,
            modalities=["text"],
            dataset={"path": f"local/{task.name}", "revision": task.revision},
            reference=settings.get("reference"),
            eval_splits=list(task.splits),
            eval_langs=list(settings.get("languages") or UNKNOWN_LANGUAGE),
            main_score=str(
                settings.get("main_score") or ("p-MRR" if task.follows_instructions else MAIN_SCORES[task.kind])
            ),
            domains=known or None,
            prompt=settings.get("prompt"),
        )
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "metadata"
        raise DataError(
            f"{task.path}/task.yaml: {where}: {first_line(ValueError(fault['msg']))}.", "Correct it."
        ) from error


def _domains() -> tuple[str, ...]:
    from typing import get_args

    from mteb.abstasks.task_metadata import TaskDomain

    return get_args(TaskDomain)
