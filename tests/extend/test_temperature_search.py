import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders import tiny

from vecloom.errors import DataError
from vecloom.extend import temperature_search as search_module
from vecloom.extend.temperature import open_attention
from vecloom.extend.temperature_network import ProbedNetwork
from vecloom.extend.temperature_search import (
    Bucket,
    first_best,
    gain_interval,
    label_agreement,
    probe_of_labels,
    probe_of_parts,
    reciprocal_ranks,
    search,
    trials,
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return ProbedNetwork(open_attention(str(tiny.make(tmp_path_factory.mktemp("bert")))))


def texts(count, words=50):
    return [tiny.text(words, seed=seed) for seed in range(count)]


def test_reciprocal_ranks_by_hand():
    # row 0: its partner is nearest; row 1: third; row 2: a tie counts against it, rank 2
    similarities = np.array([[0.9, 0.1, 0.2], [0.5, 0.3, 0.4], [0.7, 0.1, 0.7]])
    assert reciprocal_ranks(similarities) == pytest.approx([1, 1 / 3, 1 / 2])


def test_label_agreement_by_hand():
    similarities = np.array([[1, 0.9, 0.8, 0.1], [0.9, 1, 0.2, 0.3], [0.8, 0.2, 1, 0.7], [0.1, 0.3, 0.7, 1]])
    labels = ["a", "a", "b", "b"]
    # 0: {1 a, 2 b} 1/2; 1: {0 a, 3 b} 1/2; 2: {0 a, 3 b} 1/2; 3: {2 b, 1 a} 1/2
    assert label_agreement(similarities, labels, nearest=2) == pytest.approx([0.5] * 4)
    assert label_agreement(similarities, labels, nearest=1) == pytest.approx([1, 1, 0, 1])


def test_of_equal_scores_the_first_wins():
    assert first_best([(1.0, 0.5), (0.9, 0.5), (0.8, 0.4)]) == 1.0
    assert first_best([(1.0, 0.5), (0.9, 0.6), (0.8, 0.6)]) == 0.9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_no_change_has_no_gain(scores):
    before = [np.array(scores)]
    assert gain_interval(before, before) == (0.0, (0.0, 0.0))


def test_a_gain_is_the_mean_over_lengths_of_mean_gains():
    before, after = [np.zeros(2), np.zeros(4)], [np.ones(2), np.array([1.0, 0, 0, 0])]
    gain, (low, high) = gain_interval(before, after)
    assert gain == pytest.approx((1 + 0.25) / 2)
    assert low < gain < high


def test_parts_follow_each_other(network):
    bucket = probe_of_parts(network, texts(10), (16,))[0]
    whole = network.tokenizer.encode(texts(10)[3]).ids[1:-1]
    assert list(bucket.texts[3]) == [0, *whole[:14], 2]
    assert list(bucket.partners[3]) == [0, *whole[14:28], 2]
    one, other = bucket.halves()
    assert (one.texts, other.texts) == (bucket.texts[::2], bucket.texts[1::2])


def test_labelled_texts_go_to_the_smallest_length_that_holds_them(network):
    rows = [(tiny.text(words, seed=words), str(words % 2)) for words in [*range(1, 20), *range(40, 60)]]
    found = probe_of_labels(network, [text for text, _ in rows], [label for _, label in rows], (16, 32, 128))
    assert [bucket.length for bucket in found] == [16, 32]  # 64 is the model's limit: longer texts are cut to 32
    assert all(len(ids) <= 16 for ids in found[0].texts)
    assert all(len(ids) <= 32 for ids in found[1].texts)
    assert [len(bucket) for bucket in found] == [14, 5 + 20]


def test_too_few_texts_are_named(network):
    with pytest.raises(DataError, match="not 8 texts of 32 tokens"):
        probe_of_parts(network, texts(3), (16,))
    with pytest.raises(DataError, match="more than one label"):
        probe_of_labels(network, texts(20), ["same"] * 20)


def test_a_search_finds_the_best_of_its_grid_and_checks_it_elsewhere(network):
    probe = probe_of_parts(network, texts(40), (16, 24))
    steps = []
    found = search(network, probe, grid=(0.9, 0.5), progress=steps.append)
    assert sum(steps) == trials(2, (0.9, 0.5)) == 3
    for tau, score in found.tried.items():
        with network.temperature.at(float(tau)):
            each = [search_module.scores(network, bucket.halves()[0]).mean() for bucket in probe]
        assert score == pytest.approx(np.mean(each))
    assert found.tried[f"{found.taus[0]:g}"] == max(found.tried.values())
    assert found.gain == pytest.approx(np.mean([found.after[n] - found.before[n] for n in (16, 24)]))
    assert found.interval[0] <= found.gain <= found.interval[1]


def test_a_search_by_layer_ends_no_lower_than_the_common_value(network):
    probe = probe_of_parts(network, texts(40), (16,))
    steps = []
    common = search(network, probe, grid=(0.8, 0.5))
    found = search(network, probe, grid=(0.8, 0.5), per_layer=True, progress=steps.append)
    assert sum(steps) == trials(2, (0.8, 0.5), per_layer=True) == 3 + 2 * 2
    with network.temperature.at(found.taus):
        score = search_module.scores(network, probe[0].halves()[0]).mean()
    assert score >= max(common.tried.values()) - 1e-9


def test_where_one_temperature_is_better_the_search_finds_it(network, monkeypatch):
    # the score is made 1 where the queries are those of 0.7, and less the farther they are from it
    weight = next(iter(network.temperature._parameters.values()))
    wanted = next(iter(network.temperature._originals.values())) / 0.7
    monkeypatch.setattr(
        search_module,
        "scores",
        lambda _, bucket: np.full(len(bucket), 1 - float((weight.detach() - wanted).abs().mean())),
    )
    found = search(network, [Bucket(8, ((0,),) * 8, ((1,),) * 8)], grid=(0.9, 0.7, 0.5))
    assert found.taus == (0.7, 0.7)
    assert found.gain == pytest.approx(float((wanted * 0.3).abs().mean()), rel=1e-4)
