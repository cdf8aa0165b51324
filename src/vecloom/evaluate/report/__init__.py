"""Reports of an evaluation: a table on the terminal, and files whose ending says what they are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from vecloom.errors import UsageError, from_os_error
from vecloom.evaluate.evaluation import Evaluation
from vecloom.evaluate.report.html import html_report
from vecloom.evaluate.report.markdown import csv_report, markdown_report
from vecloom.evaluate.report.terminal import terminal_table
from vecloom.files import write_text


def json_report(evaluation: Evaluation) -> str:
    """Everything that was found, as JSON; numbers that are none become null, other values their names."""
    return json.dumps(_plain(evaluation.as_dict()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


WRITERS: dict[str, Callable[[Evaluation], str]] = {
    ".html": html_report,
    ".md": markdown_report,
    ".csv": csv_report,
    ".json": json_report,
}


def checked_endings(paths: Iterable[str | PathLike[str]]) -> None:
    """Refuse paths that no report can be written to, before time is spent on what they would hold.

    Raises:
        UsageError: an ending says nothing.
    """
    for path in paths:
        ending = Path(path).suffix.lower()
        if ending not in WRITERS:
            raise UsageError(
                f"A report cannot be written to {fspath(path)}: the ending says nothing.",
                f"End its name in {', '.join(list(WRITERS)[:-1])} or {list(WRITERS)[-1]}.",
            )


def write_report(evaluation: Evaluation, path: str | PathLike[str]) -> None:
    """Write a report, wholly or not at all; the ending chooses its form: .html, .md, .csv or .json.

    Raises:
        UsageError: the ending is another.
        MissingExtraError: HTML without matplotlib or jinja2.
        OutputError: the file cannot be written.
    """
    checked_endings([path])
    text = WRITERS[Path(path).suffix.lower()](evaluation)
    try:
        # A lone half of a surrogate pair, which broken data can hold, cannot be written.
        write_text(path, text.encode("utf-8", "replace").decode("utf-8"))
    except OSError as error:
        raise from_os_error(error, "writing the report", path) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


__all__ = [
    "checked_endings",
    "csv_report",
    "html_report",
    "json_report",
    "markdown_report",
    "terminal_table",
    "write_report",
]
