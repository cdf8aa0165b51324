import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.tiny import make
from tests.train.fakes import Table

from vecloom.errors import UsageError
from vecloom.train.losses import ESimCSELoss, LossContext, SimCSELoss, make_loss, repeat_tokens
from vecloom.train.losses.momentum import VectorQueue
from vecloom.train.losses.repetition import repeat_features, repeated_positions

SENTENCES = ["the cat sat on a mat", "a dog ran over the lazy fox", "stone", "river tree cloud it is was the"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny"), "bert")


@pytest.fixture
def model(folder):
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(0)
    return SentenceTransformer(str(folder), device="cpu").train()


def test_the_loss_of_two_views_as_worked_by_hand():
    # Scores / .5: [2.0, 1.2 | 1.6] and [0.0, 1.6 | 1.2]; rows .751251 and .627123 (worked in test_info_nce).
    loss = ESimCSELoss(Table(), 0.5, queue_size=1, head=False)
    loss.queue.push(torch.tensor([[0.8, 0.6]]))
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert float(loss.contrast(first, second)) == pytest.approx(0.689187, abs=1e-6)
    assert float(SimCSELoss(Table(), 0.5, head=False).contrast(first, second)) == pytest.approx(0.277501, abs=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ten_tokens_are_repeated_at_most_three_times(seed):
    # max(2, int(.32 x 10)) = 3
    found = repeat_tokens(range(10), 0.32, torch.Generator().manual_seed(seed))
    assert 10 <= len(found) <= 13
    assert sorted(set(found)) == list(range(10))
    assert max(found.count(token) for token in found) <= 2


def test_every_number_of_repetitions_is_as_likely():
    rng = torch.Generator().manual_seed(0)
    lengths = [len(repeated_positions(10, 0.32, rng)) - 10 for _ in range(4000)]
    shares = np.bincount(lengths) / 4000
    # Four outcomes of 1/4; the standard deviation of a share is sqrt(.1875 / 4000) = .0068, five of them .034.
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.034)


@settings(deadline=None)
@given(ids=st.lists(st.integers(5, 50), max_size=30, unique=True), seed=st.integers(0, 100))
def test_without_the_copies_the_input_is_back(ids, seed):
    found = repeat_tokens(ids, rng=torch.Generator().manual_seed(seed))
    assert [token for place, token in enumerate(found) if place == 0 or token != found[place - 1]] == ids


def test_one_token_can_be_repeated_but_once():
    found = {len(repeat_tokens([7], rng=torch.Generator().manual_seed(seed))) for seed in range(50)}
    assert found == {1, 2}


def test_the_same_seed_repeats_the_same_words():
    torch.manual_seed(3)
    one = repeat_tokens(range(30))
    torch.manual_seed(3)
    assert repeat_tokens(range(30)) == one


@pytest.mark.parametrize("left", [False, True])
def test_special_tokens_and_padding_are_never_repeated(left):
    ids = [[101, 5, 6, 7, 8, 102, 0, 0], [101, 9, 102, 0, 0, 0, 0, 0]]
    mask = [[1] * 6 + [0] * 2, [1] * 3 + [0] * 5]
    if left:
        ids, mask = [row[::-1] for row in ids], [row[::-1] for row in mask]
    features = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask), "modality": "text"}
    for seed in range(20):
        torch.manual_seed(seed)
        found = repeat_features(features, frozenset({0, 101, 102}), 1.0, limit=64, pad=0, left=left)
        assert found["modality"] == "text"
        for row, real in zip(found["input_ids"].tolist(), found["attention_mask"].bool().tolist(), strict=True):
            kept = [token for token, here in zip(row, real, strict=True) if here]
            assert kept.count(101) == kept.count(102) == 1
            assert {kept[0], kept[-1]} == {101, 102}
            assert all(token == 0 for token, here in zip(row, real, strict=True) if not here)
            assert real == sorted(real, reverse=not left)


def test_what_exceeds_the_length_is_cut_before_the_closing_token():
    features = {
        "input_ids": torch.tensor([[101, 5, 6, 7, 8, 102]]),
        "attention_mask": torch.ones(1, 6, dtype=torch.long),
    }
    for seed in range(20):
        torch.manual_seed(seed)
        row = repeat_features(features, frozenset({101, 102}), 1.0, limit=6, pad=0)["input_ids"][0].tolist()
        assert len(row) == 6
        assert row[0] == 101
        assert row[-1] == 102


