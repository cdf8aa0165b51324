"""Scores on the way: rank correlation on scored pairs, average precision on labelled pairs, nDCG@10 on a BEIR folder, accuracy.

Sources: Spearman's correlation of cosine and score, as the STS tasks; nDCG with gains as graded, Järvelin and Kekäläinen 2002;
accuracy of a logistic regression on the vectors of ``train``, counted on ``test``, as MTEB's classification tasks. For choosing
a checkpoint, not for publishing: ``vecloom eval`` has intervals and mteb's own definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sentence_transformers.base.evaluation import BaseEvaluator

from vecloom.data import rows
from vecloom.errors import DataError, UsageError
from vecloom.train.checks import check_text, label_of, score_of
from vecloom.train.recipe import EvalTask
from vecloom.train.shapes import SYNONYMS, layout_of
from vecloom.wording import counted

Matrix: TypeAlias = npt.NDArray[np.float32]
Encode: TypeAlias = Callable[[list[str], str], Matrix]
"""Texts and the name of a role (query, document, text) to unit vectors."""

Compare: TypeAlias = Callable[[Matrix, Matrix], Any]
"""Vectors of n pairs, (n, d) each, to n scores."""

CUT = 10
_BLOCK = 256  # queries scored at once
_ANY_SCALE = (-1e9, 1e9)  # a rank correlation does not see it


def cosines(first: Matrix, second: Matrix) -> Any:
    """Products of unit vectors, pair by pair."""
    return np.einsum("nd,nd->n", first, second)


class Pairs:
    """Spearman's correlation between cosines, or what a model's head says, and scores."""

    metric = "spearman"

    def __init__(self, task: EvalTask, path: Path) -> None:
        found = list(rows.read(path))[: task.limit]
        if len(found) < 3:
            raise DataError(f"{path} holds {counted(len(found), 'row')}.", "A correlation needs at least three.")
        columns = layout_of(list(found[0].values), "scored", task.columns, str(path)).columns
        place = f"{path}:"
        self._first, self._second = (
            [check_text(row.values.get(columns[side]), columns[side], f"{place}{row.line}") for row in found]
            for side in ("sentence1", "sentence2")
        )
        scores = [row.values.get(columns["score"]) for row in found]
        self._scores = [score_of(score, number, _ANY_SCALE, str(path)) for number, score in enumerate(scores, 1)]

    def score(self, encode: Encode, compare: Compare = cosines) -> float:
        """Between -1 and 1."""
        from scipy.stats import spearmanr

        found = compare(encode(self._first, "text"), encode(self._second, "text"))
        return float(spearmanr(found, self._scores).statistic)


class PairLabels:
    """Average precision of cosines, or of what a model's head says, for pairs that match (1) or do not (0)."""

    metric = "ap"

    def __init__(self, task: EvalTask, path: Path) -> None:
        found = list(rows.read(path))[: task.limit]
        columns = layout_of(list(found[0].values), "labelled-pairs", task.columns, str(path)).columns
        self._first, self._second = (
            [check_text(row.values.get(columns[side]), columns[side], f"{path}:{row.line}") for row in found]
            for side in ("sentence1", "sentence2")
        )
        self._labels, _ = label_of([row.values.get(columns["label"]) for row in found], 2, str(path))

    def score(self, encode: Encode, compare: Compare = cosines) -> float:
        """Between 0 and 1."""
        from sklearn.metrics import average_precision_score

        found = compare(encode(self._first, "text"), encode(self._second, "text"))
        return float(average_precision_score(self._labels, found))


class Retrieval:
    """Mean nDCG@10 over the queries of a BEIR folder."""

    metric = "ndcg@10"

    def __init__(self, task: EvalTask, path: Path) -> None:
        self._documents = _texts(path / "corpus.jsonl")
        queries = _texts(path / "queries.jsonl")
        judged = _judgements(path, task.split)
        kept = [name for name in judged if name in queries][: task.limit]
        if not kept:
            raise DataError(f"No query of {path / 'queries.jsonl'} is judged.", "Check the ids in qrels.")
        self._queries = {name: queries[name] for name in kept}
        self._judged = judged

    def score(self, encode: Encode) -> float:
        """Between 0 and 1."""
        names = np.array(list(self._documents))
        documents = encode(list(self._documents.values()), "document")
        queries = encode(list(self._queries.values()), "query")
        found: list[float] = []
        asked = list(self._queries)
        for first in range(0, len(asked), _BLOCK):
            best = _top(queries[first : first + _BLOCK] @ documents.T, CUT)
            for name, places in zip(asked[first : first + _BLOCK], best, strict=True):
                found.append(ndcg(names[places].tolist(), self._judged[name]))
        return float(np.mean(found))


