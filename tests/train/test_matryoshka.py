import math
import random

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import AdaptiveLayerLoss, CoSENTLoss, MatryoshkaLoss
from tests.encoders.tiny import make, text
from tests.train.fakes import Table, column, random_unit

from vecloom.errors import UsageError
from vecloom.train.losses import LayerwiseLoss, LossContext, make_loss
from vecloom.train.losses.layerwise import alignment, layer_weight
from vecloom.train.losses.wrappers import widths


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return deep(tmp_path_factory.mktemp("tiny"), 4)


def deep(folder, layers: int, family: str = "bert"):
    """A tiny model with this many layers, without dropout."""
    from tests.encoders import tiny

    shape = tiny.config

    def config(name):
        made = shape(name)
        made.num_hidden_layers = layers
        made.hidden_dropout_prob = made.attention_probs_dropout_prob = 0.0
        return made

    tiny.config = config
    try:
        return make(folder, family)
    finally:
        tiny.config = shape


@pytest.fixture
def model(folder):
    return SentenceTransformer(str(folder), device="cpu").train()


def pairs(model, rows: int = 5) -> list[dict]:
    return [model.preprocess([text(6, seed=10 * part + row) for row in range(rows)]) for part in range(2)]


SCORES = torch.tensor([1.0, 0.2, 0.8, 0.4, 0.0])


def test_alignment_as_worked_by_hand():
    # T = .3: e^(1/.3) = 28.0316, so p = softmax([1, 0, 0] / .3) = [.933404, .033298, .033298]; the student's is p with
    # the first two swapped. KL = (p_1 - p_2) ln(p_1 / p_2) = .900105 x 3.333333 = 3.000351; times T: .900105
    found = alignment(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]]), 0.3)
    assert float(found) == pytest.approx(3.000351, abs=1e-5)
    assert 0.3 * float(found) == pytest.approx(0.900105, abs=1e-5)


def test_shallow_layers_get_larger_weight():
    # sentence-transformers' 1 / (1 + i) with i counted from 0: 1, 1/2, 1/3, 1/4, 1/5 for the layers before the sixth.
    found = [layer_weight(layer, "linear") for layer in range(1, 6)]
    assert found == pytest.approx([1, 0.5, 0.3333, 0.25, 0.2], abs=1e-4)
    assert [layer_weight(layer, "uniform") for layer in range(1, 6)] == [1] * 5
    assert layer_weight(3, "log") == pytest.approx(1 / (1 + math.log(3)))


def test_cosent_of_three_pairs_as_worked_by_hand():
    # c = [.9, .2, .5], y = [1, .8, 0], s = 20: ln(1 + e^(20(.2-.9)) + e^(20(.5-.9)) + e^(20(.5-.2)))
    #   = ln(1 + 8.3e-7 + 3.4e-4 + 403.4288) = 6.002477
    cosines = torch.tensor([0.9, 0.2, 0.5])
    left = torch.tensor([[1.0, 0.0]] * 3)
    right = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)
    loss = make_loss(Table(), "cosent")
    found = loss([column(left, 1), column(right, 4)], torch.tensor([1.0, 0.8, 0.0]))
    assert found.item() == pytest.approx(6.002477, abs=1e-5)


def by_hand(model, layers, weight, *, kl: float = 0.3):
    """The sum over layers from plain transformers and plain pooling, for CoSENT at the full width."""
    network = model[0].auto_model
    pooled = []
    for features in pairs(model):
        states = network(**{key: features[key] for key in ("input_ids", "attention_mask")}, output_hidden_states=True)
        mask = features["attention_mask"].unsqueeze(-1).float()
        pooled.append([(state * mask).sum(1) / mask.sum(1) for state in states.hidden_states])
    unit = [[torch.nn.functional.normalize(vectors, dim=-1) for vectors in column] for column in pooled]

    def ranking(layer):
        cosines = 20 * (unit[0][layer] * unit[1][layer]).sum(-1)
        worse = [cosines[j] - cosines[i] for i in range(5) for j in range(5) if SCORES[i] > SCORES[j]]
        return torch.stack([torch.zeros(()), *worse]).logsumexp(0)

    total = ranking(4)
    for layer in layers:
        total = total + weight(layer) * ranking(layer) / len(layers)
        last, shallow = (torch.cat([unit[0][at], unit[1][at]]) for at in (4, layer))
        p, q = (last.detach() / kl).softmax(-1), (shallow / kl).softmax(-1)
        total = total + kl * (p * (p / q).log()).sum(-1).mean()
    return total


def gradient(model) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_all_layers_in_a_step_give_the_sum_over_layers(model):
    expected = by_hand(model, (1, 2, 3), lambda layer: 1 / layer)
    expected.backward()
    wanted = gradient(model)
    model.zero_grad()
    loss = LayerwiseLoss(model, CoSENTLoss(model), layers_per_step=-1, layer_weighting="linear")
    found = loss(pairs(model), SCORES)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(gradient(model), wanted, atol=1e-4, rtol=1e-4)


