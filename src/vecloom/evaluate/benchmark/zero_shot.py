"""Was a model trained on what it is tested on? What its card and mteb say, and the zero-shot share of a benchmark.

Source: MMTEB (Enevoldsen et al., ICLR 2025, arXiv 2502.13595) and mteb 2.26's ``ModelMeta``: ``training_datasets`` names
mteb tasks, widened by the model that this one was made from and by similar tasks (translations, revisions, smaller
versions); the share is int(100 - 100 |train and benchmark| / |benchmark|), None where the training data is not known.
Ours: the data sets that a model card lists in its front matter, matched with tasks by the Hub's name of the task's data or
by a base name without case, owner, version, language and task type; and the evidence for each task, in words.

A note, not a proof: cards leave data sets out, and a data set's training part may have been used without its test part.
When not to use it: to clear a model; no evidence found is not evidence of none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vecloom.encoders.resolve import BUNDLED, looks_like_hub_id, resolve
from vecloom.errors import DataError, MissingExtraError, first_line

BUNDLED_ON_HUB = "sentence-transformers/all-MiniLM-L6-v2"
CARD = "README.md"

# Endings of task names that say what is done with the data or which edition it is, not which data it is.
ENDINGS = (
    "hardnegatives", "bitextmining", "pairclassification", "multilabelclassification", "classification", "clustering",
    "retrieval", "reranking", "summarization", "s2s", "p2p", "test", "train", "dev", "pairs", "triplets", "dataset",
)  # fmt: skip
# The same data under names that share no base: how cards write it -> how tasks do.
ALIASES = {
    "naturalquestions": "nq",
    "stsb": "stsbenchmark",
    "stsbenchmarksts": "stsbenchmark",
    "stsbmultimt": "stsbenchmarkmultilingualsts",
    "qqp": "quora",
    "quoraduplicates": "quora",
    "mmarco": "msmarco",
    "msmarcopassage": "msmarco",
    "mrtydi": "mrtidy",
    "sick": "sickr",
    "multinli": "mnli",
    "dbpediaentity": "dbpedia",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a task is thought to be known to a model.

    Attributes:
        source: "model card" or "mteb".
        dataset: the data set or task that the source names.
        same: True where that is the task itself or its data, False where only the names or mteb's table of similar tasks say so.
    """

    source: str
    dataset: str
    same: bool

    def __str__(self) -> str:
        who = self.source if self.source == "mteb" else f"the {self.source}"
        return f"{who} names {self.dataset}{'' if self.same else ', the same data or a variant of it'}"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is known of a model's training data.

    Attributes:
        card: data sets that its card lists; None where there is no card or it lists none.
        named: tasks that mteb names for it and the models it was made from; None where mteb does not know.
        similar: task -> the named one that mteb holds for similar to it.
    """

    card: tuple[str, ...] | None
    named: frozenset[str] | None
    similar: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether anything is known at all."""
        return self.card is not None or self.named is not None


def trained_on(model: str | os.PathLike[str], task_names: Iterable[str]) -> dict[str, Evidence]:
    """The tasks that a model may have been trained on, each with the evidence; needs no network.

    Args:
        model: a model directory, a model card, "minilm", or a Hub id (its card is read where it lies in the local cache).
        task_names: to ask about.

    Raises:
        DataError: a card's front matter cannot be read.
    """
    known = training_data(model)
    found = {task: _evidence(task, known) for task in task_names}
    return {task: evidence for task, evidence in found.items() if evidence}


def training_data(model: str | os.PathLike[str]) -> TrainingData:
    """What the card and mteb say of a model's training data; ``known`` is False where neither says anything.

    Raises:
        DataError: a card's front matter cannot be read.
    """
    path = _card(str(model))
    front = front_matter(path) if path else {}
    listed = tuple(str(name) for name in _as_list(front.get("datasets")) if name)
    names = [BUNDLED_ON_HUB if str(model) == BUNDLED else str(model), *map(str, _as_list(front.get("base_model")))]
    metas = list(_lineage(names))
    if not metas:
        return TrainingData(listed or None, None)
    named = frozenset(task for meta in metas for task in meta.training_datasets)
    similar = {task: name for name in sorted(named) for task in sorted(_similar(name, metas[0]) - named)}
    return TrainingData(listed or None, named, similar)


