"""Local data sets: what is recognised, what is refused, and in which words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.evaluate import data

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.tasks.columns import read_columns
from vecloom.evaluate.tasks.find import resolve
from vecloom.evaluate.tasks.local import discover, open_task


@pytest.mark.parametrize("kind", [kind for kind in data.KINDS if kind != "cluster-sets"])
def test_every_kind_is_recognised_by_its_files_and_columns(kind: str, tmp_path: Path) -> None:
    assert open_task(data.KINDS[kind](tmp_path / "set")).kind == kind


def test_a_folder_of_data_sets_gives_them_all_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c/deeper"):
        data.sts(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [task.name for task in discover(tmp_path)] == ["a", "b", "deeper"]


def test_two_tasks_of_one_name_get_their_folders_in_front(tmp_path: Path) -> None:
    for parent in ("english", "german"):
        data.sts(tmp_path / parent / "news")
    assert [source.name for source in resolve([str(tmp_path)])] == ["english-news", "german-news"]


def test_a_task_that_is_named_twice_runs_once(tmp_path: Path) -> None:
    data.sts(tmp_path / "news")
    assert len(resolve([str(tmp_path), str(tmp_path / "news")])) == 1


def test_a_kind_before_a_path_uses_the_data_so(tmp_path: Path) -> None:
    data.classification(tmp_path / "news")
    (source,) = resolve([f"clustering:{tmp_path / 'news'}"])
    assert (source.name, source.type) == ("news-clustering", "Clustering")
    (source,) = resolve([f"clustering:{tmp_path / 'news' / 'test.jsonl'}"])
    assert source.name == "news-clustering"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl.gz", "parquet"])
def test_rows_are_read_from_any_of_the_formats(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"pairs.{ending}"
    values = [
        {"sentence1": "a", "sentence2": "b", "score": "1"},
        {"sentence1": "c,\td", "sentence2": "ü", "score": "4.5"},
    ]
    if ending == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(values), path)
    elif ending == "jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(json.dumps(value) for value in values).encode()))
    else:
        import csv

        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, values[0].keys(), delimiter="\t" if ending == "tsv" else ",")
            writer.writeheader()
            writer.writerows(values)
    table = read_columns(open_task(path)).splits["test"]
    assert table == {"sentence1": ["a", "c,\td"], "sentence2": ["b", "ü"], "score": [1.0, 4.5]}


def test_the_revision_changes_with_the_data_and_only_with_them(tmp_path: Path) -> None:
    data.sts(tmp_path / "set")
    before = open_task(tmp_path / "set").revision
    assert open_task(tmp_path / "set").revision == before
    with (tmp_path / "set" / "test.jsonl").open("a") as stream:
        stream.write('{"sentence1": "x", "sentence2": "y", "score": 1}\n')
    assert open_task(tmp_path / "set").revision != before


def test_settings_name_columns_and_splits(tmp_path: Path) -> None:
    data.rows(tmp_path / "dev.jsonl", [{"headline": f"h {i}", "body": f"b {i}", "kind": str(i % 2)} for i in range(4)])
    (tmp_path / "task.yaml").write_text("name: heads\ntext_column: headline\nlabel_column: kind\nsplits: [dev]\n")
    task = open_task(tmp_path)
    assert (task.name, task.kind, task.splits) == ("heads", "classification", ("dev",))
    assert read_columns(task).splits["dev"]["text"][0] == "h 0"


FAULTS = {
    "a broken line": ("sts", "test.jsonl", "{broken\n", r"test\.jsonl:1 is not JSON"),
    "a row that is no object": ("sts", "test.jsonl", "[1]\n", r"test\.jsonl:1 is not a JSON object"),
    "an empty file": ("sts", "test.jsonl", "\n", "not a JSON object|no rows"),
    "unknown columns": ("sts", "test.jsonl", '{"left": "a", "right": "b"}\n', "left, right, which are no task"),
    "a missing text": (
        "sts",
        "test.jsonl",
        '{"sentence1": "a", "sentence2": null, "score": 1}\n',
        "'sentence2' is missing in row 1",
    ),
    "a score that is no number": (
        "sts",
        "test.jsonl",
        '{"sentence1": "a", "sentence2": "b", "score": "x"}\n',
        "'score' is 'x' in row 1",
    ),
    "a constant score": (
        "sts",
        "test.jsonl",
        '{"sentence1": "a", "sentence2": "b", "score": 3}\n' * 3,
        "all scores are 3, so that no corr",
    ),
    "labels beyond 0 and 1": (
        "pair-classification",
        "test.jsonl",
        '{"sentence1": "a", "sentence2": "b", "label": 2}\n',
        "labels are 2, not 0 and 1",
    ),
    "one class": (
        "classification",
        "test.jsonl",
        '{"text": "a", "label": "x"}\n' * 2,
        "all texts to score have the label 'x'",
    ),
    "one train class": ("classification", "train.jsonl", '{"text": "a", "label": "bread"}\n', "one label, 'bread'"),
    "a label that is no label": (
        "classification",
        "test.jsonl",
        '{"text": "a", "label": "x"}\n{"text": "a", "label": 1.5}\n',
        "is 1.5 in row 2",
    ),
    "labels that are no list": (
        "multilabel-classification",
        "test.jsonl",
        '{"text": "a", "label": "x"}\n',
        "no list in row 1",
    ),
    "one cluster": ("clustering", "test.jsonl", '{"text": "a", "label": "x"}\n' * 2, "all texts have the label 'x'"),
    "too few relevances": (
        "summarization",
        "test.jsonl",
        '{"text": "t", "human_summaries": ["a"], "machine_summaries": ["b", "c"], "relevance": [1]}\n',
        "2 machine summaries and 1 relevances",
    ),
    "a setting that is not known": (
        "sts",
        "task.yaml",
        "langages: [eng-Latn]\n",
        "'langages' is not known. Did you mean languages?",
    ),
    "settings that are no YAML": ("sts", "task.yaml", "a: [\n", "task.yaml is no YAML"),
    "a kind that is not known": (
        "sts",
        "task.yaml",
        "type: retreival\n",
        "no kind of task 'retreival'. Did you mean retrieval",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    kind, file, text, message = FAULTS[name]
    folder = data.KINDS[kind](tmp_path / "set")
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises((DataError, UsageError), match=message):
        read_columns(open_task(folder))


def test_labels_with_one_example_and_unknown_labels_are_noted(tmp_path: Path) -> None:
    folder = data.classification(tmp_path)
    with (folder / "test.jsonl").open("a") as stream:
        stream.write('{"text": "new", "label": "odd"}\n')
    notes = read_columns(open_task(folder)).notes
    assert any("1 label has one example (odd)" in note for note in notes)
    assert any("1 label is not in train" in note for note in notes)


def test_neutral_pairs_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = ["entailment", "neutral", "contradiction"]
    data.rows(tmp_path / "test.jsonl", [{"premise": "a", "hypothesis": "b", "label": label} for label in labels])
    found = read_columns(open_task(tmp_path))
    assert found.splits["test"]["labels"] == [1, 0]
    assert found.notes == ["1 neutral pair is left out, as in mteb's XNLI."]


def test_number_labels_are_sorted_as_numbers(tmp_path: Path) -> None:
    for split in ("train", "test"):
        data.rows(tmp_path / f"{split}.jsonl", [{"text": f"t{i}", "label": i} for i in (10, 9, 2, -1)])
    assert read_columns(open_task(tmp_path)).names == ["-1", "2", "9", "10"]


def test_names_that_are_nothing_here_offer_close_ones() -> None:
    pytest.importorskip("mteb")
    with pytest.raises(UsageError, match=r"no file, task or benchmark 'STS122'\. Did you mean .*STS12"):
        resolve(["STS122"])
    with pytest.raises(UsageError, match="There is no file or folder 'nowhere'"):
        resolve(["sts:nowhere"])


def test_a_folder_without_data_sets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data set"):
        resolve([str(tmp_path)])


def test_a_benchmark_of_mteb_gives_its_tasks() -> None:
    pytest.importorskip("mteb")
    sources = resolve(["MTEB(eng, v2)", "STS12"])
    assert len(sources) == 41
    assert {"STS12", "Banking77Classification.v2"} & {source.name for source in sources}


def test_data_that_cannot_be_reached_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("mteb")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (source,) = resolve(["STS12"])
    with pytest.raises(DataError, match="data of STS12"):
        source.load()
