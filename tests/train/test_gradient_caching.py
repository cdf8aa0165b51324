"""Gradient caching gives the gradient of the plain loss, with dropout on."""

import copy

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from tests.encoders.tiny import make, text
from torch.utils._python_dispatch import TorchDispatchMode

from vecloom.errors import UsageError
from vecloom.train.losses import GuidedContrastive, LossContext, ProgressiveContrastive, make_loss
from vecloom.train.losses.gist import Judged
from vecloom.train.losses.info_nce import unit

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


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            self.size = max(self.size, tensor.numel() if isinstance(tensor, torch.Tensor) else 0)
        return made


@pytest.mark.parametrize("name", ["gist", "progressive"])
@pytest.mark.filterwarnings("ignore:GISTEmbed's guide left")
def test_no_more_scores_than_a_block_are_ever_held(model, name):
    loss = losses(model, copy.deepcopy(model), SIZE)[name]
    loss.score_block = 20_000
    vectors = [torch.randn(1000, 8, requires_grad=True) for _ in range(2)]
    texts = [torch.arange(1000), torch.arange(1000, 2000)]
    facts = Judged([unit(column.detach()) for column in vectors], texts) if name == "gist" else texts
    with Largest() as largest:
        loss.calculate_loss([[column] for column in vectors], facts, with_backward=True)
    # All scores at once would be a million numbers, or three.
    assert 8_000 < largest.size <= 20_000
    assert all(column.grad.abs().max() > 0 for column in vectors)