def zero_shot_share(train: Collection[str] | None, benchmark: Collection[str]) -> int | None:
    """Percentage of a benchmark's tasks that are not among the training data, cut to a whole number.

    Args:
        train: names of tasks, widened; None where they are not known.
        benchmark: names of tasks.

    Returns:
        0 to 100; None where the training data is not known or the benchmark is empty.
    """
    tasks = set(benchmark)
    if train is None or not tasks:
        return None
    return int(100 - 100 * (len(tasks & set(train)) / len(tasks)))


def front_matter(card: Path) -> dict[str, Any]:
    """The YAML between the first two ``---`` lines of a model card; {} where there is none.

    Raises:
        DataError: it is not YAML, or the card cannot be read.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("Reading a model card needs PyYAML.", "eval") from error
    try:
        text = card.read_text(encoding="utf-8", errors="replace")
        found = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", text, re.DOTALL | re.MULTILINE)
        content = yaml.safe_load(found[1]) if found else {}
    except (OSError, yaml.YAMLError) as error:
        raise DataError(
            f"The front matter of {card} cannot be read: {first_line(error)}.",
            "Correct the lines between the --- marks.",
        ) from error
    return content if isinstance(content, dict) else {}


def base_name(name: str) -> str:
    """What variants of a data set have in common: "mteb/NQ-NL", "NanoNQRetrieval" and "natural_questions" are all "nq"."""
    short = re.sub(r"-[A-Za-z]{2,3}$", "", name.rsplit("/", 1)[-1])  # FEVER-NL: translations are named so
    short = re.sub(r"\.v\d+$", "", re.sub(r"^Nano(?=[A-Z])", "", short))
    short = re.sub(r"[^a-z0-9]", "", short.lower())
    while cut := next((end for end in ENDINGS if short.endswith(end) and len(short) > len(end) + 1), ""):
        short = short[: -len(cut)]
    return ALIASES.get(short, short)


def _evidence(task: str, known: TrainingData) -> Evidence | None:
    if task in (known.named or ()):
        return Evidence("mteb", task, True)
    data = _task_data(task)
    for dataset in known.card or ():
        if dataset in (task, data):
            return Evidence("model card", dataset, True)
    for source, names in (("mteb", sorted(known.named or ())), ("model card", known.card or ())):
        for name in names:
            if base_name(name) == base_name(task):
                return Evidence(source, name, False)
    return Evidence("mteb", known.similar[task], False) if task in known.similar else None


def _task_data(task: str) -> str | None:
    """The Hub's name of a task's data, where mteb knows the task."""
    try:
        import mteb

        return str(mteb.get_task(task).metadata.dataset["path"])
    except (ImportError, KeyError):
        return None


def _lineage(names: Iterable[str]) -> Iterator[Any]:
    """Metadata in mteb of models whose training data it knows, and of those that they were made from."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop(0)
        meta = None if name in seen else _mteb_meta(name)
        seen.add(name)
        if meta is not None:
            waiting += [meta.adapted_from] if meta.adapted_from else []
            if meta.training_datasets is not None:
                yield meta


def _similar(task: str, meta: Any) -> set[str]:
    """The tasks that mteb holds for similar, asked through its public method by a model trained on this one alone."""
    return set(meta.model_copy(update={"training_datasets": {task}, "adapted_from": None}).get_training_datasets())


def _mteb_meta(name: str) -> Any:
    try:
        import mteb

        return mteb.get_model_meta(name, fetch_from_hf=False)
    except (ImportError, KeyError):
        return None


def _card(model: str) -> Path | None:
    path = resolve(BUNDLED) if model == BUNDLED else Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return path / CARD if (path / CARD).is_file() else None
    if not looks_like_hub_id(model):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, CARD)
    return Path(cached) if isinstance(cached, str) else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
