"""``index.json``: what an index is, which model made it and which files hold it.

The file is replaced as a whole, so a reader sees the index before a change or after it. Everything that it
points to beside the table (vector file, graph) is derived from the table and can be made again.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from vecloom.errors import StoreError, UsageError
from vecloom.files import write_text
from vecloom.search.results import AnnInfo

FORMAT = 2  # 1: without terms of our own
FILE = "index.json"
_AGAIN = "Restore it from a copy, or make the index again."

_BEGUN = re.compile(r"rows(-[0-9a-f]{12})?\.lance|writer\.(lock|pid)|\.index\.json\..*")


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """The vector file in use: ``folder`` holds at least ``rows`` rows; later ones belong to unfinished work."""

    folder: str
    rows: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph in use: ``file`` inside the vector folder, over its first ``ann.rows`` rows."""

    file: str
    ann: AnnInfo


@dataclass(frozen=True, slots=True)
class Metadata:
    """The content of ``index.json``.

    Attributes:
        settled: the table's version when everything derived from it was last brought up to date; a later version
            means that a writer was killed before it did so.
        words: the rules by which its terms were made (``vecloom.text.RULES``); 0 in an index of format 1.
        languages: what its words were stemmed as, in order of appearance.
    """

    model: str
    fingerprint: str
    dim: int
    chunk_tokens: int
    overlap: int
    table: str
    created: str
    vecloom: str
    format: int = FORMAT
    settled: int = 0
    vectors: VectorFiles | None = None
    graph: Graph | None = None
    words: int = 0
    languages: tuple[str, ...] = ()


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write(folder: Path, metadata: Metadata) -> None:
    """Replace the folder's ``index.json``."""
    write_text(folder / FILE, json.dumps(asdict(metadata), indent=2, ensure_ascii=False) + "\n")


def stamp(folder: Path) -> tuple[int, int, int]:
    """Changes whenever ``index.json`` is replaced; cheaper than reading it for each query."""
    try:
        found = (folder / FILE).stat()
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size


def check_new(folder: Path, overwrite: bool) -> None:
    """Refuse a folder in which no new index can be made.

    Raises:
        StoreError: an index is there, and is not to be overwritten.
        UsageError: it holds other files, is a file, or its name is not UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # the table's engine takes paths as text
        raise UsageError(f"The name of the index, {folder}, is not UTF-8.", "Choose another name.") from None
    if (folder / FILE).exists():
        if not overwrite:
            raise StoreError(f"{folder} holds an index already.", "Open it to add to it, or overwrite it.")
    elif folder.is_dir():
        if not is_unfinished(folder):
            raise UsageError(f"{folder} holds other files.", "Choose a new folder for the index.")
    elif folder.exists():
        raise UsageError(f"{folder} is a file, and an index is a folder.", "Choose a new folder for the index.")


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds nothing but what a process that was killed left of an index it began."""
    return all(_BEGUN.fullmatch(path.name) for path in folder.iterdir())


def read(folder: Path) -> Metadata:
    """Read the folder's ``index.json``.

    Raises:
        StoreError: there is no index here, it is broken, or a newer vecloom made it.
    """
    file = folder / FILE
    if folder.is_file():
        raise StoreError(
            f"{folder} is a file, not an index.", f"Make an index of it with: vecloom index {folder} -i INDEX"
        )
    if not file.is_file():
        what = "is not a vecloom index: it holds no index.json." if folder.exists() else "does not exist."
        raise StoreError(f"{folder} {what}", f"Make one with: vecloom index INPUT... -i {folder}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = int(content["format"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise StoreError(f"{file} cannot be read: {error}.", _AGAIN) from error
    if version > FORMAT:
        made_by = content.get("vecloom", "a newer version")
        raise StoreError(
            f"{folder} has index format {version}, made by vecloom {made_by}; this vecloom reads up to {FORMAT}.",
            "Upgrade with: pip install -U vecloom",
        )
    try:
        return _parse(content)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{file} lacks or mistypes {error}.", _AGAIN) from error


def _parse(content: dict[str, object]) -> Metadata:
    vectors, graph = content.pop("vectors", None), content.pop("graph", None)
    files = VectorFiles(**vectors) if isinstance(vectors, dict) else None
    ann = Graph(file=graph["file"], ann=AnnInfo(**graph["ann"])) if isinstance(graph, dict) else None
    content["languages"] = tuple(content.get("languages", ()))  # type: ignore[arg-type]
    return Metadata(**content, vectors=files, graph=ann)  # type: ignore[arg-type]
