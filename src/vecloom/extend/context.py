"""Longer texts for a model: check, copy, change, record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from vecloom.errors import UsageError
from vecloom.extend.card import write_card
from vecloom.extend.output import changed_copy
from vecloom.extend.source import Source, open_source
from vecloom.extend.table import DEFAULTS, Method, canonical, check_call
from vecloom.files import check_output


@dataclass(frozen=True)
class ContextSummary:
    """What was done.

    Attributes:
        model: as it was given.
        method: the table's name.
        source_length: tokens that the model was made for.
        target_length: tokens that the new one reads.
        result: "plain" or "module".
        output: the folder.
        seconds: it took.
        found: what the method chose or found.
    """

    model: str
    method: str
    source_length: int
    target_length: int
    result: str
    output: str
    seconds: float
    found: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What would be done, checked.

    Attributes:
        source: the model.
        method: the table's name.
        entry: the method.
        target: tokens.
        options: the method's defaults, and what was set.
    """

    source: Source
    method: str
    entry: Method
    target: int
    options: dict[str, Any]

    @property
    def result(self) -> str:
        """What comes out: "plain" or "module"."""
        return self.entry.result(self.source.positions, self.options)


def plan_context(
    model: str, *, to: int, method: str | None = None, source_length: int | None = None, **options: Any
) -> Plan:
    """Check a call without working; see ``extend_context``."""
    source = open_source(str(model), source_length)
    method = method or DEFAULTS[source.positions]
    entry = check_call(method, source, to, options)
    return Plan(source, canonical(method), entry, to, entry.options | options)


def extend_context(
    model: str,
    out: str | PathLike[str],
    *,
    to: int,
    method: str | None = None,
    source_length: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> ContextSummary:
    """Write a model that reads longer texts.

    Args:
        model: a name from ``vecloom models``, a directory, or a Hub id.
        out: the folder to write.
        to: tokens, special ones included, that it shall read.
        method: a name of ``METHODS``; that of ``DEFAULTS`` for the model's kind of positions by default.
        source_length: tokens that the model was made for; its limit by default.
        overwrite: replace ``out``.
        progress: called with (steps done, steps in all) by a method that trains.
        options: the method's.

    Raises:
        UsageError: an unknown method or option, a target that is not longer, or ``out`` exists.
        ModelNotFoundError: there is no such model.
        ModelError: the method does not fit it.
        OutputError: ``out`` cannot be written.
    """
    began = time.perf_counter()
    plan = plan_context(model, to=to, method=method, source_length=source_length, **options)
    target = Path(out)
    check_output(target, overwrite=overwrite)
    if target.exists() and target.resolve() == plan.source.path.resolve():
        raise UsageError(f"{out} is the model itself.", "Choose another output.")
    with changed_copy(plan.source.path, target) as made:
        told = {"progress": progress} if plan.entry.takes_time else {}
        found = plan.entry.run(plan.source, made, to, **plan.options, **told)
        (made / "README.md").write_text(write_card(target.name, plan, found), encoding="utf-8")
    return ContextSummary(
        model=str(model),
        method=plan.method,
        source_length=plan.source.length,
        target_length=to,
        result=plan.result,
        output=str(out),
        seconds=time.perf_counter() - began,
        found=found,
    )
