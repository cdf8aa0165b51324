"""Local data sets: what lies in a folder, which kind of task it is, and what ``task.yaml`` says of it.

The kind follows from ``type`` in ``task.yaml`` or from the prefix that the user gave, else from the files and columns:

| found | kind |
| --- | --- |
| corpus, queries and qrels/ (BEIR) | retrieval |
| the same and top_ranked | reranking |
| the same and queries with an instruction | instruction-retrieval, by nDCG@10; with changed_qrels, by p-MRR |
| query, text, label | reranking |
| sentence1, sentence2, score | sts |
| sentence1, sentence2, label, or premise, hypothesis, label | pair-classification |
| sentence1, sentence2 | bitext-mining |
| text, label | classification; where label is a list, multilabel-classification |
| sentences, labels (lists) | clustering |
| text, human_summaries, machine_summaries, relevance | summarization |

One-line names of columns other than these can be given in ``task.yaml`` (``text_column``, ``label_column``).
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vecloom.data.rows import ENDINGS, read
from vecloom.errors import DataError, UsageError
from vecloom.evaluate.tasks.rows import Row, split_file
from vecloom.files import file_digest

KINDS = {
    "retrieval": "Retrieval",
    "reranking": "Reranking",
    "sts": "STS",
    "pair-classification": "PairClassification",
    "classification": "Classification",
    "multilabel-classification": "MultilabelClassification",
    "clustering": "Clustering",
    "summarization": "Summarization",
    "bitext-mining": "BitextMining",
    "instruction-retrieval": "InstructionRetrieval",
}
"""Each kind by the name that users write, and mteb's name of the task type."""

CHANGED = "changed_qrels"  # the file that makes instruction-retrieval FollowIR's, scored by p-MRR

SETTINGS = (
    *("name", "type", "description", "languages", "domains", "licence", "reference", "prompt", "main_score", "splits"),
    *("text_column", "label_column", "min_score", "max_score", "downsample", "classifier", "without_train"),
)
EVALUATED = ("test", "validation", "dev", "all")  # the first that is there is scored
_COLUMNS = (
    ({"query", "text", "label"}, "reranking"),
    ({"sentence1", "sentence2", "score"}, "sts"),
    ({"sentence1", "sentence2", "label"}, "pair-classification"),
    ({"premise", "hypothesis", "label"}, "pair-classification"),
    ({"sentence1", "sentence2"}, "bitext-mining"),
    ({"human_summaries", "machine_summaries", "relevance"}, "summarization"),
    ({"sentences", "labels"}, "clustering"),
)
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class LocalTask:
    """A data set on disk.

    Attributes:
        name: of the task: ``task.yaml``'s, else made from the folder.
        kind: one of ``KINDS``.
        path: its folder, or its one file.
        splits: the splits that are scored.
        settings: what ``task.yaml`` says.
    """

    name: str
    kind: str
    path: Path
    splits: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Mteb's name of the task type."""
        return "InstructionReranking" if self.follows_instructions else KINDS[self.kind]

    @property
    def follows_instructions(self) -> bool:
        """Whether queries come twice, with an instruction and with a changed one (FollowIR)."""
        return self.kind == "instruction-retrieval" and split_file(self.path, CHANGED) is not None

    def files(self) -> list[Path]:
        """The files that decide the scores, sorted."""
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.rglob("*") if file.is_file() and not file.name.startswith("."))

    @property
    def revision(self) -> str:
        """Hex digest of the data, so that results of a changed data set are never taken for those of the old one."""
        digest = hashlib.sha256(self.kind.encode())
        for file in self.files():
            digest.update(f"{file.relative_to(self.path.parent)} {file_digest(file)}\n".encode())
        return digest.hexdigest()[:40]


def open_task(path: Path, kind: str | None = None, *, name: str | None = None) -> LocalTask:
    """Look at one data set.

    Args:
        path: a folder, or a single file of rows.
        kind: what it is to be used as; found out where None.
        name: of the task, where ``task.yaml`` gives none.

    Raises:
        DataError: it is no data set, or broken.
        UsageError: there is no such kind.
    """
    settings = read_settings(path / "task.yaml") if path.is_dir() else {}
    kind = checked_kind(kind or settings.get("type") or guessed_kind(path, settings))
    name = settings.get("name") or name or plain_name(path)
    return LocalTask(name, kind, path, _splits(path, kind, settings), settings)


def discover(folder: Path) -> list[LocalTask]:
    """All data sets in a folder and below it, sorted by path.

    Folders whose files are no task (a plain corpus, a dictionary) are passed over.
    """
    if is_task(folder):
        return [open_task(folder)]
    found: list[LocalTask] = []
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found.extend(discover(child))
    return found


