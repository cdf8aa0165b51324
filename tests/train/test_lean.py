"""Encoding in pieces: the same vectors, the same gradients, less padding."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.encoders.tiny import make, text

from vecloom.train.lean import cuts, densify, lean


def cost(lengths, pieces, price):
    return sum((end - first) * lengths[end - 1] + price for first, end in pieces)


def test_a_batch_is_cut_where_that_saves_more_than_a_piece_costs():
    # in one piece 4 x 10 = 40; cut after the third 3 x 2 + 10 = 16; with price 5: 45 against 26
    assert cuts([2, 2, 2, 10], 5) == [(0, 3), (3, 4)]
    # with price 30: 70 against 76
    assert cuts([2, 2, 2, 10], 30) == [(0, 4)]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(0, 20))
def test_no_other_way_to_cut_is_cheaper(lengths, price):
    lengths = sorted(lengths)
    pieces = cuts(lengths, price)
    assert [first for first, _ in pieces] == [0, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == len(lengths)
    for chosen in range(2 ** (len(lengths) - 1)):
        ends = [place for place in range(1, len(lengths)) if chosen >> (place - 1) & 1] + [len(lengths)]
        other = list(zip([0, *ends[:-1]], ends, strict=True))
        assert cost(lengths, pieces, price) <= cost(lengths, other, price)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from sentence_transformers import SentenceTransformer

    made = SentenceTransformer(str(make(tmp_path_factory.mktemp("lean"))), device="cpu")
    for module in made.modules():  # so that two passes can be compared, in training mode
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    made[0].auto_model.config.attention_probs_dropout_prob = 0.0
    return made.train()


TEXTS = [text(count, count) for count in (3, 40, 5, 4, 50, 3, 9, 2)]


def encoded(model, texts=TEXTS):
    model.zero_grad()
    features = model.preprocess(texts)
    out = model(features)
    vectors = out["sentence_embedding"]
    (vectors * torch.arange(vectors.numel()).reshape(vectors.shape).sin()).sum().backward()
    densify(model.parameters())
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return vectors.detach().clone(), gradients, out


def test_pieces_give_the_batch_s_vectors_and_gradients(model, monkeypatch):
    monkeypatch.setattr("vecloom.train.lean._PRICE", {"cpu": 1})
    vectors, gradients, _ = encoded(model)
    with lean(model, "fp32", split=True, sparse=True):
        pieces, piece_gradients, _ = encoded(model)
    torch.testing.assert_close(pieces, vectors, atol=1e-6, rtol=0)
    assert piece_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(piece_gradients[name], gradient, atol=2e-5, rtol=1e-4)


def test_states_of_all_layers_come_back_in_the_batch_s_order(model, monkeypatch):
    monkeypatch.setattr("vecloom.train.lean._PRICE", {"cpu": 1})
    model[0].auto_model.config.output_hidden_states = True
    try:
        plain = model(model.preprocess(TEXTS))
        with lean(model, "fp32", split=True, sparse=False):
            lean_out = model(model.preprocess(TEXTS))
    finally:
        model[0].auto_model.config.output_hidden_states = False
    mask = plain["attention_mask"].bool()
    for one, other in zip(plain["all_layer_embeddings"], lean_out["all_layer_embeddings"], strict=True):
        torch.testing.assert_close(other[mask], one[mask], atol=1e-5, rtol=1e-4)


def test_fewer_tokens_reach_the_network(model, monkeypatch):
    seen = []
    monkeypatch.setattr("vecloom.train.lean._PRICE", {"cpu": 1})
    table = model[0].auto_model.get_input_embeddings()
    handle = table.register_forward_pre_hook(lambda _, given: seen.append(given[0].numel()))
    try:
        with lean(model, "fp32", split=True, sparse=False):
            model(model.preprocess(TEXTS))
    finally:
        handle.remove()
    padded = len(TEXTS) * 52  # the longest text has 50 words and two special tokens
    real = sum(len(given.split()) + 2 for given in TEXTS)
    assert real <= sum(seen) < 0.5 * padded


def test_bfloat16_is_close_and_leaves_the_loss_in_float32(model):
    vectors, _, _ = encoded(model)
    with lean(model, "bf16", split=True, sparse=True):
        half, _, out = encoded(model)
    assert out["sentence_embedding"].dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(half, vectors).min() > 0.999


def test_afterwards_the_model_is_as_it_was(model):
    table = model[0].auto_model.get_input_embeddings()
    with lean(model, "bf16", split=True, sparse=True):
        assert "forward" in vars(model[0])
        assert table.sparse
    assert "forward" not in vars(model[0])
    assert not table.sparse


def test_a_deep_copy_made_meanwhile_encodes_with_its_own_weights(model):
    with lean(model, "fp32", split=True, sparse=False):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(torch.randn_like(parameter))
        mine, its = (each(each.preprocess(TEXTS))["sentence_embedding"] for each in (model, other))
    assert (mine - its).abs().max() > 0.1


def test_a_model_padded_on_the_left_runs_as_it_is(tmp_path):
    from sentence_transformers import SentenceTransformer

    left = SentenceTransformer(str(make(tmp_path, "qwen2", pooling="lasttoken")), device="cpu").train()
    left.tokenizer.padding_side = "left"
    with lean(left, "bf16", split=True, sparse=True):
        assert "forward" not in vars(left[0])
