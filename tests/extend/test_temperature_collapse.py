import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.encoders import tiny
from tests.extend.attention_oracle import bert_states, softmax

from vecloom.errors import DataError, UsageError
from vecloom.extend.temperature import open_attention
from vecloom.extend.temperature_collapse import collapse, filter_rate, pair_cosines, rate_bound
from vecloom.extend.temperature_network import ProbedNetwork, cut_tokens, frame_of
from vecloom.extend.temperature_plot import draw


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return ProbedNetwork(open_attention(str(tiny.make(tmp_path_factory.mktemp("bert")))))


@pytest.mark.parametrize(("tau", "expected"), [(1.0, 0.761594), (0.8, 0.848284), (0.5, 0.964028)])
def test_the_filter_rate_of_two_tokens_is_a_tanh(tau, expected):
    # P = [[2, 0], [0, 2]]: a row of A is [s, 1 - s] with s = 1 / (1 + exp(-2 / tau)); HC[A] has rows +-(2 s - 1) / 2 [1, -1],
    # whose singular value is 2 s - 1 = tanh(1 / tau).
    attention = softmax(np.array([[2.0, 0], [0, 2]]) / tau)
    assert filter_rate(attention) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(math.tanh(1 / tau), abs=1e-6)


def test_random_scores_are_filtered_more_the_longer_they_are():
    generator = np.random.default_rng(0)
    attention = [softmax(generator.standard_normal((n, n))) for n in (8, 32, 128, 512)]
    found = [float(filter_rate(each)) for each in attention]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(0.493, abs=5e-4)
    for each, rate in zip(attention, found, strict=True):  # the same by another way: the largest eigenvalue of M^T M
        centring = np.eye(len(each)) - 1 / len(each)
        product = each.T @ centring @ each
        assert rate == pytest.approx(np.sqrt(np.linalg.eigvalsh(product)[-1]), rel=1e-9)


@pytest.mark.parametrize(("count", "expected"), [(8, 0.444623), (32, 0.294556), (128, 0.204826), (512, 0.144216)])
def test_the_bound_of_theorem_three(count, expected):
    assert rate_bound(count, 1.0) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(2, 6)).map(lambda n: (*n, *n)), elements=st.floats(-4, 4)))
def test_the_rate_bounds_what_is_left_of_differences_between_tokens(scores):
    # Theorem 2 with W_V = I: |HC[A X]| <= sigma_a |HC[X]|, where A passes on the mean unchanged
    attention = softmax(scores)
    states = np.random.default_rng(1).standard_normal((len(scores), 5))
    centred = states - states.mean(0)
    left = attention @ centred
    left -= left.mean(0)
    assert np.linalg.norm(left) <= filter_rate(attention) * np.linalg.norm(centred) + 1e-9


def test_attention_that_is_the_same_for_all_tokens_leaves_nothing():
    assert filter_rate(np.full((3, 4, 4), 0.25)) == pytest.approx(np.zeros(3), abs=1e-12)


def test_cosines_of_all_pairs():
    rows = np.array([[1.0, 0], [0.6, 0.8], [0, 1]])
    assert sorted(pair_cosines(rows)) == pytest.approx([0, 0.6, 0.8])


def test_texts_are_cut_to_exactly_so_many_tokens(network):
    short, long = cut_tokens(network.tokenizer, [tiny.text(3), tiny.text(30)], 10)
    assert short is None
    assert (len(long), long[0], long[-1]) == (10, 0, 2)
    assert frame_of(network.tokenizer) == ([0], [2])
    later = cut_tokens(network.tokenizer, [tiny.text(30)], 10, offset=8)[0]
    assert later[1:-1] == network.tokenizer.encode(tiny.text(30)).ids[9:17]


def test_attention_and_vectors_are_those_written_out(network):
    ids = network.tokenizer.encode(tiny.text(12)).ids
    layers = next(network.attention([ids]))
    assert [layer.shape for layer in layers] == [(2, 14, 14)] * 2
    assert layers[0].sum(-1) == pytest.approx(np.ones((2, 14)), abs=1e-5)
    pooled = bert_states(network.spec.path, ids, (1.0, 1.0)).mean(0)
    assert network.vectors([ids])[0] == pytest.approx(pooled / np.linalg.norm(pooled), abs=1e-5)


def test_vectors_keep_their_order_whatever_the_lengths(network):
    sequences = [network.tokenizer.encode(tiny.text(count, seed=count)).ids for count in (30, 3, 50, 9)]
    assert network.vectors(sequences) == pytest.approx(
        np.concatenate([network.vectors([s]) for s in sequences]), abs=1e-5
    )


def test_a_report_has_every_length_temperature_and_layer(network, tmp_path):
    texts = [tiny.text(60, seed=seed) for seed in range(6)]
    found = collapse(network, [*texts, "short"], lengths=(8, 16), taus=(1.0, 0.5, (0.5, 0.9)))
    assert found.texts == 6
    assert set(found.cosines) == {"1", "0.5", "0.5/0.9"}
    assert all(len(rows) == 2 and all(len(row) == 2 for row in rows) for rows in found.rates.values())
    by_hand = pair_cosines(network.vectors([ids for ids in cut_tokens(network.tokenizer, texts, 8) if ids])).mean()
    assert found.cosines["1"][0] == pytest.approx(by_hand)
    assert found.cosines["1"] != found.cosines["0.5"]
    draw(found, tmp_path / "collapse.svg")
    assert "<svg" in (tmp_path / "collapse.svg").read_text()
    with pytest.raises(UsageError, match="cannot be drawn"):
        draw(found, tmp_path / "collapse.xyz")


def test_measuring_leaves_the_network_as_it_was(network):
    ids = [network.tokenizer.encode(tiny.text(9)).ids]
    before = network.vectors(ids)
    collapse(network, [tiny.text(20, seed=seed) for seed in range(3)], lengths=(8,), taus=(0.5,))
    assert (network.vectors(ids) == before).all()


def test_lengths_that_the_model_does_not_read_are_refused(network):
    with pytest.raises(UsageError, match="this model reads 64"):
        collapse(network, ["a"], lengths=(8, 128))


def test_texts_that_are_too_short_are_named(network):
    with pytest.raises(DataError, match="0 texts have 16 tokens"):
        collapse(network, ["a", "the cat"], lengths=(8, 16))
