"""An evaluation as a whole: what is computed, kept, compared, and what happens when something fails."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mteb")

from tests.evaluate import data

import vecloom as vl
from vecloom.encoders import LexicalEncoder
from vecloom.errors import ModelNotFoundError, UsageError
from vecloom.evaluate import job as running
from vecloom.evaluate.candidates import Candidate, open_models, split_dim
from vecloom.evaluate.compare import ALL_TASKS
from vecloom.evaluate.job import Settings, run
from vecloom.evaluate.store import Store

FEW = Settings(samples=200, rounds=200)


class Counting:
    """A hashed encoder that counts what it is asked."""

    def __init__(self, name: str, dim: int = 48, constant: bool = False) -> None:
        self.inner = LexicalEncoder.hashed(dim, name=name)
        self.name, self.dim, self.max_length, self.tokenizer = name, dim, 512, None
        self.fingerprint = f"{name}-{dim}-{constant}"
        self.constant = constant
        self.asked = 0

    def encode(self, texts: Sequence[str], **given: Any) -> Any:
        self.asked += len(texts)
        given.pop("progress", None)
        vectors = self.inner.encode(texts, **given)
        return np.ones_like(vectors) / np.sqrt(vectors.shape[1]) if self.constant else vectors


def model(name: str, dim: int = 48, constant: bool = False) -> Candidate:
    return Candidate(name, Counting(name, dim, constant))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data.sts(tmp_path / "tasks" / "alike")
    data.retrieval(tmp_path / "tasks" / "search")
    return tmp_path / "tasks"


def test_every_model_gets_a_score_with_an_interval_on_every_task(folder: Path, tmp_path: Path) -> None:
    found = run(
        [model("wide"), model("narrow", 8), Candidate("bag-of-words")], [str(folder)], tmp_path / "out", settings=FEW
    )
    assert [task.name for task in found.tasks] == ["alike", "search"]
    assert len(found.scores) == 6
    assert not found.failures
    for score in found.scores:
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.score + 1e-9
        assert score.high >= score.score - 1e-9
    assert (found.settings["seed"], found.settings["samples"]) == (0, 200)


def test_models_are_compared_on_each_task_and_over_all_and_baselines_not_with_each_other(
    folder: Path, tmp_path: Path
) -> None:
    models = [model("a"), model("b", 8), Candidate("bag-of-words"), Candidate("bm25/tf-idf")]
    found = run(models, [str(folder)], tmp_path / "out", settings=FEW)
    pairs = {(c.first, c.second) for c in found.comparisons if c.task == "alike"}
    assert pairs == {("a", "b"), *((m, w) for m in "ab" for w in ("bag-of-words", "bm25/tf-idf"))}
    assert {c.task for c in found.comparisons} == {"alike", "search", ALL_TASKS}
    turned = found.comparison("alike", "b", "a")
    straight = found.comparison("alike", "a", "b")
    assert turned is not None
    assert straight is not None
    assert (turned.difference, turned.low) == (-straight.difference, -straight.high)
    expected = found.score("alike", "a").score - found.score("alike", "b").score  # type: ignore[union-attr]
    assert straight.difference == pytest.approx(expected)
    assert all(c.p_adjusted >= c.p for c in found.comparisons)


def test_two_equal_models_do_not_differ(folder: Path, tmp_path: Path) -> None:
    found = run([model("a"), model("twin")], [str(folder)], tmp_path / "out", settings=FEW)
    assert all(c.difference == 0 and c.p == 1 and not c.significant for c in found.comparisons)


def test_many_comparisons_get_as_many_rounds_as_their_correction_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from vecloom.evaluate import compare
    from vecloom.evaluate.outcomes import Mean

    monkeypatch.setattr(compare, "MOST_ROUNDS", 900)
    random = np.random.default_rng(0)

    def scored(shift: float) -> compare.Scored:
        outcome = Mean(random.random(200) + shift)
        return compare.Scored((outcome,), random.normal(outcome.value(), 0.02, 500), outcome.value())

    tasks = {f"t{i}": {"good": scored(1), "bad": scored(0)} for i in range(12)}
    found = compare.compare_all(tasks, rounds=10)
    # 12 comparisons ask for 600 rounds: p = 1 / 601, times the 13 of the family
    assert found[0].p == pytest.approx(1 / 601)
    assert all(comparison.significant for comparison in found)


def test_a_second_run_computes_nothing_and_says_the_same(folder: Path, tmp_path: Path) -> None:
    first = run([model("a"), model("b", 8)], [str(folder)], tmp_path / "out", settings=FEW)
    again = [model("a"), model("b", 8)]
    second = run(again, [str(folder)], tmp_path / "out", settings=FEW)
    assert [candidate.encoder.asked for candidate in again] == [0, 0]  # type: ignore[union-attr]
    assert second.scores == first.scores
    assert second.comparisons == first.comparisons


def test_changed_data_or_another_model_are_computed_anew(folder: Path, tmp_path: Path) -> None:
    run([model("a")], [str(folder / "alike")], tmp_path / "out", settings=FEW)
    other = model("a", 16)
    run([other], [str(folder / "alike")], tmp_path / "out", settings=FEW)
    assert other.encoder.asked > 0  # type: ignore[union-attr]
    with (folder / "alike" / "test.jsonl").open("a") as stream:
        stream.write('{"sentence1": "x", "sentence2": "y", "score": 1}\n')
    same = model("a")
    run([same], [str(folder / "alike")], tmp_path / "out", settings=FEW)
    assert same.encoder.asked > 0  # type: ignore[union-attr]


def test_an_interrupted_run_goes_on_where_it_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = running.scored, []

    def stop_at_the_second(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(running, "scored", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run([model("a")], [str(folder)], tmp_path / "out", settings=FEW)
    monkeypatch.setattr(running, "scored", real)
    again = model("a")
    found = run([again], [str(folder)], tmp_path / "out", settings=FEW)
    assert len(found.scores) == 2
    assert again.encoder.asked == len(data.SENTENCES) + 3  # type: ignore[union-attr] - only the second task's texts


def test_a_task_that_fails_loses_nothing_of_the_others(folder: Path, tmp_path: Path) -> None:
    (folder / "alike" / "test.jsonl").write_text('{"sentence1": "a", "sentence2": "b", "score": 3}\n' * 3)
    found = run([model("a")], [str(folder)], tmp_path / "out", settings=FEW)
    assert [score.task for score in found.scores] == ["search"]
    (failure,) = found.failures
    assert (failure.task, failure.model) == ("alike", "")
    assert "no correlation is defined" in failure.what


def test_a_model_that_fails_loses_nothing_of_the_others(folder: Path, tmp_path: Path) -> None:
    broken = model("broken")
    broken.encoder.encode = lambda *_a, **_k: 1 / 0  # type: ignore[union-attr, method-assign, assignment, return-value]
    found = run([broken, model("a")], [str(folder / "search")], tmp_path / "out", settings=FEW)
    assert [score.model for score in found.scores] == ["a"]
    assert found.failures[0].what == "ZeroDivisionError: division by zero."


def test_an_undefined_correlation_is_a_failure_and_no_number(folder: Path, tmp_path: Path) -> None:
    found = run([model("flat", constant=True)], [str(folder / "alike")], tmp_path / "out", settings=FEW)
    assert not found.scores
    assert "cosine_spearman is undefined on alike: the model gives every unit the same score" in found.failures[0].what
    assert not list((tmp_path / "out").rglob("alike.json"))


def test_results_are_mtebs_own_files(folder: Path, tmp_path: Path) -> None:
    from mteb.cache import ResultCache

    candidate = model("a")
    found = run([candidate], [str(folder / "search")], tmp_path / "out", settings=FEW)
    stored = ResultCache(tmp_path / "out").load_task_result("search", candidate.mteb_name, candidate.revision)
    assert stored is not None
    assert stored.get_score() == pytest.approx(found.scores[0].score)
    from vecloom.evaluate.benchmark.result_files import read_results

    assert read_results(tmp_path / "out" / "results").values.tolist() == [[pytest.approx(found.scores[0].score)]]


def test_a_broken_stored_result_is_computed_again(folder: Path, tmp_path: Path) -> None:
    run([model("a")], [str(folder / "search")], tmp_path / "out", settings=FEW)
    (stored,) = (tmp_path / "out" / "units").rglob("search.json")
    stored.write_text('{"format": 1, "task"')
    again = model("a")
    assert run([again], [str(folder / "search")], tmp_path / "out", settings=FEW).scores
    assert again.encoder.asked > 0  # type: ignore[union-attr]
    assert Store(tmp_path / "out").load("a", "b", "c", "d", "e") is None


def test_a_budget_leaves_out_what_does_not_fit_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running._Work, "_expected", lambda _self, _model, texts: 1.0 if len(texts) > 30 else 50.0)
    found = run([model("a")], [str(folder)], tmp_path / "out", settings=Settings(samples=200, rounds=200, budget=20))
    assert [score.task for score in found.scores] == ["alike"]
    assert found.left_out == (("search", 52.0),)


def test_intervals_follow_from_the_seed(folder: Path, tmp_path: Path) -> None:
    def ends(seed: int) -> Any:
        settings = Settings(samples=200, rounds=200, seed=seed)
        return run([model("a")], [str(folder / "alike")], tmp_path / "out", settings=settings).scores[0].low

    assert ends(0) == ends(0)
    assert ends(0) != ends(1)


def test_where_counting_words_wins_is_listed(folder: Path, tmp_path: Path) -> None:
    found = run([model("bad", 2), Candidate("bag-of-words")], [str(folder)], tmp_path / "out", settings=FEW)
    assert ("search", "bag-of-words", "bad") in found.lexical_wins()


def test_the_hardest_queries_show_what_was_found_instead(folder: Path, tmp_path: Path) -> None:
    found = run([model("a", 4)], [str(folder / "search")], tmp_path / "out", settings=FEW)
    details = found.scores[0].parts[0].details
    worst = details.hardest[0]
    assert worst["score"] == min(row["score"] for row in details.hardest)
    assert {"text", "found", "expected"} <= worst.keys()
    assert all(row["rank"] >= 1 for row in worst["found"])
    assert sum(details.distribution["positive"]) == 5  # relevant documents of all queries
    json.dumps(found.as_dict())


def test_a_model_at_fewer_dimensions_is_named_so() -> None:
    assert split_dim("minilm@128") == ("minilm", 128)
    assert split_dim("owner/model") == ("owner/model", None)
    labels = [c.label for c in open_models(["minilm", "minilm@64"], dims=[32], baselines=False)]
    assert labels == ["minilm", "minilm@32", "minilm@64"]


def test_wrong_models_are_said_before_any_work() -> None:
    with pytest.raises(UsageError, match="minilm@999 is not possible: the model has 384 dimensions"):
        open_models(["minilm@999"])
    with pytest.raises(UsageError, match="named twice"):
        open_models(["minilm", "minilm"])
    with pytest.raises(ModelNotFoundError):
        open_models(["no-such-model"])


def test_the_bundled_model_has_the_name_that_leaderboards_use() -> None:
    (candidate,) = open_models(["minilm"], baselines=False)
    assert candidate.mteb_name == "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.skipif("VECLOOM_DATA" not in os.environ, reason="VECLOOM_DATA is not set")
@pytest.mark.parametrize(("task", "published"), [("sts14", 75.59), ("sts15", 85.39), ("stsb-en", 82.03)])
def test_published_similarity_is_reproduced(task: str, published: float, tmp_path: Path) -> None:
    place = Path(os.environ["VECLOOM_DATA"], "sts", task)
    models = open_models([vl.load("minilm")], baselines=False)
    found = run(models, [str(place)], tmp_path / "out", settings=FEW)
    assert 100 * found.scores[0].score == pytest.approx(published, abs=0.1)
