"""What every task maker writes: a task's card and its data files, each wholly or not at all.

The form is that of a local task (``task.yaml`` beside files in JSON lines; retrieval in BEIR's layout). A maker writes
the card last, so that a folder which a crash left half filled is not taken for a task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vecloom.errors import from_os_error
from vecloom.files import atomic_path, write_text


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What ``task.yaml`` says of a task.

    Attributes:
        name: letters, digits, "-", "_" and ".".
        type: "retrieval", "reranking" or "clustering".
        description: one or two sentences.
        main_score: the name of mteb's score that stands for the task.
        reference: where the method or the data is from.
        languages: such as "eng-Latn".
        domains: mteb's words for what the texts are about.
        licence: of the texts.
        splits: in the order in which they are reported.
    """

    name: str
    type: str
    description: str
    main_score: str
    reference: str = ""
    languages: tuple[str, ...] = ("eng-Latn",)
    domains: tuple[str, ...] = ("Written",)
    licence: str = "not specified"
    splits: tuple[str, ...] = ("test",)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence.

    Raises:
        OutputError: something in ``folder`` cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(error, "writing a task", error.filename or folder) from error


def write_card(folder: Path, card: TaskCard) -> None:
    """Write ``task.yaml``."""
    import yaml

    stated = {name: getattr(card, name) for name in TaskCard.__dataclass_fields__}
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in stated.items()}
    write_text(folder / "task.yaml", yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, one row at a time."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_qrels(path: Path, judgements: Iterable[tuple[str, str]]) -> None:
    """Write relevant (query id, document id) pairs in BEIR's form, each with grade 1; ids hold no tab or line end."""
    lines = ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t1" for query, document in judgements)]
    write_text(path, "\n".join(lines) + "\n")
