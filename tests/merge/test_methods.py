import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.errors import DataError, UsageError
from vecloom.merge import METHODS, geometry, merge_tensors

# The spec's worked example: V_1 = [1,0,0,-1], V_2 = [0,4,-1,.5], norms 1.414214 and 4.153312, cosine -.085126.
BASE = {"w": torch.tensor([1.0, 0.0, -1.0, 2.0])}
FIRST = {"w": torch.tensor([2.0, 0.0, -1.0, 1.0])}
SECOND = {"w": torch.tensor([1.0, 4.0, -2.0, 2.5])}


def vectors(*rows):
    return [{"w": torch.tensor(row, dtype=torch.float32)} for row in rows]


def zero(size):
    return {"w": torch.zeros(size)}


def made(method, *models, base=None, **options):
    return merge_tensors(method, models, base, **options)["w"].tolist()


def near(values, wanted, abs=1e-5):  # noqa: A002
    assert values == pytest.approx(wanted, abs=abs)


# --- oracles ---------------------------------------------------------------------------------------------------------


def test_average_of_two():
    near(made("linear", FIRST, SECOND), [1.5, 2, -1.5, 1.75])


def test_average_by_weight():
    # (3 * [2,0,-1,1] + 1 * [1,4,-2,2.5]) / 4
    near(made("average", FIRST, SECOND, weights=(3, 1)), [1.75, 1, -1.25, 1.375])


def test_task_arithmetic_adds_up_weighted_task_vectors():
    # [1,0,-1,2] + .3 * [1,0,0,-1] + .6 * [0,4,-1,.5]
    near(made("task_arithmetic", FIRST, SECOND, base=BASE, weights=(0.3, 0.6)), [1.3, 2.4, -1.6, 2.0])


def test_ties_trims_elects_and_averages_what_agrees():
    # kept of V_1: [1,0,0,-1]; of V_2: [0,4,-1,0]; nothing conflicts, so the delta is [1,4,-1,-1]
    near(made("ties", FIRST, SECOND, base=BASE, density=0.5), [2, 4, -2, 1])


def test_ties_leaves_out_the_sign_that_loses():
    # sums -1, 3, 2; entry 0: only -2 agrees; entry 1: 2 and 1, mean 1.5; entry 2: 2 and 0 of which 0 has no sign: 2
    near(made("ties", *vectors([1, 2, 2], [-2, 1, 0]), base=zero(3), density=1.0), [-2, 1.5, 2])


def test_ties_divides_by_the_weights_that_agree():
    # entry 0: 3*1 + 1*5 = 8 over 4
    near(made("ties", *vectors([1], [5]), base=zero(1), weights=(3, 1)), [2])


def test_ties_can_be_stretched_to_the_mean_length_of_the_trimmed():
    # trimmed [3,0] and [0,4]: merged [3,4] of length 5, mean length 3.5
    near(made("ties", *vectors([3, 1], [1, 4]), base=zero(2), density=0.5, rescale="mean_norm"), [2.1, 2.8])


def test_slerp_of_task_vectors():
    near(made("slerp", FIRST, SECOND, base=BASE), [1.739272, 2.957088, -1.739272, 1.630364])


def test_slerp_half_way_between_vectors_of_unequal_length():
    # angle 90 degrees, sin 45 / sin 90 = .707107 of each
    near(made("slerp", *vectors([1, 0], [0, 2])), [0.707107, 1.414214])


def test_slerp_a_quarter_of_the_way():
    # cos 22.5 degrees and sin 22.5 degrees
    near(made("slerp", *vectors([1, 0], [0, 1]), weights=(0.75, 0.25)), [0.923880, 0.382683])