def test_the_queue_holds_the_last_vectors_in_order():
    queue = VectorQueue(5, 1)
    for start in (0, 3, 6):
        queue.push(torch.arange(start, start + 3.0).unsqueeze(1))
    assert queue.vectors.squeeze(1).tolist() == [4, 5, 6, 7, 8]


def test_the_queue_holds_no_vector_of_the_batch_that_it_is_asked_about(model):
    loss = ESimCSELoss(model, queue_size=6)
    seen = []
    contrast = loss.contrast
    loss.contrast = lambda first, second: (seen.append(len(loss.queue.vectors)), contrast(first, second))[1]
    for _ in range(3):
        loss([model.preprocess(SENTENCES)])
    assert seen == [0, 4, 6]


def test_the_momentum_encoder_moves_by_half_a_percent(model):
    loss = ESimCSELoss(model, queue_size=6, momentum=0.995)
    before = [parameter.detach().clone() for parameter in loss.slow.slow.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    loss.callbacks[0].on_step_end(None, None, None)
    for old, new, target in zip(before, loss.slow.slow.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(new.data, 0.995 * old + 0.005 * target.data, atol=1e-7, rtol=1e-6)
        assert new.dtype == torch.float32


def test_the_momentum_encoder_has_no_dropout_no_gradient_and_no_place_in_the_optimiser(model):
    loss = ESimCSELoss(model, queue_size=8).train()
    assert not any(module.training for module in loss.slow.modules())
    loss([model.preprocess(SENTENCES)]).backward()
    assert not any(parameter.requires_grad for parameter in loss.slow.parameters())
    one = loss.queue.vectors.clone()
    loss([model.preprocess(SENTENCES)])
    torch.testing.assert_close(loss.queue.vectors[4:], one)


def test_queue_and_momentum_weights_are_saved_and_restored(model):
    loss = ESimCSELoss(model, queue_size=6)
    loss([model.preprocess(SENTENCES)])
    loss.follow()
    other = ESimCSELoss(copy.deepcopy(model), queue_size=6)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.queue.vectors, loss.queue.vectors)
    assert len(other.queue.vectors) == 4
    for one, two in zip(loss.slow.parameters(), other.slow.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("loss_class", [SimCSELoss, ESimCSELoss])
def test_equal_views_are_an_error_that_names_dropout(model, loss_class):
    model.eval()
    loss = loss_class(model)
    torch.manual_seed(1)  # repetition leaves at least one of these rows alone
    with pytest.raises(UsageError, match="dropout is off"):
        loss([model.preprocess(SENTENCES * 4)])


def test_equal_views_are_no_error_where_nothing_is_learnt(model):
    model.eval()
    loss = ESimCSELoss(model)
    with torch.no_grad():
        assert math.isfinite(loss([model.preprocess(SENTENCES)]))
    assert len(loss.queue.vectors) == 0


def test_two_columns_are_an_error(model):
    with pytest.raises(UsageError, match="2 columns"):
        SimCSELoss(model)([model.preprocess(SENTENCES), model.preprocess(SENTENCES)])


def test_repetition_keeps_a_batch_of_tokens_whole(model):
    loss = ESimCSELoss(model)
    features = model.preprocess(SENTENCES)
    plain, repeated = loss.augment(features, 0), loss.augment(features, 1)
    assert set(plain) == set(repeated) == set(features)
    assert repeated["input_ids"].shape == repeated["attention_mask"].shape
    assert torch.equal(plain["input_ids"], features["input_ids"])


def test_training_pulls_a_sentence_to_itself(model):
    loss = make_loss(model, "esimcse", {"queue_size": 8}, LossContext())
    optimiser = torch.optim.AdamW([p for p in loss.parameters() if p.requires_grad], 1e-3)
    values = []
    for _ in range(20):
        value = loss([model.preprocess(SENTENCES)])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        loss.follow()
        values.append(value.item())
    assert np.mean(values[-5:]) < np.mean(values[1:6])
