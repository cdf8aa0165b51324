import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.benchmark.aggregate import ScoreTable, borda_points, competition_ranks, correlation
from vecloom.evaluate.benchmark.result_files import read_results

NAN = float("nan")
SCORES = st.floats(0, 1).map(lambda score: round(score, 3))


def table_of(values, types=None):
    values = np.array(values, float)
    models, tasks = values.shape
    return ScoreTable(
        tuple(f"m{i}" for i in range(models)),
        tuple(f"t{i}" for i in range(tasks)),
        tuple(types or ["STS"] * tasks),
        values,
    )


def matrices():
    return st.tuples(st.integers(2, 6), st.integers(1, 5)).flatmap(lambda shape: arrays(float, shape, elements=SCORES))


def test_borda_gives_n_minus_rank_points_and_ties_share_them():
    # ranks by task: 1 3 1.5, 2 2 1.5, 3 1 3; points 3 - rank: 2 + 0 + 1.5, 1 + 1 + 1.5, 0 + 2 + 0
    table = table_of([[0.9, 0.5, 0.7], [0.8, 0.6, 0.7], [0.1, 0.9, 0.2]])
    assert table.borda_points() == {"m0": 3.5, "m1": 3.5, "m2": 2.0}
    assert table.borda_ranks() == {"m0": 1, "m1": 1, "m2": 3}


def test_a_missing_task_earns_no_borda_points():
    # task 1: ranks 1 2 3, points 2 1 0; task 2 is ranked between m0 and m2 alone, of n = 3: ranks 2 - 1, points 1 - 2
    assert table_of([[0.9, 0.1], [0.8, NAN], [0.1, 0.2]]).borda_points() == {"m0": 3.0, "m1": 1.0, "m2": 2.0}


def test_borda_is_what_mteb_computes():
    polars = pytest.importorskip("polars")
    from mteb.benchmarks._create_table import _borda_rank_from_long

    values = np.random.default_rng(0).random((7, 9)).round(1)
    values[2, 3] = values[4, 0] = NAN
    table = table_of(values)
    rows = [
        {"model_name": model, "task_name": task, "score": values[i, j]}
        for i, model in enumerate(table.models)
        for j, task in enumerate(table.tasks)
        if not np.isnan(values[i, j])
    ]
    found = _borda_rank_from_long(polars.DataFrame(rows))
    assert dict(zip(found["model_name"], found["Rank (Borda)"], strict=True)) == table.borda_ranks()


def test_the_mean_over_types_counts_every_type_once():
    # STS (0.8 + 0.6) / 2 = 0.7, retrieval 0.1: over tasks 1.5 / 3, over types (0.7 + 0.1) / 2
    table = table_of([[0.8, 0.6, 0.1]], ["STS", "STS", "Retrieval"])
    assert table.mean_over_tasks() == {"m0": pytest.approx(0.5)}
    assert table.mean_over_types() == {"m0": pytest.approx(0.4)}
    assert table.type_means()["m0"] == {"Retrieval": pytest.approx(0.1), "STS": pytest.approx(0.7)}


def test_a_mean_is_refused_where_a_task_is_missing_unless_asked_for():
    table = table_of([[0.8, NAN, 0.1], [NAN, NAN, NAN]], ["STS", "STS", "Retrieval"])
    assert table.mean_over_tasks() == {"m0": None, "m1": None}
    assert table.mean_over_types() == {"m0": None, "m1": None}
    assert table.mean_over_tasks(skip_missing=True) == {"m0": pytest.approx(0.45), "m1": None}
    assert table.mean_over_types(skip_missing=True) == {"m0": pytest.approx(0.45), "m1": None}


def test_gaps_are_named_and_can_be_left_out():
    table = table_of([[0.8, NAN], [0.3, 0.2]])
    assert table.missing() == [("m0", "t1")]
    assert table.complete().tasks == ("t0",)


def test_mean_and_borda_can_disagree():
    # m0 wins one task by far and loses two closely: mean 0.5 against 0.433, points 1 against 2
    table = table_of([[0.9, 0.3, 0.3], [0.5, 0.4, 0.4]])
    means = table.mean_over_tasks()
    assert means["m0"] > means["m1"]
    assert table.borda_ranks() == {"m0": 2, "m1": 1}


def test_correlations_of_two_orders():
    # one neighbouring pair of four swapped: Spearman 1 - 6 * 2 / (4 * 15) = 0.8, Kendall (5 - 1) / 6
    found = correlation([4, 3, 2, 1], [3, 4, 2, 1])
    assert (found.spearman, found.kendall) == (pytest.approx(0.8), pytest.approx(2 / 3))


