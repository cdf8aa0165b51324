from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluate.evaluations import (
    evaluation,
    many,
    only_models,
    only_tasks,
    part,
    with_parts,
)

from vecloom.errors import OutputError, UsageError
from vecloom.evaluate.evaluation import Failure
from vecloom.evaluate.report import (
    checked_endings,
    csv_report,
    html_report,
    json_report,
    markdown_report,
    terminal_table,
    write_report,
)

# The terminal.


def test_the_terminal_shows_scores_marks_means_and_what_is_missing() -> None:
    text = terminal_table(evaluation(), 120)
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    # most tasks are more than models, so tasks go down
    assert rows["search"].split() == "search 60.0~ (57.0 to 64.0) 58.0 (55.0 to 62.0) 65.0 (62.0 to 69.0)".split()
    assert rows["mean"].split() == ["mean", "75.0", "73.0~", "51.2"]
    assert rows["Borda place"].split() == ["Borda", "place", "1", "2", "3"]
    for said in ("large has the highest mean", "~ below the best", "Seed 7", "huge (about 1 h 30 min)", "Failed:"):
        assert said in text
    assert "may have seen training data of pairs (named on its card)" in text


@given(st.integers(1, 10), st.integers(1, 30), st.integers(20, 250))
def test_no_line_of_the_terminal_is_wider_than_it(models: int, tasks: int, width: int) -> None:
    text = terminal_table(_sizes(models, tasks), width)
    assert max(len(line) for line in text.splitlines()) <= max(width, 40)
    # every score is there, however it is laid out
    assert len(re.findall(r"\b30\.0\b", text)) >= tasks


def _sizes(models: int, tasks: int):
    whole = many(10, 30)
    labels = [model.label for model in whole.models][:models]
    return only_tasks(only_models(whole, *labels), *[task.name for task in whole.tasks][:tasks])


def test_names_that_do_not_fit_become_numbers_with_a_key() -> None:
    text = terminal_table(many(10, 12), 100)
    assert re.search(r"^ +1 +2 +3 .* 10$", text, re.MULTILINE)
    # best first: the last model has the highest score
    assert re.search(r"^1 +organisation-model-9\b", text, re.MULTILINE)


def test_few_tasks_and_many_models_put_the_models_down() -> None:
    text = terminal_table(many(8, 2), 120)
    assert re.search(r"^organisation-model-7 +44\.0", text, re.MULTILINE)


