"""From a classification dictionary to six data sets in three tasks, as BuiltBench is made, for any taxonomy.

Source: "Benchmarking pre-trained text embedding models in aligning built asset information" (Shahinmoghadam and Motamedi,
arXiv 2411.12056, 2024). "s" is a name, "p" a description:

- clustering s2s, p2p: names, descriptions, in sets from the hierarchy (``clusters``); V-measure;
- retrieval s2p, p2p: a name, a description without its name, against "name description" (``relevance``); nDCG@10;
- reranking s2p, p2p: the same queries against descriptions, with hard negatives (``reranking``); MAP.

The paper's and our choices are named in those modules. Two more of ours: a p2p query of the reranking, too, loses its name,
which the paper leaves there; and a set that would be empty is not made, and the report says why.

When to use it: to choose an encoder for assigning items to a classification. When not: to publish the sets made from
a dictionary whose licence forbids derived works, as that of the paper's data does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from vecloom.encoders.protocol import Encoder, Progress
from vecloom.errors import DataError, UsageError
from vecloom.evaluate.make.clusters import (
    ClusterGroup,
    ClusterSettings,
    JudgedSet,
    group_texts,
    hierarchy_groups,
    judged_sets,
)
from vecloom.evaluate.make.dictionary import Dictionary, Entry, TaxonomyColumns, read_dictionary
from vecloom.evaluate.make.relevance import Relevance, Topic, by_hierarchy, by_mapping, without_name
from vecloom.evaluate.make.reranking import RerankingSample, RerankingSettings, passage, reranking_samples
from vecloom.evaluate.make.vectors import TextVectors
from vecloom.evaluate.make.writing import TaskCard, write_card, write_qrels, write_rows, writing
from vecloom.files import write_text

TASKS = ("clustering", "retrieval", "reranking")
MAIN_SCORES = {"clustering": "v_measure", "retrieval": "ndcg_at_10", "reranking": "map_at_1000"}
REFERENCE = "https://arxiv.org/abs/2411.12056"
_ABOUT = {
    "clustering-s2s": "Group names of a classification by their class.",
    "clustering-p2p": "Group descriptions of a classification by their class.",
    "retrieval-s2p": "Find the entries of a classification that belong to a name.",
    "retrieval-p2p": "Find the entries of a classification that belong to a description.",
    "reranking-s2p": "Rank descriptions that belong to a name above the hardest ones that do not.",
    "reranking-p2p": "Rank descriptions that belong to a description above the hardest ones that do not.",
}
_TEXTS: dict[str, Callable[[Entry], str]] = {"s": lambda entry: entry.title, "p": lambda entry: entry.description}
_QUERIES: dict[str, Callable[[Topic], str]] = {
    "s": lambda topic: topic.title,
    "p": lambda topic: without_name(topic.title, topic.description),
}


@dataclass(frozen=True, slots=True)
class TaxonomyReport:
    """What was made, and all that was not.

    Attributes:
        tasks: folders that were written.
        skipped: why a set was not made, by its name.
        documents: entries that can be retrieved.
        queries: queries by task's name.
        judgements: relevant pairs of a topic and a document.
        misses: mapping cells that are no target's code, with the number of entries, the most frequent first.
        unmapped: entries with an empty mapping cell.
        too_wide: classes left out because every document is below them.
        queries_with_name: p2p queries in which the name still stands inside a sentence.
        short_samples: reranking samples with fewer negatives than asked for, because the documents ran out.
        cluster_sets: each set that was drawn: task, group, number, texts, labels, V-measures, reused labels, kept.
        baseline: name and fingerprint of the encoder that chose texts.
        weak: the same of the lower gate's.
        seed: of all draws.
    """

    tasks: tuple[Path, ...]
    skipped: Mapping[str, str]
    documents: int
    queries: Mapping[str, int]
    judgements: int
    misses: Mapping[str, int]
    unmapped: int
    too_wide: tuple[str, ...]
    queries_with_name: int
    short_samples: int
    cluster_sets: tuple[Mapping[str, Any], ...]
    baseline: tuple[str, str]
    weak: tuple[str, str]
    seed: int


@dataclass(frozen=True, slots=True)
class _Made:
    """One set before it is written; ``write`` puts its data into a folder."""

    write: Callable[[Path], None]
    queries: int = 0
    samples: tuple[RerankingSample, ...] = ()
    sets: tuple[JudgedSet, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What all sets are made from."""

    dictionaries: Mapping[str, Dictionary]
    relevance: Relevance | None
    groups: tuple[ClusterGroup, ...]
    baseline: TextVectors
    weak: TextVectors
    clustering: ClusterSettings
    reranking: RerankingSettings
    seed: int


