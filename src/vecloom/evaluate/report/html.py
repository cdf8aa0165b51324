"""The whole report as one HTML file that needs nothing else: styles, figures and the few lines that sort tables are inside it.

Texts of data sets and names of models are escaped by jinja2, and a content security policy lets only the report's own script run
and nothing be fetched. Colours follow the reader's light or dark scheme. ``page`` says what is shown and how much.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import MissingExtraError
from vecloom.evaluate.compare import Comparison
from vecloom.evaluate.evaluation import Evaluation
from vecloom.evaluate.report import sentences
from vecloom.evaluate.report.breakdowns import language_rows
from vecloom.evaluate.report.page import facts, hardest_note, overview_figures, task_sections
from vecloom.evaluate.report.tables import (
    BEST,
    NONE,
    SAME,
    UNTESTED,
    WORSE,
    League,
    dimension_rows,
    league,
    significance,
)
from vecloom.evaluate.report.wording import kind, listed, number, signed, speed
from vecloom.wording import counted

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
MARKS = {BEST: "", SAME: "≈", UNTESTED: "?", WORSE: "", NONE: ""}
TRAINED = "†"


def html_report(evaluation: Evaluation) -> str:
    """The report as the text of an HTML file.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    environment = _environment()
    found = league(evaluation)
    tasks = task_sections(evaluation, found)
    shown = {
        **_said(evaluation, found),
        "league": found,
        "marks": MARKS,
        "trained": TRAINED,
        "figures": overview_figures(found, [task.matrix for task in tasks]),
        "dimensions": dimension_rows(found),
        "overall": significance(evaluation, found.overall, found.labels),
        "tasks": tasks,
        "languages": language_rows(evaluation, found.labels, found.common),
        "settings": sentences.setting_rows(evaluation.settings),
        **_parts(),
    }
    page = environment.get_template("report.html.j2").render(shown, sections=_sections(shown))
    return page.strip() + "\n"


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("The HTML report needs jinja2.", extra="eval") from error
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "speed": speed,
        "listed": listed,
        "facts": facts,
        "kind": kind,
        "in_words": sentences.in_words,
        "sentence": lambda note: f"{note[:1].upper()}{note[1:]}.",
        "verdict_class": _verdict_class,
    }
    return environment


def _parts() -> dict[str, Any]:
    from markupsafe import Markup

    css, script = ((HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"css": Markup(css), "script": Markup(script), "script_digest": digest}


def _said(evaluation: Evaluation, found: League) -> dict[str, Any]:
    models = sum(not model.baseline for model in evaluation.models) or len(evaluation.models)
    return {
        "title": f"{counted(models, 'embedding model')} on {counted(len(found.tasks), 'task')}",
        "means_over": sentences.means_over(found),
        "verdict": sentences.verdict(evaluation, found),
        "close": sentences.close_tasks(found),
        "word_wins": sentences.word_wins(evaluation, found),
        "wins_counted": sentences.word_wins_counted(evaluation, found),
        "legend": sentences.legend(found, MARKS, TRAINED),
        "failures": sentences.failures(evaluation),
        "left_out": sentences.left_out(evaluation),
        "contamination": sentences.contamination(evaluation),
        "data_notes": sentences.data_notes(evaluation),
        "hardest_note": hardest_note(evaluation, found),
    }


def _sections(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Id and name of the sections that have something to show."""
    figures, tasks = shown["figures"], shown["league"].tasks
    there = {
        ("league", "League table"): tasks,
        ("tasks", "Every task"): tasks,
        ("words", "Where counting words wins"): shown["wins_counted"],
        ("types", "Types"): figures["types"],
        ("speed", "Speed"): figures["speed"],
        ("dimensions", "Dimensions"): figures["dimensions"],
        ("chance", "Significance"): shown["overall"].labels or figures["panels"],
        ("each", "Task by task"): tasks,
        ("languages", "Languages"): shown["languages"],
        ("missing", "What is missing"): shown["failures"] or shown["left_out"],
        ("data", "Data and training"): shown["contamination"] or shown["data_notes"],
        ("made", "How this was made"): True,
    }
    return [section for section, is_there in there.items() if is_there]


def _verdict_class(found: Comparison) -> str:
    if not found.significant:
        return "alike"
    return "better" if found.difference > 0 else "worse"