def test_a_drawn_layer_gives_the_loss_of_sentence_transformers(model, monkeypatch):
    found = []
    for loss in (LayerwiseLoss(model, CoSENTLoss(model)), AdaptiveLayerLoss(model, CoSENTLoss(model))):
        # Hidden state 2 is layer 2 in both: there 0 is the embeddings, here there is none.
        monkeypatch.setattr(random, "sample", lambda population, k: [2])
        model.zero_grad()
        value = loss(pairs(model), SCORES)
        value.backward()
        found.append((value.item(), gradient(model)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-6, rtol=1e-5)


def test_the_embeddings_are_never_drawn(model):
    loss = LayerwiseLoss(model, CoSENTLoss(model))
    assert {loss._drawn()[0] for _ in range(100)} == {1, 2, 3}


def test_a_teacher_that_is_not_detached_moves_the_last_layer(model):
    found = []
    for detach in (True, False):
        model.zero_grad()
        loss = LayerwiseLoss(model, CoSENTLoss(model), [1], last_weight=0.0, prior_weight=0.0, detach_teacher=detach)
        loss(pairs(model), SCORES).backward()
        last = model[0].auto_model.encoder.layer[3].output.dense.weight.grad
        found.append(0.0 if last is None else float(last.abs().max()))
    assert found[0] == 0.0
    assert found[1] > 1e-4


def test_equal_layers_have_equal_losses(tmp_path):
    """Layers that change nothing: every state is the embeddings."""
    model = SentenceTransformer(str(deep(tmp_path, 3)), device="cpu").train()
    for layer in model[0].auto_model.encoder.layer:
        layer.forward = lambda states, *_, **__: states
    base = CoSENTLoss(model)
    one = base(pairs(model), SCORES).item()
    loss = LayerwiseLoss(model, CoSENTLoss(model), layers_per_step=-1)
    # Last layer once, two shallow ones at half weight each, and no distance between equal distributions.
    assert loss(pairs(model), SCORES).item() == pytest.approx(2 * one, rel=1e-5)


def test_the_full_width_alone_reduces_to_layers_alone(model):
    random.seed(0)
    one = make_loss(model, "matryoshka-2d", {"dims": [32], "base": "cosent"})(pairs(model), SCORES)
    random.seed(0)
    other = LayerwiseLoss(model, CoSENTLoss(model))(pairs(model), SCORES)
    assert one.item() == pytest.approx(other.item(), rel=1e-6)


def test_no_weight_on_shallow_layers_reduces_to_widths_alone(model):
    settings = {"dims": [32, 16, 8], "base": "cosent", "prior_weight": 0.0, "kl_weight": 0.0}
    one = make_loss(model, "matryoshka-2d", settings)(pairs(model), SCORES)
    other = MatryoshkaLoss(model, CoSENTLoss(model), [32, 16, 8])(pairs(model), SCORES)
    assert one.item() == pytest.approx(other.item(), rel=1e-6)


def test_widths_are_a_weighted_sum_of_losses_of_scaled_prefixes():
    a, p = random_unit(5, 8, 0), random_unit(5, 8, 1)
    loss = make_loss(Table(8), "matryoshka", {"dims": [8, 4], "weights": [1.0, 0.5], "base": {"name": "cosent"}})
    found = loss([column(a, 1), column(p, 6)], SCORES)
    expected = 0.0
    for dim, weight in ((8, 1.0), (4, 0.5)):
        cosines = 20 * torch.nn.functional.cosine_similarity(a[:, :dim], p[:, :dim])
        worse = [float(cosines[j] - cosines[i]) for i in range(5) for j in range(5) if SCORES[i] > SCORES[j]]
        expected += weight * math.log1p(sum(math.exp(difference) for difference in worse))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_widths_are_those_of_the_paper_below_the_models_own():
    assert widths(768) == [768, 512, 256, 128, 64, 32]
    assert widths(384) == [384, 256, 128, 64, 32]
    assert widths(32) == [32]


@pytest.mark.parametrize("base", ["mnr", "gist", "progressive", {"name": "simcse", "head": False}], ids=str)
def test_any_base_loss_can_be_trained_at_all_sizes(folder, base):
    model = SentenceTransformer(str(folder), device="cpu").train()
    model[0].auto_model.config.hidden_dropout_prob = 0.1
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.1
    loss = make_loss(model, "matryoshka-2d", {"dims": [32, 16], "base": base}, LossContext(progress=lambda: 0.5))
    columns = pairs(model)[:1] if "simcse" in str(base) else pairs(model)
    value = loss(columns, None)
    value.backward()
    assert math.isfinite(value.item())
    assert model[0].auto_model.encoder.layer[0].output.dense.weight.grad is not None


def test_the_model_is_as_it_was_afterwards(model):
    LayerwiseLoss(model, CoSENTLoss(model))(pairs(model), SCORES)
    assert "forward" not in vars(model)
    assert "forward" not in vars(model[0])
    assert not model[0].auto_model.config.output_hidden_states


def test_callbacks_of_the_base_loss_are_passed_on(model):
    assert len(make_loss(model, "matryoshka-2d", {"base": "progressive"}).callbacks) == 1
    assert make_loss(model, "matryoshka", {"base": "mnr"}).callbacks == []


@pytest.mark.parametrize(
    ("options", "context", "message"),
    [
        ({"layers": [4]}, None, "model of 4 layers"),
        ({"layers": [1], "dims": [64]}, None, "32 dimensions"),
        ({"base": "esimcse"}, None, "one width"),
        ({"base": "matryoshka"}, None, "cannot be the base"),
        ({"base": "mrn"}, None, "Did you mean mnr"),
        ({"base": {"name": "mnr", "heat": 1}}, None, "heat of the loss mnr"),
        ({"base": "mnr"}, LossContext(mini_batch_size=2), "gradient caching"),
        ({"base": "softmax-nli"}, None, "classifier of one width"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_an_error(model, options, context, message):
    with pytest.raises(UsageError, match=message):
        make_loss(model, "matryoshka-2d", options, context)


def test_a_family_with_a_final_norm_is_refused(tmp_path):
    model = SentenceTransformer(str(make(tmp_path, "modernbert")), device="cpu")
    with pytest.raises(UsageError, match="modernbert"):
        make_loss(model, "matryoshka-2d")