class Labels:
    """Accuracy of a logistic regression on the vectors."""

    metric = "accuracy"

    def __init__(self, task: EvalTask, path: Path) -> None:
        train, test = (_file(path, names) for names in (("train",), ("test", "validation", "dev")))
        self._train, first = _labelled(train, task)
        self._test, second = _labelled(test, task)
        numbers, _ = label_of([*first, *second], None, str(path))
        self._labels = numbers[: len(first)], numbers[len(first) :]

    def score(self, encode: Encode) -> float:
        """Between 0 and 1."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=100).fit(encode(self._train, "text"), self._labels[0])
        return float(model.score(encode(self._test, "text"), self._labels[1]))


def ndcg(ranking: Sequence[str], grades: Mapping[str, float], cut: int = CUT) -> float:
    """DCG of a ranking over that of the ideal one: sum over ranks r of grade / log2(r + 1), to ``cut``."""
    discount = 1 / np.log2(np.arange(2, cut + 2))
    gains = np.array([grades.get(name, 0.0) for name in ranking[:cut]])
    ideal = np.sort([grade for grade in grades.values() if grade > 0])[::-1][:cut]
    best = float((ideal * discount[: len(ideal)]).sum())
    return float((gains * discount[: len(gains)]).sum()) / best if best else 0.0


Task: TypeAlias = Pairs | PairLabels | Retrieval | Labels


class Evaluator(BaseEvaluator):  # type: ignore[misc]
    """All tasks of a recipe, as sentence-transformers' trainer asks for them.

    Args:
        tasks: what to measure on.
        batch_size: texts encoded at once.

    Raises:
        DataError: a path is missing, of no known form, or its data are broken.
        UsageError: two tasks have one name.
    """

    def __init__(self, tasks: Sequence[EvalTask], batch_size: int = 64) -> None:
        super().__init__()
        titles = [task.title for task in tasks]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice:
            raise UsageError(f"Two tasks of the evaluation are called {twice!r}.", "Give one of them a name.")
        self._tasks = {task.title: _open(task) for task in tasks}
        self._prompts = {task.title: task.prompts for task in tasks}
        self._batch_size = batch_size
        self.primary_metric = "mean"

    @property
    def names(self) -> list[str]:
        """The scores that it gives."""
        return ["mean", *(f"{title}_{task.metric}" for title, task in self._tasks.items())]

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Score a ``SentenceTransformer``; its state of training is as before afterwards."""
        training = model.training
        found = {}
        compare = _head_of(model)
        for title, task in self._tasks.items():
            prompts = self._prompts[title]
            if compare is not None and isinstance(task, Pairs | PairLabels):
                value = task.score(self._encoder(model, prompts, normalize=False), compare)
            else:
                value = task.score(self._encoder(model, prompts))
            found[f"{title}_{task.metric}"] = value
        model.train(training)
        return {"mean": float(np.mean(list(found.values()))), **found}

    def _encoder(self, model: Any, prompts: Mapping[str, str], *, normalize: bool = True) -> Encode:
        def encode(texts: list[str], role: str) -> Matrix:
            methods = {"query": model.encode_query, "document": model.encode_document, "text": model.encode}
            prompt = {"prompt": prompts[role]} if role in prompts else {}
            made: Matrix = methods[role](
                texts, batch_size=self._batch_size, normalize_embeddings=normalize, show_progress_bar=False, **prompt
            )
            return made

        return encode


def _head_of(model: Any) -> Compare | None:
    """What scores pairs of the model's own vectors, where it has a head with one score (DSE)."""
    from vecloom.encoders.pair_head import PairHead

    parts: Any = getattr(model, "modules", tuple)()
    head = next((module for module in parts if isinstance(module, PairHead)), None)
    if head is None or head.labels > 1:
        return None
    import torch

    def compare(first: Matrix, second: Matrix) -> Any:
        with torch.inference_mode():
            sides = (torch.from_numpy(side).to(model.device) for side in (first, second))
            return head.logits(*sides)[:, 0].cpu().numpy()

    return compare