def test_control_characters_do_not_reach_the_terminal() -> None:
    escape = "\x1b[31mred\x1b[0m\r\n"
    failed = replace(
        evaluation(), failures=(Failure("t", "m", escape),), models=(replace(evaluation().models[0], label=escape),)
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", terminal_table(failed))


def test_wide_letters_keep_columns_in_line() -> None:
    renamed = [
        replace(task, name=name) for task, name in zip(evaluation().tasks, ("検索", "対", "題", "話題"), strict=True)
    ]
    names = {old.name: new.name for old, new in zip(evaluation().tasks, renamed, strict=True)}
    scores = tuple(replace(score, task=names[score.task]) for score in evaluation().scores)
    text = terminal_table(replace(evaluation(), tasks=tuple(renamed), scores=scores, comparisons=()), 120)
    from rich.cells import cell_len

    lines = [line for line in text.splitlines() if line.startswith(("検索", "対", "題"))]
    assert len({cell_len(line[: line.index("(")]) for line in lines}) == 1


@pytest.mark.parametrize("report", [terminal_table, html_report, markdown_report, csv_report, json_report])
def test_every_report_can_be_made_of_almost_nothing(report) -> None:
    bare = evaluation()
    for found in (
        only_models(bare, "large"),
        only_models(bare, "words"),
        only_tasks(bare, "titles"),
        replace(bare, comparisons=(), settings={}),
        replace(bare, tasks=(), scores=(), comparisons=()),
        replace(bare, models=(), tasks=(), scores=(), comparisons=(), failures=(), left_out=()),
        replace(bare, scores=tuple(replace(score, low=None, high=None, parts=()) for score in bare.scores)),
    ):
        assert report(found).strip()


# Markdown, CSV, JSON, files.


def test_markdown_tables_hold_scores_with_intervals_and_marks() -> None:
    text = markdown_report(evaluation())
    assert "| search | ndcg_at_10 | 60.0≈ (57.0 to 64.0) | 58.0 (55.0 to 62.0) | 65.0 (62.0 to 69.0) |" in text
    assert "| large | 75.0 | 71.7 | 1 | 60.0 | 85.0 | 70.0 | 384 | 100 |" in text
    assert "| words (counts words) | 51.2 | 53.3 | 3 | 65.0 | 45.0 | 50.0 | - | - |" in text
    assert "| large against large@64 | +2.0 | 1.0 to 4.0 | p = 0.250 | 0.50 | not significant |" in text
    assert "| large@64 | 64 | 73.0 | 97.3 % |" in text


def test_markdown_keeps_pipes_and_tags_from_being_read_as_such() -> None:
    text = markdown_report(evaluation())
    assert "<script>" not in text.replace("\\<script>", "")
    assert "\\| pipe" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1


def test_csv_has_a_row_for_each_score_and_each_of_its_splits() -> None:
    parts = (part(split="dev", score=0.8, languages=("deu-Latn", "eng-Latn")), part(score=0.96, low=None, high=None))
    rows = list(csv.DictReader(io.StringIO(csv_report(with_parts(evaluation(), "titles", {"large": parts})))))
    assert len(rows) == 12 + 11 + 2
    titles = [row for row in rows if row["task"] == "titles" and row["model"] == "large"]
    assert [(r["scope"], r["split"], r["languages"], r["score"], r["low"], r["units"]) for r in titles] == [
        ("task", "", "", "0.9", "0.87", "40"),
        ("split", "dev", "deu-Latn eng-Latn", "0.8", "0.4", ""),
        ("split", "test", "eng-Latn", "0.96", "", ""),
    ]
    assert {row["metric"] for row in titles} == {"cosine_spearman"}


def test_json_is_the_evaluation_itself_without_nan() -> None:
    odd = {"low": math.nan, "count": np.int64(3), "where": object, "pair": (1, 2)}
    found = json.loads(json_report(replace(evaluation(), settings=odd)))
    assert found["settings"]["low"] is None
    assert (found["settings"]["count"], found["settings"]["pair"]) == (3, [1, 2])
    assert found["scores"] == json.loads(json.dumps(evaluation().as_dict()["scores"]))


@pytest.mark.parametrize(
    ("name", "begins"),
    [("r.html", "<!doctype html>"), ("r.md", "# Evaluation"), ("r.CSV", "scope,task"), ("r.json", "{")],
)
def test_the_ending_chooses_the_form(tmp_path, name: str, begins: str) -> None:
    write_report(evaluation(), tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.html.gz"])
def test_another_ending_is_refused_before_any_work(tmp_path, name: str) -> None:
    with pytest.raises(UsageError, match="ending"):
        checked_endings([tmp_path / "fine.html", tmp_path / name])
    with pytest.raises(UsageError, match="ending"):
        write_report(evaluation(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch) -> None:
    target = tmp_path / "r.md"
    target.write_text("old")

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vecloom.evaluate.report.write_text", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_report(evaluation(), target)
    assert target.read_text() == "old"


def test_half_a_surrogate_pair_in_a_text_does_not_stop_a_report(tmp_path) -> None:
    broken = replace(evaluation(), failures=(Failure("t", "", "bad \ud800 text"),))
    for name in ("r.html", "r.md", "r.json"):
        write_report(broken, tmp_path / name)
        assert "bad" in (tmp_path / name).read_text(encoding="utf-8")
