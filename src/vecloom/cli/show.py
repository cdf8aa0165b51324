"""How results look: sentences with numbers, aligned columns, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from vecloom.control_characters import escaped_json, visible
from vecloom.wording import counted

if TYPE_CHECKING:
    from vecloom.data import ReadReport


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text, without what would steer the terminal; every command prints through here or ``styled``."""
    click.echo(visible(text), err=err, nl=nl)


def styled(text: str) -> None:
    """Print text that holds styles of ours; whoever made it has made what is in it ``visible`` first, as ``bold`` does."""
    click.echo(text)


def bold(text: str) -> str:
    """Text that stands out on a terminal."""
    return click.style(visible(text), bold=True)


def as_json(value: Any, *, err: bool = False) -> None:
    """Print one line of JSON."""
    click.echo(json_line(value), err=err)


def json_line(value: Any) -> str:
    """A value as one line of JSON that a terminal cannot obey."""
    return escaped_json(json.dumps(value, ensure_ascii=False))


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Align texts in columns, two spaces apart."""
    lines = [*([header] if header else []), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in aligned)


def pairs(values: Mapping[str, Any]) -> str:
    """Align names and values, one a line."""
    return columns([(name, str(value)) for name, value in values.items()])


def count(number: int, noun: str) -> str:
    """Say "1 text", "2,000 texts"."""
    return counted(number, noun)


def columns_read(report: ReadReport) -> None:
    """Say on stderr which columns of records were read as what, where there were records."""
    said = report.columns()
    if said:
        echo(said, err=True)


def size(number: float) -> str:
    """Say bytes as people do: "1.5 MiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"
