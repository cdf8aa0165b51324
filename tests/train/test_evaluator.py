"""Scores on the way: numbers by hand, and faults of the data to measure on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.train.toys import scored, write_rows

from vecloom.errors import DataError, UsageError
from vecloom.train.evaluator import Evaluator, _top, ndcg
from vecloom.train.recipe import EvalTask

VECTORS = {"east": (1, 0), "north": (0, 1), "north-east": (1, 1), "west": (-1, 0)}


class Compass:
    """Four texts and their directions; remembers the prompts that it was given."""

    training = True

    def __init__(self):
        self.prompts = []

    def encode(self, texts, *, batch_size, normalize_embeddings, show_progress_bar, prompt=""):
        self.prompts.append(prompt)
        rows = np.array([VECTORS[text] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    encode_query = encode_document = encode

    def train(self, mode):
        self.training = mode


def beir(folder: Path, judgements: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": name, "title": "", "text": name} for name in ("east", "north", "west")]
    write_rows(folder / "corpus.jsonl", documents)
    write_rows(folder / "queries.jsonl", [{"_id": "q", "text": "north-east"}, {"_id": "r", "text": "west"}])
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judgements)
    return folder


def test_ndcg_uses_the_grades_as_gains():
    # found: grade 1 first, nothing, grade 3 third: 1/log2(2) + 3/log2(4) = 2.5; ideal: 3/log2(2) + 1/log2(3) = 3.63093
    assert ndcg(["a", "x", "b"], {"a": 1, "b": 3}) == pytest.approx(2.5 / 3.63093, abs=1e-5)
    assert ndcg(["a"], {"b": 0}) == 0.0


def test_the_largest_scores_come_first_and_equal_ones_in_order():
    scores = np.array([[1, 3, 2, 3, 0]], dtype=np.float32)
    assert _top(scores, 3).tolist() == [[1, 3, 2]]
    assert _top(scores, 9).tolist() == [[1, 3, 2, 0, 4]]


def test_a_file_of_scored_pairs_gives_a_rank_correlation(tmp_path):
    # cosines 1, 0, -1 against scores 5, 3, 4: ranks 3,2,1 against 3,1,2: 1 - 6 (0 + 1 + 1) / (3 * 8) = 0.5
    rows = [("east", "east", 5), ("east", "north", 3), ("east", "west", 4)]
    path = write_rows(
        tmp_path / "sts.jsonl", [dict(zip(("sentence1", "sentence2", "score"), row, strict=True)) for row in rows]
    )
    found = Evaluator([EvalTask(path=str(path))])(Compass())
    assert found == pytest.approx({"mean": 0.5, "sts_spearman": 0.5})


def test_a_file_of_labelled_pairs_gives_average_precision(tmp_path):
    # by cosine: east-east 1 (0), east-north-east .707 (1), east-north 0 (1), east-west -1 (0)
    # precision at the matches: 1/2 and 2/3; their mean is 0.58333
    rows = [("east", "east", 0), ("east", "north-east", 1), ("east", "north", 1), ("east", "west", 0)]
    made = [dict(zip(("sentence1", "sentence2", "label"), row, strict=True)) for row in rows]
    write_rows(tmp_path / "train.jsonl", made)
    write_rows(tmp_path / "test.jsonl", made)
    for path in (tmp_path, tmp_path / "test.jsonl"):
        found = Evaluator([EvalTask(path=str(path), name="msrp")])(Compass())
        assert found["msrp_ap"] == pytest.approx(0.583333, abs=1e-5)


def test_a_beir_folder_gives_ndcg(tmp_path):
    # query q finds east and north equally (in order), then west; only north is right: rank 2: 1/log2(3) = 0.63093
    # query r finds west first: 1. The mean is 0.81546.
    path = beir(tmp_path / "toy", "q\tnorth\t1\nr\twest\t2\n")
    assert Evaluator([EvalTask(path=str(path))])(Compass())["toy_ndcg@10"] == pytest.approx(0.815465, abs=1e-5)


def test_a_folder_with_labels_gives_accuracy(tmp_path):
    write_rows(tmp_path / "train.jsonl", [{"text": "east", "label": "x"}, {"text": "north", "label": "y"}] * 5)
    tests = [("east", "x"), ("north", "y"), ("west", "x"), ("north", "y")]
    write_rows(tmp_path / "test.jsonl", [{"text": text, "label": label} for text, label in tests])
    # west lies nearer to north than to east: three of four
    found = Evaluator([EvalTask(path=str(tmp_path), name="kinds")])(Compass())
    assert found["kinds_accuracy"] == 0.75


def test_the_mean_is_over_tasks_and_training_goes_on_as_before(tmp_path):
    path = beir(tmp_path / "toy", "q\tnorth\t1\nr\twest\t2\n")
    model = Compass()
    tasks = [EvalTask(path=str(path), name="a"), EvalTask(path=str(path), name="b", limit=1)]
    found = Evaluator(tasks)(model)
    assert found["mean"] == pytest.approx((found["a_ndcg@10"] + found["b_ndcg@10"]) / 2)
    assert found["b_ndcg@10"] == pytest.approx(0.63093, abs=1e-5)
    assert model.training


def test_prompts_go_before_queries_and_documents(tmp_path):
    path = beir(tmp_path / "toy", "q\tnorth\t1\n")
    model = Compass()
    Evaluator([EvalTask(path=str(path), prompts={"query": "q: "})])(model)
    assert model.prompts == ["", "q: "]


def test_a_folder_is_called_by_its_name_and_so_is_its_test_file(tmp_path):
    assert EvalTask(path="data/stsb/test.jsonl").title == "stsb"
    assert EvalTask(path="data/stsb.jsonl").title == "stsb"
    assert EvalTask(path="data/cranfield").title == "cranfield"


@pytest.mark.parametrize("ending", ["dev.jsonl", "validation.jsonl"])
def test_a_folder_with_a_test_file_of_scored_pairs_is_read(tmp_path, ending):
    scored(tmp_path / ending)
    assert Evaluator([EvalTask(path=str(tmp_path), name="x")]).names == ["mean", "x_spearman"]


def test_what_cannot_be_measured_on_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing that can be measured on"):
        Evaluator([EvalTask(path=str(tmp_path))])
    path = beir(tmp_path / "toy", "nobody\tnorth\t1\n")
    with pytest.raises(DataError, match="No query"):
        Evaluator([EvalTask(path=str(path))])
    with pytest.raises(DataError, match=r"has no dev.tsv"):
        Evaluator([EvalTask(path=str(path), split="dev")])
    few = write_rows(tmp_path / "few.jsonl", [json.loads('{"sentence1": "a", "sentence2": "b", "score": 1}')])
    with pytest.raises(DataError, match="holds 1 row"):
        Evaluator([EvalTask(path=str(few))])


def test_two_tasks_of_one_name_are_an_error(tmp_path):
    path = str(scored(tmp_path / "sts.jsonl"))
    with pytest.raises(UsageError, match="are called 'sts'"):
        Evaluator([EvalTask(path=path), EvalTask(path=path)])
