"""Gradient caching gives the gradient of the plain loss, with dropout on."""

import copy
import resource

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from tests.encoders.tiny import make, text

from vecloom.errors import UsageError
from vecloom.train.losses import GuidedContrastive, LossContext, ProgressiveContrastive, make_loss

SIZE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny"), "bert")


@pytest.fixture
def model(folder):
    return SentenceTransformer(str(folder), device="cpu").train()


def batch(model, columns: int = 3, rows: int = 64) -> list[dict]:
    texts = [[text(4 + row % 9, seed=100 * part + row) for row in range(rows)] for part in range(columns)]
    return [model.preprocess(part) for part in texts]


def losses(model, frozen, size):
    """Each loss with gradient caching, or without where size is None."""
    return {
        "gist": GuidedContrastive(model, frozen, 0.05, mini_batch_size=size),
        "progressive": ProgressiveContrastive(model, 0.05, mini_batch_size=size, progress=lambda: 0.7),
    }


def in_pieces(model, features):
    """Vectors with a graph, from the same small batches in the same order, so that dropout draws the same masks."""
    from sentence_transformers.base.losses.gradcache import _create_minibatch

    rows = len(features["input_ids"])
    pieces = [_create_minibatch(features, start, start + SIZE) for start in range(0, rows, SIZE)]
    return [model(piece)["sentence_embedding"] for piece in pieces]


def gradient(model) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", ["gist", "progressive"])
@pytest.mark.parametrize("block", [1 << 22, 500])
@pytest.mark.filterwarnings("ignore:GISTEmbed's guide left")
def test_loss_and_gradient_are_those_of_the_plain_loss_with_dropout(model, name, block):
    assert any(isinstance(part, torch.nn.Dropout) and part.p == 0.1 for part in model.modules())
    frozen = copy.deepcopy(model)
    features = batch(model)
    plain = losses(model, frozen, None)[name]
    facts = plain.facts(features)
    torch.manual_seed(5)
    expected = plain.calculate_loss([in_pieces(model, column) for column in features], facts)
    expected.backward()
    wanted = gradient(model)
    model.zero_grad()
    cached = losses(model, frozen, SIZE)[name]
    cached.score_block = block
    torch.manual_seed(5)
    found = cached(features)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    assert float(wanted.abs().max()) > 0.01
    torch.testing.assert_close(gradient(model), wanted, atol=1e-5, rtol=0)
    torch.manual_seed(6)  # other masks do change the gradient, so the above was no accident
    model.zero_grad()
    cached(features).backward()
    assert float((gradient(model) - wanted).abs().max()) > 1e-3


def test_sentence_transformers_own_cached_loss_agrees(model):
    features = batch(model, 2)
    found = []
    for loss in (
        make_loss(model, "cached-mnr", {"temperature": 0.05}, LossContext(mini_batch_size=SIZE)),
        ProgressiveContrastive(model, 0.05, mini_batch_size=SIZE, progress=lambda: 0.0),
    ):
        model.zero_grad()
        torch.manual_seed(5)
        value = loss(features, None)
        value.backward()
        found.append((value.item(), gradient(model)))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=0)


def test_several_widths_go_with_gradient_caching(model):
    """Matryoshka's own way with caching losses: the loss is computed at each width from the cached vectors."""
    features = batch(model, 2)
    frozen = copy.deepcopy(model)
    dims = [32, 16]
    plain = losses(model, frozen, None)["progressive"]
    torch.manual_seed(5)
    vectors = [in_pieces(model, column) for column in features]
    parts = [[[v[:, :dim] for v in column] for column in vectors] for dim in dims]
    expected = sum(plain.calculate_loss(part, plain.facts(features)) for part in parts)
    expected.backward()
    wanted = gradient(model)
    model.zero_grad()
    loss = MatryoshkaLoss(model, losses(model, frozen, SIZE)["progressive"], dims)
    torch.manual_seed(5)
    value = loss(features, None)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-4)
    torch.testing.assert_close(gradient(model), wanted, atol=2e-5, rtol=0)


def test_nothing_is_cached_where_there_are_no_gradients(model):
    cached = losses(model.eval(), copy.deepcopy(model), SIZE)["progressive"]
    plain = losses(model, copy.deepcopy(model), None)["progressive"]
    with torch.no_grad():
        found = [loss(batch(model)).item() for loss in (cached, plain)]
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_a_static_token_table_is_refused():
    from sentence_transformers import models
    from tests.encoders.tiny import tokenizer

    static = SentenceTransformer(modules=[models.StaticEmbedding(tokenizer(), embedding_dim=8)], device="cpu")
    with pytest.raises(UsageError, match="static token table"):
        ProgressiveContrastive(static, mini_batch_size=4)
    texts = [[text(5, seed=row + 10 * part) for row in range(4)] for part in range(2)]
    value = ProgressiveContrastive(static, progress=lambda: 0.5)([static.preprocess(part) for part in texts])
    value.backward()
    assert value.item() > 0


def test_scores_of_one_block_are_all_that_is_held(model):
    """2,000 pairs: 16 million numbers of scores would be 64 MB a matrix; blocks of 200,000 are 0.8 MB."""
    loss = ProgressiveContrastive(model, 0.05, mini_batch_size=SIZE, progress=lambda: 1.0)
    loss.score_block = 200_000
    vectors = [torch.randn(4000, 8, requires_grad=True) for _ in range(2)]
    facts = [torch.arange(4000), torch.arange(4000, 8000)]
    loss.calculate_loss([[v[:8]] for v in vectors], [part[:8] for part in facts], with_backward=True)  # warm
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loss.calculate_loss([[v] for v in vectors], facts, with_backward=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 48  # MB; one whole matrix alone would be 64
