"""Document collections with judgements (retrieval, reranking, instruction-retrieval), read and checked.

What can be wrong and what happens: a missing file, a missing column, an id that comes twice and judgements that fit
to no query are errors; judged documents that are not in the corpus are counted, listed and kept as relevant, so that
they lower the score, as trec_eval does; judged queries that are not there, and queries without a relevant document,
are counted and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vecloom.errors import DataError
from vecloom.evaluate.tasks.local import CHANGED
from vecloom.evaluate.tasks.rows import Row, numbers_of, read_rows, split_file, texts_of
from vecloom.wording import are, counted

Judgements = dict[str, dict[str, int]]
SHOWN = 5  # ids named in a note


@dataclass
class Collection:
    """One split of a collection.

    Attributes:
        corpus: documents as rows of id, title and text.
        queries: rows of id and text, and instruction where there is one.
        judgements: relevance by query and document; 0 and below is not relevant.
        candidates: documents to rerank by query, or None where all are searched.
        changed: documents that an instruction turned irrelevant, by query without "-og" and "-changed".
        positions: where in a document a hidden sentence stands, 0 to 1 (LongEmbed).
        notes: sentences on what was met.
    """

    corpus: list[Row]
    queries: list[Row]
    judgements: Judgements
    candidates: dict[str, list[str]] | None = None
    changed: dict[str, list[str]] = field(default_factory=dict)
    positions: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_collection(folder: Path, split: str) -> Collection:
    """Read one split in the BEIR layout; a split with documents of its own has a folder of its own.

    Raises:
        DataError: a file or column is missing, an id comes twice, or no judgement fits.
    """
    if (folder / split).is_dir() and split_file(folder / split, "corpus"):
        return _read(folder / split, _qrels_file(folder / split, split))
    return _read(folder, _qrels_file(folder, split))


def from_rows(rows: Sequence[Row], path: Path) -> Collection:
    """A reranking collection from rows of query, text and label (relevant where above 0).

    Raises:
        DataError: a column is missing, or no row is relevant.
    """
    asked, texts = texts_of(rows, "query", path), texts_of(rows, "text", path)
    labels = numbers_of(rows, "label", path)
    queries = {text: f"q{place}" for place, text in enumerate(dict.fromkeys(asked))}
    corpus = {text: f"d{place}" for place, text in enumerate(dict.fromkeys(texts))}
    judgements: Judgements = {}
    candidates: dict[str, dict[str, None]] = {query: {} for query in queries.values()}
    for query, text, label in zip(asked, texts, labels, strict=True):
        candidates[queries[query]][corpus[text]] = None
        if label > 0:
            judgements.setdefault(queries[query], {})[corpus[text]] = int(label)
    found = Collection(
        [{"id": place, "title": "", "text": text} for text, place in corpus.items()],
        [{"id": place, "text": text} for text, place in queries.items()],
        judgements,
        {query: list(documents) for query, documents in candidates.items()},
    )
    return _checked(found, path)


def _read(folder: Path, qrels: Path) -> Collection:
    corpus, queries = _named(folder, "corpus"), _named(folder, "queries")
    found = Collection(
        _with_ids(read_rows(corpus), corpus, ("title", "text")),
        _with_ids(read_rows(queries), queries, ("text", "instruction")),
        _judgements(qrels),
    )
    if ranked := split_file(folder, "top_ranked"):
        found.candidates = _lists(read_rows(ranked), ranked)
    if changed := split_file(folder, CHANGED):
        found.changed = _lists(read_rows(changed), changed)
    if hidden := split_file(folder, "positions"):
        found.positions = {str(row["corpus-id"]): float(row["position"]) for row in read_rows(hidden)}
    return _checked(found, folder)


def _named(folder: Path, name: str) -> Path:
    return split_file(folder, name) or folder / f"{name}.jsonl"


def _qrels_file(folder: Path, split: str) -> Path:
    for path in (folder / "qrels" / f"{split}.tsv", folder / "qrels.tsv", folder / "qrels" / "test.tsv"):
        if path.is_file():
            return path
    raise DataError(
        f"{folder} has no judgements: qrels/{split}.tsv is missing.",
        "Write it with the columns query-id, corpus-id and score.",
    )


def _with_ids(rows: Sequence[Row], path: Path, columns: Sequence[str]) -> list[Row]:
    titled = {number for number, row in enumerate(rows) if "title" in columns and row.get("title")}
    texts_of([{"text": ""} | _given(row) if number in titled else row for number, row in enumerate(rows)], "text", path)
    places: dict[str, int] = {}
    kept = []
    for number, row in enumerate(rows, start=1):
        name = row.get("_id", row.get("id"))
        if name is None:
            raise DataError(f"{path}: row {number} has no _id.", "Give each row an _id.")
        if str(name) in places:
            raise DataError(f"{path}: the id {name!r} is in rows {places[str(name)]} and {number}.", "Make ids unique.")
        places[str(name)] = number
        kept.append({"id": str(name), **{column: str(row.get(column) or "") for column in columns if column in row}})
    for row in kept:
        if "title" in columns:
            row.setdefault("title", "")
        row.setdefault("text", "")
    return kept


def _given(row: Row) -> Row:
    return {column: value for column, value in row.items() if value is not None}


def _judgements(path: Path) -> Judgements:
    found: Judgements = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or (number == 1 and not _is_number(parts[-1])):
            continue
        if len(parts) == 4:  # trec_eval's form has an iteration in the second place
            parts = [parts[0], *parts[2:]]
        if len(parts) != 3 or not _is_number(parts[2]):
            raise DataError(f"{path}:{number} is {line!r}.", "Write query-id, corpus-id and score, with tabs between.")
        found.setdefault(parts[0], {})[parts[1]] = int(float(parts[2]))
    return found


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _lists(rows: Sequence[Row], path: Path) -> dict[str, list[str]]:
    found = {}
    for number, row in enumerate(rows, start=1):
        query, documents = row.get("query-id"), row.get("corpus-ids")
        if query is None or not isinstance(documents, list):
            raise DataError(f"{path}: row {number} has not query-id and a list corpus-ids.", "Correct the row.")
        found[str(query)] = [str(document) for document in documents]
    return found


def _checked(found: Collection, place: Path) -> Collection:
    documents = {row["id"] for row in found.corpus}
    queries = {row["id"] for row in found.queries}
    unknown = [query for query in found.judgements if query not in queries]
    judged = {query: grades for query, grades in found.judgements.items() if query in queries}
    found.judgements = {query: grades for query, grades in judged.items() if any(g > 0 for g in grades.values())}
    if not found.judgements:
        raise DataError(
            f"No query of {place} has a relevant document in its judgements.",
            "Check that the ids in qrels are those of queries.jsonl.",
        )
    absent = {doc for grades in found.judgements.values() for doc in grades if doc not in documents}
    if len(absent) == len({doc for grades in found.judgements.values() for doc in grades}):
        raise DataError(f"No judged document of {place} is in the corpus.", "Check that the ids are the same in both.")
    found.notes += _notes(unknown, sorted(absent), len(queries) - len(found.judgements))
    _check_candidates(found, documents, place)
    return found


def _check_candidates(found: Collection, documents: set[str], place: Path) -> None:
    for query, candidates in (found.candidates or {}).items():
        missing = next((document for document in candidates if document not in documents), None)
        if missing is not None:
            raise DataError(
                f"{place}: the candidate {missing!r} of query {query!r} is not in the corpus.",
                "Take it out of top_ranked.jsonl, or add the document.",
            )


def _notes(unknown: list[str], absent: list[str], without: int) -> list[str]:
    notes = []
    if unknown:
        many, verb = counted(len(unknown), "judged query"), are(len(unknown))
        notes.append(f"{many} {verb} not in queries.jsonl and {verb} left out ({_some(unknown)}).")
    if absent:
        notes.append(
            f"{counted(len(absent), 'judged document')} {are(len(absent))} not in the corpus ({_some(absent)}); "
            f"{'it counts' if len(absent) == 1 else 'they count'} as relevant and not found, as in trec_eval."
        )
    if without > len(unknown):
        notes.append(f"{counted(without, 'query')} without a relevant document {are(without)} left out.")
    return notes


def _some(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