def test_a_larger_weight_draws_towards_its_model():
    light, heavy = (made("slerp", *vectors([1, 0], [0, 1]), weights=(1, weight)) for weight in (1, 3))
    assert heavy[1] > light[1]


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [((1, 1, 1), (0.5, 0.5, 0.707107)), ((1, 2, 1), (0.404508, 0.700629, 0.587785))],
)
def test_slerp_folds_three_with_the_mean_of_the_left_weights(weights, wanted):
    # orthonormal: (1,1,1) folds half-way twice: .7071^2 = .5, .5, .7071; (1,2,1): beta 2/3 then 1/2.5 = .4:
    # sin 30, sin 60 times sin 54 = .404508, .700629; sin 36 = .587785
    found = geometry.slerp(torch.eye(3, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64))
    near(found.tolist(), wanted, abs=1e-6)


def test_multislerp_of_unequal_lengths():
    # mean direction 45 degrees, tangents cancel, mean length 1.5: 1.5 * .707107
    near(made("multislerp", *vectors([1, 0], [0, 2])), [1.060660, 1.060660])


def test_multislerp_by_weight():
    near(made("multislerp", *vectors([1, 0], [0, 2]), weights=(3, 1)), [1.185854, 0.395285])


def test_multislerp_of_three():
    # length 2 in the direction (1,1,1)/1.732
    near(made("multislerp", *vectors([1, 0, 0], [0, 2, 0], [0, 0, 3])), [1.154701] * 3)


def test_karcher_mean_of_two_lies_at_the_share_of_the_angle():
    # weights 3:1 on a right angle: 22.5 degrees
    near(made("karcher", *vectors([1, 0], [0, 1]), weights=(3, 1)), [0.923880, 0.382683])


def test_model_stock():
    # cosine .707107, t = 2 * .707107 / 1.707107 = .828427; times the average [1, .5]
    near(made("model_stock", *vectors([1, 0], [1, 1]), base=zero(2)), [0.828427, 0.414214])


def test_model_stock_does_not_go_beyond_the_base():
    near(made("model_stock", *vectors([1, 0], [-1, 0.1]), base=zero(2)), [0, 0])


def test_fisher_weights_each_parameter():
    statistics = vectors([1, 3], [3, 1])
    # entry 0: 1*2 + 3*0 over 4; entry 1: 3*0 + 1*2 over 4
    near(made("fisher", *vectors([2, 0], [0, 2]), statistics=statistics), [0.5, 0.5])


def test_fisher_averages_what_no_model_depends_on():
    near(made("fisher", *vectors([2, 0], [0, 2]), statistics=vectors([0, 1], [0, 0])), [1, 0])


def test_regmean_solves_the_least_squares_of_both_models():
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(40, 3, generator=generator) for _ in range(2)]
    layers = [torch.randn(2, 3, generator=generator) for _ in range(2)]
    wanted = torch.linalg.lstsq(
        torch.cat(inputs), torch.cat([x @ w.T for x, w in zip(inputs, layers, strict=True)])
    ).solution.T
    statistics = [{"w": x.T @ x} for x in inputs]
    found = merge_tensors("regmean", [{"w": w} for w in layers], statistics=statistics, shrink=1.0)["w"]
    assert torch.allclose(found, wanted, atol=1e-5)


def test_regmean_of_diagonal_products_is_a_weighted_mean_by_column():
    statistics = [{"w": torch.tensor([[1.0, 9.0], [9.0, 3.0]])}, {"w": torch.tensor([[3.0, 9.0], [9.0, 1.0]])}]
    models = [{"w": torch.tensor([[2.0, 0.0]])}, {"w": torch.tensor([[0.0, 2.0]])}]
    found = merge_tensors("regmean", models, statistics=statistics, shrink=0.0)["w"]
    near(found.tolist()[0], [0.5, 0.5])  # as for Fisher above


def test_dare_keeps_the_expectation():
    size = 200_000
    found = merge_tensors("dare_linear", [{"w": torch.ones(size)}], zero(size), density=0.25)["w"]
    assert set(found.tolist()) == {0.0, 4.0}
    assert float(found.mean()) == pytest.approx(1.0, abs=5 * math.sqrt(3 / size))  # variance (1-p)/p = 3