def test_a_constant_has_no_correlation():
    found = correlation([1, 1, 1], [1, 2, 3])
    assert (found.spearman, found.kendall, found.pearson) == (None, None, None)


@given(matrices())
def test_borda_points_of_a_full_table_have_a_known_sum(values):
    models, tasks = values.shape
    assert borda_points(values).sum() == pytest.approx(tasks * models * (models - 1) / 2)


@given(matrices(), st.data())
def test_borda_looks_at_orders_only(values, data):
    column = data.draw(st.integers(0, values.shape[1] - 1))
    changed = values.copy()
    changed[:, column] = np.exp(3 * changed[:, column]) - 7  # rises with the score
    assert borda_points(changed).tolist() == borda_points(values).tolist()


@given(matrices(), st.data())
def test_counting_a_task_twice_keeps_a_borda_winner_that_led_on_it(values, data):
    points = borda_points(values)
    winner = int(points.argmax())
    leads = [task for task in range(values.shape[1]) if values[winner, task] == values[:, task].max()]
    for task in leads:
        again = borda_points(np.column_stack([values, values[:, task]]))
        assert competition_ranks(again)[winner] == 1


@given(matrices())
def test_no_gaps_means_that_skipping_them_changes_nothing(values):
    table = table_of(values, [f"type {task % 2}" for task in range(values.shape[1])])
    assert table.mean_over_tasks(skip_missing=True) == table.mean_over_tasks()
    assert table.mean_over_types(skip_missing=True) == table.mean_over_types()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": ("STS",)}, "1 types"),
        ({"models": ("a", "a")}, "'a' is there more than once"),
        ({"values": np.array([[1.0, np.inf], [0, 0]])}, "score of a on u is infinite"),
        ({"languages": (frozenset(),)}, "1 language sets for 2 tasks"),
    ],
)
def test_a_table_that_cannot_be_says_what_is_wrong(changes, message):
    fields = {"models": ("a", "b"), "tasks": ("t", "u"), "types": ("STS", "STS"), "values": np.zeros((2, 2))}
    with pytest.raises(DataError, match=message):
        ScoreTable(**{**fields, **changes})


def test_a_task_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no task 'x'"):
        table_of([[1.0]]).only(["x"])


def test_scores_that_are_not_numbers_are_not_compared():
    with pytest.raises(DataError, match="not a finite number"):
        correlation([1, NAN], [1, 2])
    with pytest.raises(DataError, match="cannot be compared"):
        correlation([1, 2], [1, 2, 3])


# --- folders of result files