def is_task(folder: Path) -> bool:
    """Whether a folder is itself a data set that can be scored."""
    if (folder / "task.yaml").is_file() or split_file(folder, "corpus"):
        return True
    try:
        return bool(split_files(folder)) and guessed_kind(folder, {}) in KINDS
    except DataError:
        return False


def read_settings(path: Path) -> dict[str, Any]:
    """What a ``task.yaml`` says; nothing where there is no file.

    Raises:
        DataError: it cannot be read, or has a key that is not known.
    """
    if not path.is_file():
        return {}
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())}.", "Correct it.") from error
    if not isinstance(settings, dict):
        raise DataError(f"{path} is no mapping.", "Write lines such as 'type: retrieval'.")
    for key in settings:
        if key not in SETTINGS:
            close = difflib.get_close_matches(str(key), SETTINGS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(SETTINGS)}."
            raise DataError(f"{path}: {key!r} is not known.", hint)
    return settings


def checked_kind(kind: str) -> str:
    """The kind itself.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=2, cutoff=0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(KINDS)}."
        raise UsageError(f"There is no kind of task {kind!r}.", hint)
    return kind


def split_files(folder: Path) -> dict[str, Path]:
    """The split files of a folder of rows, by split."""
    found = {split: split_file(folder, split) for split in ("train", *EVALUATED)}
    return {split: path for split, path in found.items() if path}


def guessed_kind(path: Path, settings: dict[str, Any]) -> str:
    """The kind of task that files and columns make.

    Raises:
        DataError: nothing fits.
    """
    if path.is_dir() and (corpus := split_file(path, "corpus")):
        return _kind_of_collection(corpus.parent)
    files = [path] if path.is_file() else list(split_files(path).values())
    if not files:
        raise DataError(
            f"{path} holds no data set: there is neither corpus.jsonl nor test.jsonl in it.",
            "See 'vecloom tasks --help' for the forms that are read.",
        )
    row = _first_row(files[0])
    for columns, kind in _COLUMNS:
        if columns <= row.keys():
            return kind
    label = row.get(settings.get("label_column", "label"))
    if label is not None and text_column(row, settings):
        return "multilabel-classification" if isinstance(label, list) else "classification"
    raise DataError(
        f"{files[0]} has the columns {', '.join(map(str, row))}, which are no task that is known.",
        "Name the columns as 'vecloom tasks --help' shows, or give text_column and label_column in task.yaml.",
    )


def text_column(row: Row, settings: dict[str, Any]) -> str | None:
    """The column with the text: the one named, "text", or the only one that holds a string beside the labels."""
    if settings.get("text_column"):
        return str(settings["text_column"])
    if isinstance(row.get("text"), str):
        return "text"
    words = [name for name, value in row.items() if _is_prose(value) and "label" not in name and name != "id"]
    return words[0] if len(words) == 1 else None


def _is_prose(value: object) -> bool:
    """Whether a value is a text and not a number written as one."""
    return isinstance(value, str) and not re.fullmatch(r"[-+\d.\s]*", value)


def plain_name(path: Path) -> str:
    """A task's name from its place: "cranfield" for ``retrieval/cranfield``."""
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    if path.is_file() and stem in ("train", *EVALUATED):
        stem = path.resolve().parent.name
    return "-".join(_NAME.findall(stem)) or "task"


def _kind_of_collection(folder: Path) -> str:
    if split_file(folder, "top_ranked"):
        return "reranking"
    queries = split_file(folder, "queries")
    if queries is not None and "instruction" in _first_row(queries):
        return "instruction-retrieval"
    return "retrieval"


def _splits(path: Path, kind: str, settings: dict[str, Any]) -> tuple[str, ...]:
    if settings.get("splits"):
        return tuple(map(str, settings["splits"]))
    if path.is_file():
        return ("test",)
    judged = sorted(file.stem for file in (path / "qrels").glob("*.tsv"))
    if split_file(path, "corpus"):
        chosen = next((split for split in EVALUATED if split in judged), None)
        if chosen is None and not judged:
            raise DataError(
                f"{path} has no judgements: qrels/test.tsv is missing.",
                "Write it with the columns query-id, corpus-id and score.",
            )
        return (chosen or judged[0],)
    here = split_files(path)
    return (next((split for split in EVALUATED if split in here), "train"),)


def _first_row(path: Path) -> Row:
    first = next(read(path), None)
    if first is None:
        raise DataError(f"{path} holds no rows.", "Give a file with rows.")
    return first.values


def is_rows(path: Path) -> bool:
    """Whether a file's name is that of a file of rows."""
    return path.is_file() and path.name.endswith(ENDINGS)