def test_dare_can_keep_the_sum_of_magnitudes():
    found = merge_tensors("dare_linear", vectors([1, 2, 3, 4]), zero(4), density=0.5, rescale="l1", seed=3)["w"]
    assert float(found.sum()) == pytest.approx(10)


def test_greedy_soup_takes_what_does_not_hurt():
    def metric(tensors):
        return -abs(float(tensors["w"][0]) - 1.0)

    # alone: 1.2 scores -.2, 0.7 -.3, 5 -4; 1.2 and .7 give .95: joins; with 5 it is 2.3: stays out
    near(made("greedy_soup", *vectors([5], [0.7], [1.2]), metric=metric), [0.95])


def test_boom_is_multislerp_of_task_vectors():
    # V_1 = [1,0], V_2 = [0,2] from a base at [1,1]
    near(made("boom", *vectors([2, 1], [1, 3]), base={"w": torch.ones(2)}), [2.060660, 2.060660])


# --- properties ------------------------------------------------------------------------------------------------------

NEEDS_DATA = {"greedy_soup", "fisher", "regmean", "self_positioning"}
PLAIN = sorted(set(METHODS) - NEEDS_DATA)
UNORDERED = ["linear", "task_arithmetic", "ties", "multislerp", "karcher", "model_stock", "dare_linear", "boom"]
FULL = {"ties": {"density": 1.0}, "dare_linear": {"density": 1.0}, "dare_ties": {"density": 1.0}}
seeds = st.integers(0, 10_000)


def random_models(seed, count, size=12):
    generator = torch.Generator().manual_seed(seed)
    base = {"a": torch.randn(size, generator=generator), "b": torch.randn(3, 4, generator=generator)}
    return base, [
        {name: tensor + torch.randn(tensor.shape, generator=generator) for name, tensor in base.items()}
        for _ in range(count)
    ]


def same(left, right, tolerance=1e-4):
    return all(torch.allclose(left[name], right[name], atol=tolerance, rtol=tolerance) for name in left)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, copies=st.integers(2, 4), method=st.sampled_from(PLAIN))
def test_copies_of_one_model_merge_to_that_model(seed, copies, method):
    base, [model] = random_models(seed, 1)
    options = FULL.get(method, {})
    if method in ("task_arithmetic", "dare_linear", "dare_ties"):
        options = options | {"normalize": True}
    assert same(merge_tensors(method, [model] * copies, base, **options), model)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, method=st.sampled_from(UNORDERED), order=st.permutations(range(3)))
def test_the_order_of_models_does_not_matter(seed, method, order):
    base, models = random_models(seed, 3)
    weights = [1.0, 2.0, 3.0]
    plain = {} if method == "model_stock" else {"weights": weights}
    shuffled = {} if method == "model_stock" else {"weights": [weights[place] for place in order]}
    left = merge_tensors(method, models, base, **plain)
    assert same(left, merge_tensors(method, [models[place] for place in order], base, **shuffled))


@settings(deadline=None, max_examples=25)
@given(seed=seeds, granularity=st.sampled_from(["model", "tensor"]), end=st.integers(0, 1))
def test_slerp_ends_at_the_models(seed, granularity, end):
    base, models = random_models(seed, 2)
    weights = (1.0, 1e-12) if end == 0 else (1e-12, 1.0)
    assert same(merge_tensors("slerp", models, base, weights=weights, granularity=granularity), models[end])


@settings(deadline=None, max_examples=25)
@given(seed=seeds, factor=st.floats(0.1, 10))
def test_slerp_grows_with_its_inputs(seed, factor):
    _, models = random_models(seed, 3)
    grown = [{name: tensor * factor for name, tensor in model.items()} for model in models]
    left = merge_tensors("slerp", grown)
    right = {name: tensor * factor for name, tensor in merge_tensors("slerp", models).items()}
    assert same(left, right)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, share=st.floats(0.05, 0.95))
def test_slerp_keeps_the_length_of_equally_long_vectors(seed, share):
    generator = torch.Generator().manual_seed(seed)
    models = [{"w": torch.nn.functional.normalize(torch.randn(9, generator=generator), dim=0)} for _ in range(2)]
    found = merge_tensors("slerp", models, weights=(1 - share, share))["w"]
    assert float(found.norm()) == pytest.approx(1, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, count=st.integers(2, 5))
