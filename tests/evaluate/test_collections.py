"""Collections with judgements: faults are refused or counted, as trec_eval would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.evaluate import data

from vecloom.errors import DataError
from vecloom.evaluate.tasks.collections import read_collection
from vecloom.evaluate.tasks.local import open_task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return data.retrieval(tmp_path / "set")


def test_a_collection_is_read_whole(folder: Path) -> None:
    found = read_collection(folder, "test")
    assert found.corpus[0] == {"id": "d0", "title": "bread", "text": "Knead the dough for ten minutes"}
    assert [row["id"] for row in found.queries] == ["q0", "q1", "q2"]
    assert found.judgements["q0"] == {"d0": 1, "d2": 3}
    assert found.notes == []


def test_judged_documents_that_are_missing_are_kept_counted_and_listed(folder: Path) -> None:
    data.qrels(folder / "qrels" / "test.tsv", [("q0", "d0", 1), ("q0", "gone", 1)])
    found = read_collection(folder, "test")
    assert found.judgements == {"q0": {"d0": 1, "gone": 1}}
    assert "1 judged document is not in the corpus (gone)" in found.notes[0]
    assert "2 queries without a relevant document" in found.notes[1]


def test_judged_queries_that_are_missing_are_left_out_and_counted(folder: Path) -> None:
    data.qrels(folder / "qrels" / "test.tsv", [("q0", "d0", 1), ("q9", "d0", 1)])
    found = read_collection(folder, "test")
    assert list(found.judgements) == ["q0"]
    assert "1 judged query is not in queries.jsonl and is left out (q9)" in found.notes[0]


def test_an_id_that_comes_twice_is_named_with_both_rows(folder: Path) -> None:
    data.rows(folder / "corpus.jsonl", [{"_id": name, "text": name} for name in ("a", "b", "a")])
    with pytest.raises(DataError, match="the id 'a' is in rows 1 and 3"):
        read_collection(folder, "test")


def test_missing_judgements_say_which_file(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").unlink()
    with pytest.raises(DataError, match=r"has no judgements: qrels/test\.tsv is missing"):
        open_task(folder)


def test_judgements_that_fit_to_nothing_are_an_error(folder: Path) -> None:
    data.qrels(folder / "qrels" / "test.tsv", [("x", "d0", 1)])
    with pytest.raises(DataError, match=r"No query of .* has a relevant document"):
        read_collection(folder, "test")
    data.qrels(folder / "qrels" / "test.tsv", [("q0", "x", 1)])
    with pytest.raises(DataError, match=r"No judged document of .* is in the corpus"):
        read_collection(folder, "test")


def test_a_broken_judgement_is_named_with_its_line(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\tvery\n")
    with pytest.raises(DataError, match=r"test\.tsv:2 is"):
        read_collection(folder, "test")


def test_judgements_in_the_form_of_trec_eval_are_read(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("q0 0 d0 2\nq1 0 d4 0\nq1 0 d5 1\n")
    assert read_collection(folder, "test").judgements == {"q0": {"d0": 2}, "q1": {"d4": 0, "d5": 1}}


def test_a_candidate_that_is_no_document_is_an_error(folder: Path) -> None:
    data.rows(folder / "top_ranked.jsonl", [{"query-id": "q0", "corpus-ids": ["d0", "nothing"]}])
    with pytest.raises(DataError, match="candidate 'nothing' of query 'q0' is not in the corpus"):
        read_collection(folder, "test")


def test_a_split_may_have_documents_of_its_own(tmp_path: Path) -> None:
    for split in ("test_256", "test_512"):
        data.retrieval(tmp_path / split)
        (tmp_path / split / "qrels" / "test.tsv").rename(tmp_path / split / "qrels.tsv")
    (tmp_path / "task.yaml").write_text("type: retrieval\nsplits: [test_256, test_512]\nmain_score: ndcg_at_1\n")
    task = open_task(tmp_path)
    assert task.splits == ("test_256", "test_512")
    assert len(read_collection(tmp_path, "test_512").corpus) == len(data.SENTENCES)


def test_a_document_of_a_corpus_may_be_a_title_alone(tmp_path):
    folder = data.retrieval(tmp_path)
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    for row, text in zip(corpus[:3], ("", None, ...), strict=True):
        row |= {"title": "Sourdough"} | ({} if text is ... else {"text": text})
        if text is ...:
            del row["text"]
    data.rows(folder / "corpus.jsonl", corpus)
    found = read_collection(folder, "test").corpus[:3]
    assert [(row["title"], row["text"]) for row in found] == [("Sourdough", "")] * 3


def test_a_document_with_neither_title_nor_text_is_an_error(tmp_path):
    folder = data.retrieval(tmp_path)
    data.rows(folder / "corpus.jsonl", [{"_id": "d0", "title": ""}])
    with pytest.raises(DataError, match="'text' is missing in row 1"):
        read_collection(folder, "test")
