"""Training data from files: shapes, columns, and faults that are met before the first step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from tests.train.toys import write_rows

from vecloom.errors import DataError, UsageError
from vecloom.train.checks import check_fit
from vecloom.train.data import read_table
from vecloom.train.recipe import DataSource, Recipe

PAIR = {"anchor": "a b", "positive": "b a"}


def table(path: Path, **keys):
    return read_table(DataSource(path=str(path), **keys))


@pytest.mark.parametrize(
    ("row", "shape", "columns"),
    [
        ({"anchor": "a", "positive": "b"}, "pairs", ["anchor", "positive"]),
        ({"question": "a", "answer": "b"}, "pairs", ["anchor", "positive"]),
        ({"query": "a", "positive": "b", "negative": "c"}, "triplets", ["anchor", "positive", "negative_1"]),
        ({"text": "a"}, "sentences", ["sentence"]),
        ({"id": 3, "sentence": "a"}, "sentences", ["sentence"]),
    ],
)
def test_a_shape_is_found_from_the_columns_names(tmp_path, row, shape, columns):
    found = table(write_rows(tmp_path / "x.jsonl", [row]))
    assert (found.shape, found.rows.column_names) == (shape, columns)


def test_scores_are_scaled_from_their_range(tmp_path):
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (0, 2.5, 5)]
    found = table(write_rows(tmp_path / "x.jsonl", rows), scale=(0, 5))
    assert found.shape == "scored"
    assert found.rows["score"][:] == [0.0, 0.5, 1.0]


def test_words_as_labels_are_numbered_by_the_alphabet(tmp_path):
    rows = [{"text": "a", "label": "dog"}, {"text": "b", "label": "cat"}, {"text": "c", "label": "dog"}]
    found = table(write_rows(tmp_path / "x.jsonl", rows))
    assert (found.rows["label"][:], found.labels) == ([1, 0, 1], ("cat", "dog"))


def test_pairs_with_a_class_are_labelled_pairs(tmp_path):
    rows = [{"premise": "a", "hypothesis": "b", "label": label} for label in (0, 2, 1)]
    assert table(write_rows(tmp_path / "x.jsonl", rows)).shape == "labelled-pairs"


def test_a_list_of_negatives_becomes_as_many_columns_as_every_row_has(tmp_path):
    rows = [
        {"query": "a", "positive": "b", "negatives": ["c", "d", "e"]},
        {"query": "f", "positive": "g", "negatives": ["h", "i"]},
    ]
    found = table(write_rows(tmp_path / "x.jsonl", rows))
    assert found.rows["negative_2"][:] == ["d", "i"]
    assert "negative_3" not in found.rows.column_names
    assert found.checked.notes() == ["rows have up to 3 negatives, of which the first 2 are used"]
    assert table(tmp_path / "x.jsonl", negatives=1).text_columns == ["anchor", "positive", "negative_1"]


def test_numbered_negatives_keep_their_order(tmp_path):
    row = {"query": "a", "positive": "b", **{f"negative_{number}": f"n{number}" for number in (10, 2, 1)}}
    found = table(write_rows(tmp_path / "x.jsonl", [row]))
    assert [found.rows[f"negative_{place}"][0] for place in (1, 2, 3)] == ["n1", "n2", "n10"]


def test_a_mapping_wins_over_the_names(tmp_path):
    rows = [{"anchor": "not this", "heading": "a", "body": "b"}]
    found = table(write_rows(tmp_path / "x.jsonl", rows), columns={"anchor": "heading", "positive": "body"})
    assert found.rows[0] == {"anchor": "a", "positive": "b"}


def test_all_formats_give_the_same_rows(tmp_path):
    rows = [{"anchor": 'a "quoted", text', "positive": "über\tall"}, {"anchor": "c", "positive": "d"}]
    write_rows(tmp_path / "x.jsonl", rows)
    with gzip.open(tmp_path / "x.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "x.csv").write_text('anchor,positive\n"a ""quoted"", text",über\tall\nc,d\n', encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    for name in ("x.jsonl", "x.jsonl.gz", "x.csv", "x.parquet"):
        assert table(tmp_path / name).rows.to_list() == rows, name


def test_prompts_of_the_positive_go_before_negatives_too(tmp_path):
    path = write_rows(tmp_path / "x.jsonl", [{"query": "a", "positive": "b", "negative": "c"}])
    found = table(path, prompts={"anchor": "query: ", "positive": "passage: "})
    assert found.prompts == {"anchor": "query: ", "positive": "passage: ", "negative_1": "passage: "}


@pytest.mark.parametrize(
    ("rows", "keys", "says", "advises"),
    [
        (
            [{"anchor": "a"}, {"foo": 1}],
            {"shape": "pairs"},
            "needs the column 'positive'; there are 'anchor'",
            "columns:",
        ),
        ([{"foo": "a", "bar": "b"}], {}, "the columns 'foo', 'bar' are of no known shape", "columns:"),
        ([PAIR, {"anchor": "a"}], {}, "x.jsonl:2: the column 'positive' is missing", "remove"),
        ([PAIR, {"anchor": "a", "positive": "  "}], {}, "x.jsonl:2: the column 'positive' is empty", "remove"),
        ([PAIR, {"anchor": "a", "positive": 3}], {}, "is int, not text", "Correct"),
        ([PAIR], {"columns": {"anchor": "q"}}, "no column 'q'", "Correct"),
        ([PAIR], {"columns": {"anker": "anchor"}}, "'anker', which no shape has", "There are"),
        ([PAIR], {"prompts": {"query": "q: "}}, "prompts names 'query'", "Correct"),
        ([], {}, "holds no rows", "rows"),
    ],
)
def test_a_fault_of_the_columns_is_named_with_its_place(tmp_path, rows, keys, says, advises):
    with pytest.raises(DataError) as caught:
        table(write_rows(tmp_path / "x.jsonl", rows), **keys)
    assert says in caught.value.what
    assert advises in caught.value.todo


def scored(*scores):
    return [{"sentence1": "a", "sentence2": "b", "score": score} for score in scores]


def labelled(*labels):
    return [{"text": f"t{place}", "label": label} for place, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("rows", "keys", "says", "advises"),
    [
        (scored(0.5, 3.2), {}, "the score 3.2 of row 2 is outside 0 to 1", "scale: [0, 5]"),
        (scored(0.5, 6), {"scale": (0, 5)}, "the score 6 of row 2 is outside 0 to 5", "Correct"),
        (scored(0.5, float("nan")), {}, "the score of row 2 is nan", "number"),
        (scored(0.5, "high"), {}, "the score of row 2 is 'high'", "number"),
        (labelled(1, 1, 1), {}, "there is one class", "two classes"),
        (labelled(0, 1, -1), {}, "the label -1 of row 3 is outside 0 or more", "from 0"),
        (labelled(0, 1, 5), {"classes": 3}, "the label 5 of row 3 is outside 0 to 2", "classes"),
        (labelled(0, 1, "x"), {}, "the label 'x' of row 3 is no whole number", "not both"),
        (labelled(0, None), {}, "the label of row 2 is missing", "Fill"),
    ],
)
def test_a_fault_of_a_score_or_label_is_named_with_its_row(tmp_path, rows, keys, says, advises):
    with pytest.raises(DataError) as caught:
        table(write_rows(tmp_path / "x.jsonl", rows), **keys)
    assert says in caught.value.what
    assert advises in caught.value.todo


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.jsonl", b'{"anchor": "a"', "x.jsonl:1 is not JSON"),
        ("x.jsonl", b"[1]\n", "x.jsonl:1 is not a JSON object"),
        ("x.jsonl", b"\xff\xfa", "not UTF-8"),
        ("x.csv", b"anchor,positive\na\n", "x.csv:2 has another number of cells"),
        ("x.jsonl.gz", b"no gzip", "broken gzip"),
        ("x.parquet", b"no parquet", "not a readable Parquet file"),
        ("x.docx", b"", "of a format that cannot be read"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        table(tmp_path / name)
    assert says in caught.value.what


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        table(tmp_path / "nothing.jsonl")


def test_repeats_are_counted_not_refused(tmp_path):
    rows = [PAIR, PAIR, {"anchor": "same", "positive": "same"}]
    checked = table(write_rows(tmp_path / "x.jsonl", rows)).checked
    assert (checked.rows, checked.distinct, checked.twice, checked.echoes) == (3, 3, 1, 1)
    assert checked.notes() == ["rows that repeat an earlier one: 1", "rows in which a text stands twice: 1"]


def fit(tmp_path: Path, files: dict[str, list[dict]], **keys) -> None:
    sources = tuple(DataSource(path=str(write_rows(tmp_path / f"{name}.jsonl", rows))) for name, rows in files.items())
    recipe = Recipe(**({"model": "m", "output": "o", "data": sources, "loss": "mnr", "batch_size": 2} | keys))
    check_fit(recipe, [read_table(source) for source in sources])


def test_a_loss_that_does_not_take_the_shape_offers_those_that_do(tmp_path):
    with pytest.raises(UsageError, match=r"'mnr' takes pairs or triplets, and 'x' is scored.*cosent"):
        fit(tmp_path, {"x": scored(0, 1)})


def test_a_wrapper_takes_what_its_base_takes(tmp_path):
    fit(tmp_path, {"x": scored(0, 1)}, loss={"name": "matryoshka", "base": "cosent"})
    with pytest.raises(UsageError, match="'matryoshka' takes pairs or triplets"):
        fit(tmp_path, {"x": scored(0, 1)}, loss="matryoshka")


def test_a_triplet_loss_is_told_about_a_second_negative(tmp_path):
    rows = [{"query": "a", "positive": "b", "negatives": ["c", "d"]}] * 2
    with pytest.raises(UsageError, match=r"takes one negative, and 'x' has 2. Set negatives: 1"):
        fit(tmp_path, {"x": rows}, loss="triplet")


def test_too_few_rows_for_a_batch_are_an_error(tmp_path):
    with pytest.raises(DataError, match=r"A batch has 4 rows and 'x' has 3. Set batch_size to 3"):
        fit(tmp_path, {"x": [PAIR] * 3}, batch_size=4)


def test_data_sets_of_different_columns_cannot_be_mixed_in_a_batch(tmp_path):
    files = {"x": [PAIR] * 2, "y": [{**PAIR, "negative": "c"}] * 2}
    with pytest.raises(UsageError, match=r"'x' is pairs and 'y' is triplets.*one-task"):
        fit(tmp_path, files, mixing={"batches": "mixed"})
    fit(tmp_path, files)


def test_a_data_set_of_the_hub_is_read_like_a_file(monkeypatch):
    import datasets

    asked = []

    def load(name, subset, split):
        asked.append((name, subset, split))
        return datasets.Dataset.from_list([{"query": "a", "answer": "b"}, {"query": "c", "answer": "d"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    found = read_table(DataSource(hub="someone/faq", subset="en", split="dev", limit=1))
    assert asked == [("someone/faq", "en", "dev")]
    assert (found.name, found.rows.to_list()) == ("faq", [{"anchor": "a", "positive": "b"}])


def test_a_data_set_that_the_hub_does_not_give_is_named(monkeypatch):
    import datasets

    def load(*_, **__):
        raise ConnectionError("Couldn't reach 'someone/faq' on the Hub\nmore")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match=r"'someone/faq' cannot be read: Couldn't reach 'someone/faq' on the Hub\."):
        read_table(DataSource(hub="someone/faq"))
