import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_squared_error
from sklearn.preprocessing import StandardScaler

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.benchmark.aggregate import ScoreTable
from vecloom.evaluate.benchmark.leave_one_out import estimator_predictions, linear_predictions
from vecloom.evaluate.benchmark.select import MULTILINGUAL, rank_agreement_of, select_tasks, task_fits


def table_of(values, types=None):
    values = np.asarray(values, float)
    models, tasks = values.shape
    return ScoreTable(
        tuple(f"m{i}" for i in range(models)),
        tuple(f"t{i}" for i in range(tasks)),
        tuple(types or ["STS"] * tasks),
        values,
    )


def scores(seed, models, tasks, noise=0.02, skills=2):
    """Scores as of models with a few skills that all tasks ask for in different parts."""
    rng = np.random.default_rng(seed)
    ability, demand = rng.standard_normal((models, skills)), rng.random((skills, tasks))
    return 0.5 + 0.1 * ability @ demand + noise * rng.standard_normal((models, tasks))


# --- predictions


def test_a_task_that_is_a_line_of_another_is_predicted_exactly():
    # t1 = 2 t0 - 0.1; each fit on two models is that line, so each third model is met
    values = np.array([[0.2, 0.3], [0.4, 0.7], [0.5, 0.9]])
    np.testing.assert_allclose(linear_predictions(values), values, atol=1e-12)


def test_two_models_predict_the_third_by_hand():
    # Leaving out (0.3, 0.9): from t0 the line through (0.2, 0.3), (0.4, 0.7) gives 2 * 0.3 - 0.1 = 0.5 for t1;
    # from t1 the line through (0.3, 0.2), (0.7, 0.4) gives 0.5 * 0.9 + 0.05 = 0.5 for t0
    values = np.array([[0.2, 0.3], [0.4, 0.7], [0.3, 0.9]])
    np.testing.assert_allclose(linear_predictions(values)[2], [0.5, 0.5], atol=1e-12)


def test_with_fewer_models_than_tasks_the_smallest_coefficients_are_taken():
    # Two models; t2 rises by 0.4 where t0 and t1 rise by 0.2 and 0.1. The shortest w with 0.2 a + 0.1 b = 0.4 is
    # 0.4 / (0.04 + 0.01) * (0.2, 0.1) = (1.6, 0.8). Asked at (0.1, 0.1) above the first: 0.3 + 0.16 + 0.08 = 0.54
    values = np.array([[0.2, 0.3, 0.3], [0.4, 0.4, 0.7], [0.3, 0.4, 0.0]])
    assert linear_predictions(values)[2, 2] == pytest.approx(0.54)