def _open(task: EvalTask) -> Task:
    path = Path(task.path)
    if path.is_file():
        return _open_pairs(task, path)
    if (path / "corpus.jsonl").is_file():
        return Retrieval(task, path)
    if _is_labels(path):
        return Labels(task, path)
    test = _file(path, ("test", "validation", "dev"), must=False) if path.is_dir() else None
    if test is not None:
        return _open_pairs(task, test)
    raise DataError(
        f"{path} is nothing that can be measured on.",
        "Give a file of scored or labelled pairs, a folder with corpus.jsonl, queries.jsonl and qrels, or one with train and "
        "test labels.",
    )


def _open_pairs(task: EvalTask, path: Path) -> Task:
    """Pairs with a score, or with a label where there is no score."""
    first = next(rows.read(path), None)
    if first is None:
        raise DataError(f"{path} holds no rows.", "Give a file with rows.")
    names = [*first.values, *task.columns]
    return PairLabels(task, path) if "label" in names and not {*SYNONYMS["score"]} & {*names} else Pairs(task, path)


def _is_labels(path: Path) -> bool:
    """Whether a folder has texts with labels to learn from and to test on, and not pairs."""
    train = _file(path, ("train",), must=False) if path.is_dir() else None
    if train is None or _file(path, ("test", "validation", "dev"), must=False) is None:
        return False
    first = next(rows.read(train), None)
    return first is not None and not {*SYNONYMS["sentence2"]} & {*first.values}


def _file(path: Path, names: Sequence[str], *, must: bool = True) -> Any:
    found = next(
        (path / f"{name}{end}" for name in names for end in rows.ENDINGS if (path / f"{name}{end}").is_file()), None
    )
    if found is None and must:
        raise DataError(f"{path} holds no file of {' or '.join(names)}.", f"Add one, as {names[0]}.jsonl.")
    return found


def _labelled(path: Path, task: EvalTask) -> tuple[list[str], list[Any]]:
    found = list(rows.read(path))[: task.limit]
    if not found:
        raise DataError(f"{path} holds no rows.", "Give a file with rows.")
    columns = layout_of(list(found[0].values), "labels", task.columns, str(path)).columns
    texts = [check_text(row.values.get(columns["text"]), columns["text"], f"{path}:{row.line}") for row in found]
    return texts, [row.values.get(columns["label"]) for row in found]


def _texts(path: Path) -> dict[str, str]:
    """Id to title and text of a BEIR file."""
    found = {}
    for row in rows.read(path):
        if "_id" not in row.values:
            raise DataError(f"{path}:{row.line} has no _id.", "Give BEIR's layout: _id, title, text.")
        title, text = row.values.get("title") or "", row.values.get("text") or ""
        found[str(row.values["_id"])] = f"{title} {text}".strip()
    return found


def _judgements(path: Path, split: str) -> dict[str, dict[str, float]]:
    """Query id to document id to grade."""
    file = next((each for each in (path / "qrels" / f"{split}.tsv", path / "qrels.tsv") if each.is_file()), None)
    if file is None:
        raise DataError(f"{path / 'qrels'} has no {split}.tsv.", "Set the task's split to one that is there.")
    found: dict[str, dict[str, float]] = {}
    for row in rows.read(file):
        try:
            query, document, grade = row.values["query-id"], row.values["corpus-id"], float(row.values["score"])
        except (KeyError, ValueError) as error:
            raise DataError(f"{file}:{row.line} is no judgement.", "Give query-id, corpus-id and score.") from error
        found.setdefault(str(query), {})[str(document)] = grade
    return found


def _top(scores: Matrix, count: int) -> npt.NDArray[np.int64]:
    """Columns of the largest scores of each row, the largest first, equal ones in order."""
    if scores.shape[1] <= count:
        return np.argsort(-scores, axis=1, kind="stable")
    kept = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(scores, kept, axis=1), axis=1, kind="stable")
    return np.take_along_axis(kept, order, axis=1)
