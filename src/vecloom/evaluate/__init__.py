"""How good an encoder is, on public benchmarks and on your own text, and whether a difference is real.

    from vecloom import evaluate
    found = evaluate.run(evaluate.open_models(["minilm", "minilm@64"]), ["my-tasks/"], "eval-results")
    evaluate.write_report(found, "report.html")

Scores are mteb's (extra ``[eval]``); intervals, tests, baselines and failures are added here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.evaluate.candidates import Candidate as Candidate
    from vecloom.evaluate.candidates import open_models as open_models
    from vecloom.evaluate.evaluation import Evaluation as Evaluation
    from vecloom.evaluate.job import Settings as Settings
    from vecloom.evaluate.job import run as run
    from vecloom.evaluate.report import write_report as write_report

_HOMES = {
    "Candidate": "candidates",
    "Evaluation": "evaluation",
    "Settings": "job",
    "open_models": "candidates",
    "run": "job",
    "write_report": "report",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.evaluate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.evaluate.{_HOMES[name]}"), name)
