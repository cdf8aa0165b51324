"""Protocols of single systems: a head's scores of pairs (DSE), nearest neighbours and pairs not in train (MahaSBERT)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier
from tests.encoders.tiny import make, text
from tests.evaluate import data

import vecloom as vl
from vecloom.encoders.pair_head import PairHead
from vecloom.encoders.pair_scorer import PairScorer
from vecloom.errors import DataError
from vecloom.evaluate.candidates import Candidate
from vecloom.evaluate.scoring import quiet, scored
from vecloom.evaluate.tasks.columns import read_columns
from vecloom.evaluate.tasks.find import fresh, resolve
from vecloom.evaluate.tasks.local import open_task


def score(folder: Path, encoder: Any) -> Any:
    (source,) = resolve([str(folder)])
    with quiet():
        return scored(fresh(source.load()), Candidate("model", encoder), 1 << 20, lambda _: None)[0]


def pairs(folder: Path, count: int = 30) -> list[dict[str, Any]]:
    rows = [{"sentence1": text(5, i), "sentence2": text(5, i + 100), "score": i % 6} for i in range(count)]
    data.rows(folder / "test.jsonl", rows)
    return rows


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("headed")
    plain = SentenceTransformer(str(make(folder, normalize=False)), device="cpu")
    torch.manual_seed(1)
    model = SentenceTransformer(modules=[plain[0], plain[1], PairHead(32, hidden=(8,))], device="cpu")
    model.save_pretrained(str(folder / "headed"), create_model_card=False)
    return folder / "headed"


def test_a_head_is_what_scores_pairs_where_the_task_asks_for_the_models_own_score(headed: Path, tmp_path: Path) -> None:
    rows = pairs(tmp_path / "set")
    (tmp_path / "set" / "task.yaml").write_text("main_score: spearman\n")
    found = score(tmp_path / "set", vl.load(headed))
    said = PairScorer.load(headed).score_pairs([row["sentence1"] for row in rows], [row["sentence2"] for row in rows])
    expected = spearmanr(said, [row["score"] for row in rows]).statistic
    assert found.score == pytest.approx(expected, abs=1e-6)
    assert found.parts[0].outcome.value() == pytest.approx(expected, abs=1e-6)


def test_a_head_changes_no_cosine(headed: Path, tmp_path: Path) -> None:
    pairs(tmp_path / "set")
    plain = vl.load(headed.parent / "model")
    assert score(tmp_path / "set", vl.load(headed)).score == pytest.approx(
        score(tmp_path / "set", plain).score, abs=1e-5
    )
    search = data.retrieval(tmp_path / "search")
    assert score(search, vl.load(headed)).score == pytest.approx(score(search, plain).score)


def test_neighbours_are_those_of_all_training_texts(tmp_path: Path) -> None:
    folder = data.classification(tmp_path / "set")
    (folder / "task.yaml").write_text("classifier: knn\n")
    encoder = vl.load(make(tmp_path))
    splits = read_columns(open_task(folder)).splits
    probe = KNeighborsClassifier(5, metric="cosine").fit(
        encoder.encode(splits["train"]["text"]), splits["train"]["label"]
    )
    expected = probe.score(encoder.encode(splits["test"]["text"]), splits["test"]["label"])
    found = score(folder, encoder)
    assert found.score == pytest.approx(expected)
    assert found.parts[0].outcome.value() == pytest.approx(expected)


def test_pairs_of_train_are_left_out_in_either_order_and_counted(tmp_path: Path) -> None:
    rows = pairs(tmp_path)
    turned = [{**row, "sentence1": row["sentence2"], "sentence2": row["sentence1"]} for row in rows[:4]]
    data.rows(tmp_path / "train.jsonl", turned)
    (tmp_path / "task.yaml").write_text("without_train: true\n")
    found = read_columns(open_task(tmp_path))
    assert len(found.splits["test"]["score"]) == len(rows) - 4
    assert found.notes == ["4 of 30 pairs of test stand in train and are left out."]
    data.rows(tmp_path / "train.jsonl", rows)
    with pytest.raises(DataError, match="every pair stands in train"):
        read_columns(open_task(tmp_path))


def test_a_protocol_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    folder = data.classification(tmp_path / "set")
    (folder / "task.yaml").write_text("classifier: forest\n")
    with pytest.raises(DataError, match="classifier is 'forest'"):
        score(folder, vl.load(make(tmp_path)))
    (folder / "task.yaml").write_text("without_train: true\n")
    with pytest.raises(DataError, match="without_train is for pairs with a train split"):
        read_columns(open_task(folder))


def test_scores_on_the_way_are_the_heads(headed: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    from vecloom.train.evaluator import Evaluator
    from vecloom.train.recipe import EvalTask

    rows = pairs(tmp_path / "set")
    labelled = [
        {"sentence1": row["sentence1"], "sentence2": row["sentence2"], "label": row["score"] % 2} for row in rows
    ]
    data.rows(tmp_path / "labels" / "test.jsonl", labelled)
    model = SentenceTransformer(str(headed), device="cpu", trust_remote_code=True)
    tasks = [EvalTask(path=str(tmp_path / name / "test.jsonl"), name=name) for name in ("set", "labels")]
    found = Evaluator(tasks)(model)
    said = PairScorer.load(headed).score_pairs([row["sentence1"] for row in rows], [row["sentence2"] for row in rows])
    assert found["set_spearman"] == pytest.approx(spearmanr(said, [row["score"] for row in rows]).statistic, abs=1e-3)
    assert np.isfinite(found["labels_ap"])
