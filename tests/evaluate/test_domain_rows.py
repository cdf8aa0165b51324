"""Rows of scores: reading them from CSV, laying them out, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.evaluate.domains import drawn, rows_of

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.domain.domain_rows import ScoreRow, read_complexity_csv, read_scores_csv, score_grid

HEADER = "model,dataset,domain,task_type,score\n"


def test_scores_are_read_from_csv(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(f"\ufeff{HEADER}minilm, sts15 ,general,sts,0.854\n\n", encoding="utf-8")
    assert read_scores_csv(path) == [ScoreRow("minilm", "sts15", "general", "sts", 0.854)]


def test_columns_may_come_in_any_order_with_others_between(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,note,model,dataset,domain,task_type\n0.5,,m,d,general,sts\n", encoding="utf-8")
    assert read_scores_csv(path) == [ScoreRow("m", "d", "general", "sts", 0.5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks model"),
        ("model,dataset,domain,score\n", "lacks task_type"),
        (HEADER, "no scores"),
        (HEADER + "m,d,general,sts,high\n", r":2: score 'high' is not a number"),
        (HEADER + "m,d,general,sts,nan\n", "is not a number"),
        (HEADER + "m,,general,sts,0.5\n", ":2: dataset is empty"),
        (HEADER + "m,d,general,0.5\n", ":2: 4 cells under 5 column names"),
        (HEADER + 'm,"d,general,sts,0.5\n', "cannot be read as CSV"),
    ],
)
def test_broken_csv_names_its_line(tmp_path, text, words):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_scores_csv(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_scores_csv(tmp_path / "none.csv")


def test_complexity_is_read_from_csv(tmp_path):
    path = tmp_path / "complexity.csv"
    path.write_text("dataset,fog,mdd\nsts15,11.5,\nbanking77,6.7,2.1\n", encoding="utf-8")
    assert read_complexity_csv(path) == {"sts15": {"fog": 11.5}, "banking77": {"fog": 6.7, "mdd": 2.1}}
    path.write_text("dataset,fog\na,1\na,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=":3: the data set 'a'"):
        read_complexity_csv(path)
    path.write_text("dataset\na\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no measures"):
        read_complexity_csv(path)


# Faults


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda rows: [], DataError, "no scores"),
        (lambda rows: [*rows, rows[0]], DataError, "two scores"),
        (lambda rows: [replace(rows[0], score=math.nan), *rows[1:]], DataError, "m0 on d0 is nan"),
        (lambda rows: [replace(rows[0], domain="special"), *rows[1:]], DataError, "d0 is of domain"),
        (lambda rows: [row for row in rows if row.domain == "general"], UsageError, "1 domain: general"),
        (lambda rows: [replace(row, domain=row.domain.upper()) for row in rows], UsageError, "not clear which"),
    ],
)
def test_broken_rows_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        score_grid(change(rows_of(*drawn())))


def test_models_scored_on_different_data_sets_are_refused():
    rows = [row for row in rows_of(*drawn(models=2)) if (row.model == "m0") == (row.dataset < "d4")]
    with pytest.raises(DataError, match="No data set has scores of all 2 models"):
        score_grid(rows)