SHAPES = [(3, 2), (3, 9), (5, 3), (8, 12), (10, 12), (12, 12), (13, 12), (14, 12), (13, 62), (30, 10)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("oddity", ["none", "a doubled task", "a constant task", "a doubled model", "4 digits"])
def test_predictions_are_those_of_linear_regression(shape, oddity):
    values = scores(0, *shape)
    if oddity == "a doubled task":
        values[:, 1] = values[:, 0]
    elif oddity == "a constant task":
        values[:, -1] = 0.3
    elif oddity == "a doubled model":
        values[1] = values[0]
    elif oddity == "4 digits":
        values = values.round(4)
    expected = estimator_predictions(values, LinearRegression())
    np.testing.assert_allclose(linear_predictions(values), expected, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(2, 9), st.booleans())
def test_predictions_are_those_of_linear_regression_for_any_scores(seed, models, tasks, coarse):
    values = np.random.default_rng(seed).random((models, tasks))
    values = values.round(1) if coarse else values  # one digit: equal models, constant and dependent tasks
    expected = estimator_predictions(values, LinearRegression())
    np.testing.assert_allclose(linear_predictions(values), expected, atol=1e-8)


def test_nearly_dependent_tasks_fall_back_on_linear_regression():
    values = scores(0, 20, 5)
    values[:, 1] = values[:, 0] + 1e-7 * np.random.default_rng(0).standard_normal(20)
    expected = estimator_predictions(values, LinearRegression())
    np.testing.assert_allclose(linear_predictions(values), expected, atol=1e-8)


# --- selection


def published_fits(values):
    """Spearman, Pearson and error of every task by scipy and scikit-learn, as the published procedure has them."""
    found = []
    for task, (observed, predicted) in enumerate(
        zip(values.T, estimator_predictions(values, LinearRegression()).T, strict=True)
    ):
        scaler = StandardScaler().fit(observed[:, None])
        error = mean_squared_error(scaler.transform(observed[:, None]), scaler.transform(predicted[:, None]))
        found.append((task, spearmanr(observed, predicted)[0], pearsonr(observed, predicted)[0], error))
    return sorted(found, key=lambda fit: fit[1], reverse=True)


def test_fits_are_those_of_scipy_and_scikit_learn():
    values = scores(1, 9, 14)
    fits = task_fits(table_of(values))
    expected = published_fits(values)
    assert [fit.task for fit in fits] == [f"t{task}" for task, *_ in expected]
    np.testing.assert_allclose([(f.spearman, f.pearson, f.mse_z) for f in fits], [e[1:] for e in expected], atol=1e-8)


def test_the_selection_is_the_published_loop():
    values, names = scores(3, 11, 15), [f"t{task}" for task in range(15)]
    types = ["STS" if task % 4 else "Retrieval" for task in range(15)]
    left = list(range(15))
    removed = []
    while True:
        for task, rho, _, error in published_fits(values[:, left]):
            place = left[task]
            last = sum(types[other] == types[place] for other in left) == 1
            if not (error > 0.5 or rho < 0.8 or last):
                removed.append(names[place])
                left.remove(place)
                break
        else:
            break
    result = select_tasks(table_of(values, types), max_mse_z=0.5, min_spearman=0.8)
    assert removed
    assert result.removed == tuple(removed)
    assert result.kept == tuple(names[place] for place in left)
    assert len(result.rounds) == len(removed) + 1
    assert result.rounds[-1].removed is None


def test_the_best_predicted_task_goes_first():
    table = table_of(scores(4, 10, 8))
    result = select_tasks(table)
    first = result.rounds[0]
    assert first.removed == first.fits[0].task
    assert [fit.spearman for fit in first.fits] == sorted((fit.spearman for fit in first.fits), reverse=True)


def test_copies_of_one_task_are_reduced_to_one():
    column = np.linspace(0.1, 0.9, 9)[:, None]
    assert len(select_tasks(table_of(np.repeat(column, 5, axis=1))).kept) == 1


def test_the_last_task_of_a_type_stays_and_the_log_says_so():
    column = np.linspace(0.1, 0.9, 9)[:, None]
    result = select_tasks(table_of(np.repeat(column, 3, axis=1), ["STS", "STS", "Retrieval"]))
    assert result.kept in {("t0", "t2"), ("t1", "t2")}
    assert result.rounds[-1].refused["t2"] == "the last task of type Retrieval"


def test_a_task_kept_by_hand_stays():
    column = np.linspace(0.1, 0.9, 9)[:, None]
    result = select_tasks(table_of(np.repeat(column, 3, axis=1)), keep=["t0", "t1"])
    assert result.kept == ("t0", "t1")
    assert result.rounds[0].refused == {"t0": "kept by hand", "t1": "kept by hand"}


def test_the_only_task_of_a_language_in_its_type_stays():
    column = np.linspace(0.1, 0.9, 9)[:, None]
    table = table_of(np.repeat(column, 4, axis=1), ["STS", "STS", "STS", "Retrieval"])
    languages = {"t0": {"deu", "eng"}, "t1": {"eng"}, "t2": {"eng"}, "t3": {"deu", "eng"}}
    result = select_tasks(table, languages=languages)
    assert result.kept == ("t0", "t3")  # t3 covers German, but in another type
    assert result.rounds[-1].refused["t0"] == "the last task of type STS"
    assert result.rounds[0].refused == {"t0": "alone in STS with deu"}


def test_a_constant_task_is_never_predicted():
    values = scores(0, 9, 4)
    values[:, 0] = 0.5
    result = select_tasks(table_of(values), max_mse_z=9, min_spearman=-1)
    assert "t0" in result.kept
    assert next(fit for fit in result.rounds[0].fits if fit.task == "t0").spearman is None


class Copies:
    """A regressor that predicts the first feature: of two tasks, the other one's scores."""

    def fit(self, features, target):
        return self

    def predict(self, features):
        return features[:, 0]

    def get_params(self, deep=False):
        return {}


def test_a_correlation_that_is_exactly_the_limit_is_enough():
    order = [1, 0, 3, 2, 5, 4, 6, 7, 8]  # three neighbours of nine swapped: 1 - 6 * 6 / 720 = 0.95
    table = table_of(np.column_stack([np.arange(9.0), order]))
    assert task_fits(table, Copies())[0].spearman == pytest.approx(0.95)
    assert select_tasks(table, estimator=Copies()).removed == ("t0",)


def test_the_right_order_with_the_wrong_scores_is_not_enough():
    # t1 = t0 + 3: ranks agree, and every prediction is off by 3. t0 = 0, 1, ..., 8 has variance (81 - 1) / 12 = 20 / 3:
    # error 9 / (20 / 3) = 1.35
    table = table_of(np.column_stack([np.arange(9.0), np.arange(9.0) + 3]))
    assert task_fits(table, Copies())[0].mse_z == pytest.approx(1.35)
    assert select_tasks(table, estimator=Copies(), max_mse_z=1.34).removed == ()
    assert select_tasks(table, estimator=Copies(), max_mse_z=1.36).removed == ("t0",)


def test_another_estimator_can_be_given():
    table = table_of(scores(5, 10, 8))
    ridge = task_fits(table, Ridge(alpha=1e-9))
    np.testing.assert_allclose([fit.mse_z for fit in ridge], [fit.mse_z for fit in task_fits(table)], rtol=0.05)
    assert select_tasks(table, estimator=Ridge(alpha=1e6)).removed == ()  # it predicts means


def test_progress_is_told_after_every_round():
    told = []
    result = select_tasks(table_of(scores(4, 10, 8)), progress=told.append)
    assert told == [1] * len(result.rounds)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(1, 8), st.floats(-1, 1), st.floats(0, 2))