def write_result(path, task, *scores, languages=("eng-Latn",), **more):
    parts = [{"main_score": score, "hf_subset": str(i), "languages": list(languages)} for i, score in enumerate(scores)]
    about = {"dataset_revision": "1", "mteb_version": "2.26.24", "evaluation_time": 1.0}
    content = {"task_name": task, "scores": {"test": parts}, **about, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_meta(folder, name, revision):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_meta.json").write_text(json.dumps({"name": name, "revision": revision}))


def test_a_results_repository_becomes_a_table(tmp_path):
    root = tmp_path / "results"
    write_meta(root / "org__one" / "abc", "org/one", "abc")
    write_result(root / "org__one" / "abc" / "STS15.json", "STS15", 0.5, 0.7)  # mean 0.6
    write_result(root / "org__two" / "def" / "STS15.json", "STS15", 0.4)
    write_result(root / "org__two" / "def" / "Mine.json", "Mine", 0.3, languages=["deu-Latn"], task_type="Clustering")
    write_result(root / "org__two" / "def" / "Other.json", "Other", 0.2)
    table = read_results(tmp_path)
    assert table.models == ("org/one", "org/two")
    assert table.tasks == ("Mine", "Other", "STS15")
    assert table.types == ("Clustering", "unknown", "STS")  # the file's word, none, mteb's
    assert table.languages[0] == {"deu-Latn"}
    np.testing.assert_allclose(table.values, [[NAN, NAN, 0.6], [0.3, 0.2, 0.4]])


def test_the_score_is_mtebs_own(tmp_path):
    from mteb.results import TaskResult

    path = write_result(tmp_path / "m" / "r" / "STS17.json", "STS17", 0.1, 0.25, 0.7)
    assert read_results(tmp_path).values[0, 0] == pytest.approx(TaskResult.from_disk(path).get_score(), abs=1e-12)


def test_results_that_mteb_writes_are_read(tmp_path):
    import mteb
    from mteb.cache import ResultCache

    result = mteb.results.TaskResult.from_task_results(
        mteb.get_task("STS15"), {"test": {"default": {"main_score": 0.75}}}, evaluation_time=1.0
    )
    meta = mteb.get_model_meta("sentence-transformers/all-MiniLM-L6-v2")
    ResultCache(tmp_path).save_to_cache(result, meta)
    table = read_results(tmp_path)
    assert (table.models, table.tasks, table.values.tolist()) == ((meta.name,), ("STS15",), [[0.75]])


def test_two_revisions_are_two_models(tmp_path):
    for revision in ("a", "b"):
        write_result(tmp_path / "m" / revision / "STS15.json", "STS15", 0.5)
    assert read_results(tmp_path).models == ("m @ a", "m @ b")


def test_an_experiment_is_a_model_of_its_own(tmp_path):
    write_result(tmp_path / "m" / "r" / "STS15.json", "STS15", 0.5)
    folder = tmp_path / "m" / "r" / "experiments" / "dim_64"
    write_meta(folder, "m", "r")
    write_result(folder / "STS15.json", "STS15", 0.4)
    assert read_results(tmp_path).models == ("m", "m (dim_64)")


def test_the_folder_of_one_model_can_be_read(tmp_path):
    write_result(tmp_path / "minilm" / "STS15.json", "STS15", 0.5)
    assert read_results(tmp_path / "minilm").models == ("minilm",)


def test_old_results_are_read_as_mteb_reads_them(tmp_path):
    folder = tmp_path / "m" / "r"
    folder.mkdir(parents=True)
    old = {
        "mteb_dataset_name": "STS15",
        "mteb_version": "1.0.0",
        "dataset_revision": "1",
        "test": {"cos_sim": {"spearman": 0.81, "pearson": 0.8}, "evaluation_time": 1.0},
    }
    (folder / "STS15.json").write_text(json.dumps(old))
    table = read_results(tmp_path)
    assert (table.tasks, table.values.tolist()) == (("STS15",), [[0.81]])


def test_an_undefined_score_is_missing(tmp_path):
    write_result(tmp_path / "m" / "r" / "STS15.json", "STS15", None)
    assert read_results(tmp_path).missing() == [("m", "STS15")]


def test_other_json_is_passed_over(tmp_path):
    write_result(tmp_path / "m" / "r" / "STS15.json", "STS15", 0.5)
    (tmp_path / "paths.json").write_text("{}")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "STS15_predictions.json").write_text("broken")
    assert read_results(tmp_path).skipped == ()


BROKEN = {
    "cut off": '{"task_name": "STS15", "scores": {"test": [{"main_sc',
    "no scores": '{"task_name": "STS15"}',
    "no task": '{"scores": {"test": [{"main_score": 1}]}}',
    "empty": '{"task_name": "STS15", "scores": {}}',
    "no main score": '{"task_name": "STS15", "scores": {"test": [{"ndcg": 1}]}}',
    "not a list": '{"task_name": "STS15", "scores": {"test": 1}}',
    "words": '{"task_name": "STS15", "scores": {"test": [{"main_score": "high"}]}}',
    "infinite": '{"task_name": "STS15", "scores": {"test": [{"main_score": Infinity}]}}',
    "old and unknown": '{"mteb_dataset_name": "NoSuchTask", "test": {"ndcg": 1}}',
    "not UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_or_skipped_and_counted(tmp_path, content):
    write_result(tmp_path / "m" / "r" / "STS14.json", "STS14", 0.5)
    broken = tmp_path / "m" / "r" / "broken.json"
    broken.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"broken\.json is not a readable mteb result"):
        read_results(tmp_path)
    table = read_results(tmp_path, skip_bad=True)
    assert table.tasks == ("STS14",)
    assert len(table.skipped) == 1
    assert "broken.json" in table.skipped[0]


def test_two_files_of_one_result_are_refused(tmp_path):
    write_result(tmp_path / "m" / "r" / "STS15.json", "STS15", 0.5)
    write_result(tmp_path / "m" / "r" / "again.json", "STS15", 0.6)
    with pytest.raises(DataError, match="both hold STS15 of m"):
        read_results(tmp_path)


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(DataError, match="no mteb result"):
        read_results(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_results(tmp_path / "nowhere")
