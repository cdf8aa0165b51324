"""Which tasks fit into a time: the most telling first, by what each costs.

The value of a task falls with every task of its type that is already chosen, 1 / (1 + chosen), since tasks of one
type agree with each other far more than with those of another (MMTEB's selection, arXiv:2502.13595, rests on that).
Greedily the task with the most value per second that still fits is taken. The rule is ours, not the paper's;
``select`` is the paper's, where results of many models are at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

OVERHEAD = 2.0  # seconds of loading and scoring that no text explains


@dataclass(frozen=True)
class Estimate:
    """What a task is expected to cost.

    Attributes:
        task: name.
        type: mteb's name of its type.
        seconds: for all models together.
    """

    task: str
    type: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Tasks in the order in which they run, and those that do not fit."""

    chosen: tuple[str, ...]
    left_out: tuple[Estimate, ...]


def plan(estimates: Sequence[Estimate], seconds: float) -> Plan:
    """Choose tasks for a time.

    Args:
        estimates: of all tasks.
        seconds: that may be spent.
    """
    left = list(estimates)
    chosen: list[str] = []
    types: Counter[str] = Counter()
    while True:
        fitting = [task for task in left if task.seconds <= seconds]
        if not fitting:
            return Plan(tuple(chosen), tuple(left))
        best = max(fitting, key=lambda task: 1 / (1 + types[task.type]) / max(task.seconds, 1e-9))
        chosen.append(best.task)
        types[best.type] += 1
        seconds -= best.seconds
        left.remove(best)