def test_every_type_keeps_a_task_and_nothing_is_lost(seed, models, tasks, min_spearman, max_mse_z):
    types = [f"type {task % 3}" for task in range(tasks)]
    table = table_of(scores(seed, models, tasks), types)
    result = select_tasks(table, min_spearman=min_spearman, max_mse_z=max_mse_z)
    assert {table.types[table.column(task)] for task in result.kept} == set(types)
    assert sorted(result.kept + result.removed) == sorted(table.tasks)


# --- agreement


def test_agreement_is_of_the_means_and_of_borda():
    # means over all three: 0.6, 0.5, 0.3; over t0 and t1: 0.6, 0.35, 0.4; ranks 3 2 1 and 3 1 2: 1 - 6 * 2 / 24 = 0.5
    # Borda over all: m0 2 + 2 + 1, m1 1 + 0 + 2, m2 0 + 1 + 0 = 5 3 1; over t0 and t1: 4 1 1, ranks 3 1.5 1.5:
    # (1 * 1 + 0 * -0.5 + -1 * -0.5) / sqrt(2 * 1.5) = 1.5 / sqrt(3)
    table = table_of([[0.6, 0.6, 0.6], [0.5, 0.2, 0.8], [0.3, 0.5, 0.1]])
    found = rank_agreement_of(table, ["t0", "t1"])
    assert (found.tasks, found.kept) == (3, 2)
    assert found.mean.spearman == pytest.approx(0.5)
    assert found.borda.spearman == pytest.approx(1.5 / 3**0.5)


def test_all_tasks_agree_with_all_tasks():
    table = table_of(scores(0, 6, 5))
    found = rank_agreement_of(table, table.tasks)
    assert (found.mean.spearman, found.borda.pearson) == (pytest.approx(1), pytest.approx(1))
    assert found.random_mean == pytest.approx(1)


def test_random_subsets_repeat_with_their_seed():
    table = table_of(scores(0, 6, 9, noise=0.2))
    found = [rank_agreement_of(table, ["t0", "t1"], seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0].random_mean != found[2].random_mean
    low, high = found[0].random_interval
    assert low <= found[0].random_mean <= high


# --- faults


def test_gaps_are_refused_by_name():
    values = scores(0, 5, 4)
    values[2, 1] = np.nan
    with pytest.raises(DataError, match="1 score is missing, the first that of m2 on t1"):
        select_tasks(table_of(values))
    with pytest.raises(DataError, match="m2 on t1"):
        rank_agreement_of(table_of(values), ["t0"])


def test_two_models_are_too_few():
    with pytest.raises(DataError, match="2 models"):
        select_tasks(table_of(scores(0, 2, 4)))


@pytest.mark.parametrize("limits", [{"max_mse_z": -1}, {"min_spearman": 1.5}, {"max_mse_z": float("nan")}])
def test_limits_that_cannot_be_are_refused(limits):
    with pytest.raises(UsageError, match="is not possible"):
        select_tasks(table_of(scores(0, 5, 4)), **limits)


def test_unknown_tasks_are_refused():
    table = table_of(scores(0, 5, 4))
    with pytest.raises(UsageError, match="no task 'x'"):
        select_tasks(table, keep=["x"])
    with pytest.raises(UsageError, match="No task is kept"):
        rank_agreement_of(table, [])


def test_the_published_limits_are_there():
    assert (MULTILINGUAL.max_mse_z, MULTILINGUAL.min_spearman) == (0.5, 0.8)