def make_taxonomy(
    file: str | PathLike[str],
    directory: str | PathLike[str],
    *,
    encoder: Encoder,
    weak: Encoder | None = None,
    target: str | PathLike[str] | None = None,
    mapping: str | None = None,
    separator: str | None = None,
    columns: TaxonomyColumns | None = None,
    target_columns: TaxonomyColumns | None = None,
    groups: Sequence[ClusterGroup] | None = None,
    clustering: ClusterSettings | None = None,
    reranking: RerankingSettings | None = None,
    tasks: Sequence[str] = TASKS,
    name: str | None = None,
    languages: Sequence[str] = ("eng-Latn",),
    licence: str = "not specified",
    seed: int = 42,
    progress: Progress | None = None,
) -> TaxonomyReport:
    """Make the data sets and write them, and ``NAME-report.json`` beside them.

    Args:
        file: the dictionary (CSV or TSV: code, title, description, and parent or level columns).
        directory: where a folder for each set is made: ``NAME-clustering-s2s`` and so on.
        encoder: the baseline: it chooses diverse texts and hard negatives, and makes the upper gate.
        weak: makes the lower gate; the baseline itself by default. In the paper a small multilingual model.
        target: a second dictionary, whose entries are the queries.
        mapping: column of ``file`` that names a code of ``target``. Without target and mapping the hierarchy of ``file``
            decides what is relevant.
        separator: between the codes of a mapping cell that names several.
        columns: which column of ``file`` holds what, where the usual names do not say it.
        target_columns: the same for ``target``.
        groups: what is told apart in clustering; classes below one class by default (``hierarchy_groups``).
        clustering: sizes and gates of the clustering sets.
        reranking: sizes of the reranking samples.
        tasks: which of ``TASKS`` to make.
        name: begins the sets' names; the file's name by default.
        languages: for the cards, such as "eng-Latn".
        licence: for the cards.
        seed: of all draws.
        progress: called with the number of texts that were encoded.

    Raises:
        UsageError: a file, a column or a task is not there; or only one of target and mapping is given.
        DataError: a file cannot be understood (``read_dictionary``), no cell names a target, there is no hierarchy, or no
            set could be made.
        OutputError: the folder cannot be written.
    """
    _check(tasks, target, mapping)
    dictionaries = {"file": read_dictionary(file, columns)}
    if target is not None:
        dictionaries["target"] = read_dictionary(target, target_columns)
    baseline = TextVectors(encoder, progress)
    inputs = _Inputs(
        dictionaries=dictionaries,
        relevance=None if set(tasks) <= {"clustering"} else _relevance(dictionaries, mapping, separator),
        groups=tuple(_groups(dictionaries, clustering or ClusterSettings()) if groups is None else groups),
        baseline=baseline,
        weak=baseline if weak is None else TextVectors(weak, progress),
        clustering=clustering or ClusterSettings(),
        reranking=reranking or RerankingSettings(),
        seed=seed,
    )
    made = {f"{task}-{kind}": _MAKERS[task](inputs, kind) for task in dict.fromkeys(tasks) for kind in _KINDS[task]}
    prefix = name or re.sub(r"[^\w.-]+", "-", Path(file).stem, flags=re.ASCII).strip("-.") or "taxonomy"
    cards = {key: _card(prefix, key, languages, licence) for key, found in made.items() if not found.empty}
    if not cards:
        raise DataError(f"No set can be made of {file}: {'; '.join(found.empty for found in made.values())}.")
    report = _report(Path(directory), prefix, made, inputs, encoder, weak or encoder)
    with writing(Path(directory)):
        for key, card in cards.items():
            made[key].write(Path(directory, card.name))
            write_card(Path(directory, card.name), card)
        written = {**asdict(report), "tasks": [folder.name for folder in report.tasks]}
        write_text(Path(directory, f"{prefix}-report.json"), json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    return report


def _check(tasks: Sequence[str], target: object, mapping: object) -> None:
    for task in tasks or [""]:
        if task not in TASKS:
            raise UsageError(f"There is no taxonomy task {task!r} to make.", f"Use {', '.join(TASKS)}.")
    if (target is None) != (mapping is None):
        given, missing = ("target", "mapping") if mapping is None else ("mapping", "target")
        what = f"A {given} was given without a {missing}."
        raise UsageError(what, "Give the second dictionary and the column that names its codes, or neither.")


def _relevance(dictionaries: Mapping[str, Dictionary], mapping: str | None, separator: str | None) -> Relevance:
    if mapping is None:
        return by_hierarchy(dictionaries["file"])
    return by_mapping(dictionaries["file"], dictionaries["target"], mapping, separator)


def _groups(dictionaries: Mapping[str, Dictionary], settings: ClusterSettings) -> list[ClusterGroup]:
    """The outermost groups of all dictionaries."""
    found = [
        *hierarchy_groups(dictionaries["file"], "file", settings),
        *(hierarchy_groups(dictionaries["target"], "target", settings) if "target" in dictionaries else []),
    ]
    return sorted(found, key=lambda group: max(group.level, 1))[: settings.groups]


def _clustering(inputs: _Inputs, kind: str) -> _Made:
    text = _TEXTS[kind[0]]
    by_group = [(group, group_texts(inputs.dictionaries[group.source], group, text)) for group in inputs.groups]
    inputs.baseline([one for _, texts in by_group for found in texts.values() for one in found])
    sets = [
        judged
        for group, texts in by_group
        for judged in judged_sets(texts, group, inputs.baseline, inputs.weak, inputs.clustering, inputs.seed)
    ]
    kept = [judged for judged in sets if judged.kept]
    rows = [{"sentences": judged.sentences, "labels": judged.labels} for judged in kept]
    empty = "" if kept else f"clustering-{kind}: none of {len(sets)} drawn sets passed the gates"
    return _Made(lambda folder: write_rows(folder / "test.jsonl", rows), sets=tuple(sets), empty=empty)


def _topic_queries(relevance: Relevance, kind: str) -> dict[str, str]:
    texts = {topic.id: _QUERIES[kind[0]](topic) for topic in relevance.topics}
    return {topic: text for topic, text in texts.items() if text}


def _retrieval(inputs: _Inputs, kind: str) -> _Made:
    relevance = _needed(inputs.relevance)
    queries = _topic_queries(relevance, kind)

    def write(folder: Path) -> None:
        write_rows(
            folder / "corpus.jsonl",
            ({"_id": entry.code, "title": entry.title, "text": entry.description} for entry in relevance.documents),
        )
        _write_queries(folder, queries.items())
        write_qrels(
            folder / "qrels" / "test.tsv", ((topic, code) for topic in queries for code in relevance.relevant[topic])
        )

    return _Made(write, len(queries), empty="" if queries else f"retrieval-{kind}: no topic has a description")


def _reranking(inputs: _Inputs, kind: str) -> _Made:
    relevance, settings = _needed(inputs.relevance), inputs.reranking
    queries = _topic_queries(relevance, kind)
    samples = reranking_samples(relevance, queries, inputs.baseline, settings, inputs.seed)
    used = {code for sample in samples for code in (*sample.positives, *sample.negatives)}

    def write(folder: Path) -> None:
        documents = [entry for entry in relevance.documents if entry.code in used]
        write_rows(
            folder / "corpus.jsonl",
            ({"_id": entry.code, "title": "", "text": passage(entry)} for entry in documents),
        )
        _write_queries(folder, ((sample.id, sample.query) for sample in samples))
        # sorted, so that the order tells nothing
        lists = (
            {"query-id": sample.id, "corpus-ids": sorted((*sample.positives, *sample.negatives))} for sample in samples
        )
        write_rows(folder / "top_ranked.jsonl", lists)
        write_qrels(folder / "qrels" / "test.tsv", ((one.id, code) for one in samples for code in one.positives))

    why = f"no query has more than {settings.positives} relevant documents" if queries else "no topic has a description"
    empty = "" if samples else f"reranking-{kind}: {why}"
    return _Made(write, len(samples), samples=tuple(samples), empty=empty)


_MAKERS: dict[str, Callable[[_Inputs, str], _Made]] = {
    "clustering": _clustering,
    "retrieval": _retrieval,
    "reranking": _reranking,
}
_KINDS = {"clustering": ("s2s", "p2p"), "retrieval": ("s2p", "p2p"), "reranking": ("s2p", "p2p")}


def _needed(relevance: Relevance | None) -> Relevance:
    assert relevance is not None, "retrieval and reranking are made from judgements"
    return relevance


def _write_queries(folder: Path, queries: Iterable[tuple[str, str]]) -> None:
    write_rows(folder / "queries.jsonl", ({"_id": query, "text": text} for query, text in queries))


def _card(prefix: str, key: str, languages: Sequence[str], licence: str) -> TaskCard:
    task = key.partition("-")[0]
    return TaskCard(
        name=f"{prefix}-{key}",
        type=task,
        description=_ABOUT[key],
        main_score=MAIN_SCORES[task],
        reference=REFERENCE,
        languages=tuple(languages),
        licence=licence,
    )


def _report(
    directory: Path, prefix: str, made: Mapping[str, _Made], inputs: _Inputs, baseline: Encoder, weak: Encoder
) -> TaxonomyReport:
    relevance = inputs.relevance or Relevance((), (), {})
    wanted = inputs.reranking.positives * inputs.reranking.ratio
    named = {topic.id: topic.title.casefold() for topic in relevance.topics}
    return TaxonomyReport(
        tasks=tuple(directory / f"{prefix}-{key}" for key, found in made.items() if not found.empty),
        skipped={f"{prefix}-{key}": found.empty for key, found in made.items() if found.empty},
        documents=len(relevance.documents),
        queries={f"{prefix}-{key}": found.queries for key, found in made.items() if found.queries},
        judgements=sum(map(len, relevance.relevant.values())),
        misses=relevance.misses,
        unmapped=relevance.unmapped,
        too_wide=relevance.too_wide,
        queries_with_name=sum(
            named[topic] in text.casefold() for topic, text in _topic_queries(relevance, "p2p").items()
        ),
        short_samples=sum(len(sample.negatives) < wanted for found in made.values() for sample in found.samples),
        cluster_sets=tuple(_outcome(f"{prefix}-{key}", one) for key, found in made.items() for one in found.sets),
        baseline=(baseline.name, baseline.fingerprint),
        weak=(weak.name, weak.fingerprint),
        seed=inputs.seed,
    )


def _outcome(task: str, judged: JudgedSet) -> dict[str, Any]:
    stated = {key: value for key, value in asdict(judged).items() if key not in ("sentences", "labels")}
    return {"task": task, **stated, "texts": len(judged.sentences), "labels": len(set(judged.labels))}
