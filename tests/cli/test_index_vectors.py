"""``vecloom index --vectors``."""

import json

import embed_fakes
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vecloom.search import Index

ROWS = [{"id": "east", "text": "x", "v": [2, 0, 0, 0]}, {"id": "north", "text": "y", "v": [0, 3, 0, 0], "year": 1}]


@pytest.fixture
def encoder():
    return embed_fakes.HashEncoder(dim=4)


@pytest.fixture
def loaded(monkeypatch, encoder):
    monkeypatch.setattr("vecloom.load", lambda name, **settings: encoder, raising=False)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def index(run, path, folder, *options, **more):
    return run("index", path, "--vectors", "v", "-i", folder / "i", *options, **more)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_the_vectors_of_a_file_are_searched_and_a_second_run_finds_all_unchanged(run, encoder, tmp_path, name):
    path = lines(tmp_path / "a.jsonl", *ROWS)
    if name == "a.csv":
        path = tmp_path / name
        path.write_text('id,text,v,year\neast,x,"[2, 0, 0, 0]",\nnorth,y,"[0, 3, 0, 0]",1\n')
    if name == "a.parquet":
        path = tmp_path / name
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    result = index(run, path, tmp_path)
    assert (result.exit_code, "2 documents new" in result.stdout) == (0, True), result.output
    found = Index.open(tmp_path / "i").search_vector(np.array([0.6, 0.8, 0, 0], np.float32))
    assert [(hit.document_id, round(hit.score, 6)) for hit in found] == [("north", 0.8), ("east", 0.6)]
    assert "v" not in Index.open(tmp_path / "i").fields
    told = json.loads(index(run, path, tmp_path, "--json").stdout)
    assert (told["added"], told["replaced"], told["unchanged"]) == (0, 0, 2)
    assert encoder.calls == []


def test_a_changed_vector_replaces_its_document(run, tmp_path):
    index(run, lines(tmp_path / "a.jsonl", *ROWS), tmp_path)
    changed = lines(tmp_path / "a.jsonl", ROWS[0], {**ROWS[1], "v": [0, 0, 0, 1]})
    assert "0 documents new, 1 replaced, 1 unchanged." in index(run, changed, tmp_path).stdout


@pytest.mark.parametrize("options", [(), ("--skip-bad",), ("--watch",)])
def test_vectors_of_another_width_make_no_index(run, tmp_path, options):
    result = index(run, lines(tmp_path / "a.jsonl", {**ROWS[0], "v": [1, 2, 3]}), tmp_path, *options)
    assert result.exit_code == 2
    assert "a.jsonl, line 1: field 'v' has 3 dimensions, the vectors of model 'hash' have 4." in result.stderr
    assert not (tmp_path / "i").exists()


def test_a_missing_column_makes_no_index(run, tmp_path):
    result = index(run, lines(tmp_path / "a.jsonl", {"text": "x"}), tmp_path)
    assert (result.exit_code, (tmp_path / "i").exists()) == (1, False)
    assert "line 1: no field 'v' for the vector; fields found: 'text'." in result.stderr


def test_an_index_that_is_there_stays_as_it_was(run, tmp_path):
    index(run, lines(tmp_path / "a.jsonl", *ROWS), tmp_path)
    result = index(run, lines(tmp_path / "b.jsonl", {**ROWS[0], "v": [1]}), tmp_path)
    assert result.exit_code == 2
    assert Index.open(tmp_path / "i").info().documents == 2


def test_bad_vectors_are_counted_and_named_with_skip_bad(run, tmp_path):
    bad = [{"text": "w", "v": vector} for vector in ([0, 0, 0, 0], [1, 2], None, [1, float("nan"), 0, 0])]
    path = lines(tmp_path / "a.jsonl", *ROWS, *bad)
    stopped = index(run, path, tmp_path)
    assert stopped.exit_code == 1
    assert "line 3: field 'v' is all zeros" in stopped.stderr
    result = index(run, path, tmp_path, "--skip-bad")
    assert result.exit_code == 0
    assert "4 bad records left out" in result.stdout
    assert Index.open(tmp_path / "i").info().documents == 2


def test_standard_input_brings_vectors(run, tmp_path):
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    assert "2 documents new" in index(run, "-", tmp_path, stdin=text).stdout
    plain = run("index", "-", "--vectors", "v", "-i", tmp_path / "j", stdin="plain text\n")
    assert (plain.exit_code, (tmp_path / "j").exists()) == (1, False)
    assert "it has no columns" in plain.stderr