def test_folding_by_the_gram_matrix_is_folding_the_tensors(seed, count):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 20, generator=generator, dtype=torch.float64)
    weights = torch.rand(count, generator=generator, dtype=torch.float64) + 0.1
    folded = rows[0]
    for place in range(1, count):
        beta = weights[place] / (weights[:place].mean() + weights[place])
        angle = torch.arccos(folded @ rows[place] / folded.norm() / rows[place].norm())
        folded = (torch.sin((1 - beta) * angle) * folded + torch.sin(beta * angle) * rows[place]) / torch.sin(angle)
    found = geometry.slerp(rows @ rows.T, weights) @ rows
    assert torch.allclose(found, folded, atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(seed=seeds, method=st.sampled_from(PLAIN))
def test_merging_in_parts_is_merging_the_whole(seed, method):
    base, models = random_models(seed, 3)
    prepare = METHODS[method].prepare
    known = prepare(base, models, **METHODS[method].options) if prepare else {}
    parts = {}
    for name in base:
        one = [{name: model[name]} for model in models]
        parts |= METHODS[method].run({name: base[name]}, one, **known)
    assert same(merge_tensors(method, models, base), parts, 1e-6)


@pytest.mark.parametrize("method", PLAIN)
def test_nothing_that_was_given_is_changed(method):
    base, models = random_models(5, 3)
    before = [{name: tensor.clone() for name, tensor in model.items()} for model in (base, *models)]
    merge_tensors(method, models, base)
    assert all(same(left, right, 0) for left, right in zip(before, (base, *models), strict=True))


@pytest.mark.parametrize("method", PLAIN)
def test_integers_are_copied_and_halves_are_merged_in_float32(method):
    base = {"w": torch.ones(4, dtype=torch.bfloat16), "ids": torch.arange(4)}
    models = [{"w": torch.full((4,), value, dtype=torch.bfloat16), "ids": torch.arange(4)} for value in (2.0, 3.0)]
    found = merge_tensors(method, models, base)
    assert found["ids"].tolist() == [0, 1, 2, 3]
    assert found["w"].dtype == torch.float32


# --- faults ----------------------------------------------------------------------------------------------------------


def test_an_unknown_method_is_answered_with_close_names():
    with pytest.raises(UsageError, match="Did you mean slerp"):
        merge_tensors("slrep", [FIRST, SECOND])


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.base == "required"])
def test_task_vectors_need_their_base(method):
    with pytest.raises(UsageError, match="needs the base model"):
        merge_tensors(method, [FIRST, SECOND])


def test_an_unknown_option_is_answered_with_close_names():
    with pytest.raises(UsageError, match="Did you mean density"):
        merge_tensors("ties", [FIRST, SECOND], BASE, densty=0.5)


def test_weights_that_cancel_are_refused():
    with pytest.raises(UsageError, match="add up to 0"):
        merge_tensors("linear", [FIRST, SECOND], weights=(1, -1))


def test_a_weight_for_each_model_is_asked_for():
    with pytest.raises(UsageError, match="1 weight for 2 models"):
        merge_tensors("linear", [FIRST, SECOND], weights=(1,))


@pytest.mark.parametrize("density", [0, -0.1, 1.5])
def test_a_density_outside_its_range_is_refused(density):
    with pytest.raises(UsageError, match="density"):
        merge_tensors("ties", [FIRST, SECOND], BASE, density=density)


def test_opposite_task_vectors_cannot_be_put_on_a_sphere():
    with pytest.raises(DataError, match="cancel out"):
        merge_tensors("multislerp", vectors([1, 0], [-1, 0]))


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_statistics_of_each_model_are_asked_for(method):
    with pytest.raises(UsageError, match="statistics of 0 models and merges 2"):
        merge_tensors(method, [FIRST, SECOND])
