import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.tiny import make

import vecloom as vl
from vecloom.encoders.pair_head import PairHead, head_of, pair_features
from vecloom.encoders.pair_scorer import PairScorer
from vecloom.errors import ModelError, UsageError
from vecloom.runtime.directory import is_trusted

TEXTS = ["the cat sat on a mat", "stone", "a dog ran over the lazy fox", "river tree cloud"]


def test_features_stand_in_the_order_of_the_published_code():
    # u, v, u * v = (3, 2), |u - v| = (2, 1)
    one, two = torch.tensor([[1.0, 2]]), torch.tensor([[3.0, 1]])
    assert pair_features(one, two, "concat").tolist() == [[1, 2, 3, 1, 3, 2, 2, 1]]
    assert pair_features(one, two, "dot").tolist() == [[5]]
    assert float(pair_features(one, two, "cosine")) == pytest.approx(5 / 50**0.5)  # sqrt 5 x sqrt 10


def test_the_dot_head_without_a_layer_is_the_inner_product():
    head = PairHead(2, features="dot", hidden=())
    assert head.logits(torch.tensor([[1.0, 2]]), torch.tensor([[3.0, 1]])).tolist() == [[5]]
    assert list(head.parameters()) == []


vectors = st.integers(0, 10_000).map(lambda seed: torch.randn(7, 3, generator=torch.Generator().manual_seed(seed)))


@settings(deadline=None, max_examples=30)
@given(texts=vectors)
def test_swapping_a_pair_swaps_the_first_two_parts_only(texts):
    left, right = texts[:3], texts[3:6]
    forth, back = (pair_features(*pair, "concat").split(3, dim=1) for pair in ((left, right), (right, left)))
    for one, two in zip(forth, (back[1], back[0], back[2], back[3]), strict=True):
        assert torch.equal(one, two)
    assert not pair_features(left, left, "concat")[:, 9:].any()


@settings(deadline=None, max_examples=30)
@given(texts=vectors, seed=st.integers(0, 100), labels=st.sampled_from([1, 3]), turned=st.booleans())
def test_one_against_many_is_every_pair_by_itself(texts, seed, labels, turned):
    torch.manual_seed(seed)
    head = PairHead(3, labels, hidden=(5,), task="binary" if labels == 1 else "multiclass")
    query, candidates = texts[0], texts[1:]
    pairs = (candidates, query.expand_as(candidates)) if turned else (query.expand_as(candidates), candidates)
    torch.testing.assert_close(
        head.against(query, candidates, turned=turned), head.logits(*pairs), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize(("features", "hidden"), [("dot", ()), ("dot", (4,)), ("cosine", ()), ("concat", ())])
def test_every_kind_of_head_scores_one_against_many(features, hidden):
    torch.manual_seed(0)
    head = PairHead(3, features=features, hidden=hidden)
    query, candidates = torch.randn(3), torch.randn(5, 3)
    expected = head.logits(query.expand_as(candidates), candidates)
    torch.testing.assert_close(head.against(query, candidates), expected)
    assert head.against(query, candidates[:0]).shape == (0, 1)


def test_labels_and_task_have_to_agree():
    with pytest.raises(UsageError, match="labels is 1 for a multiclass task"):
        PairHead(4, 1, task="multiclass")
    with pytest.raises(UsageError, match="Use one label and no hidden layer"):
        PairHead(4, features="cosine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with a head behind its pooling."""
    from sentence_transformers import SentenceTransformer

    made = tmp_path_factory.mktemp("head")
    plain = SentenceTransformer(str(make(made)), device="cpu")
    torch.manual_seed(3)
    model = SentenceTransformer(modules=[plain[0], plain[1], PairHead(32, hidden=(8,))], device="cpu")
    model.save_pretrained(str(made / "headed"), create_model_card=False)
    return made


def test_a_head_is_saved_with_the_model_and_changes_no_vector(folder):
    from sentence_transformers import SentenceTransformer

    again = SentenceTransformer(str(folder / "headed"), device="cpu", trust_remote_code=True)
    plain = SentenceTransformer(str(folder / "model"), device="cpu")
    assert again.get_embedding_dimension() == 32
    ours = again.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(ours, plain.encode(TEXTS), atol=1e-6)
    head = head_of(folder / "headed")
    for one, two in zip(head.parameters(), again[2].parameters(), strict=True):
        assert torch.equal(one, two)
    assert not head.training
    assert head_of(folder / "model") is None


def test_a_head_needs_no_torch_to_make_vectors(folder):
    spec = vl.load(folder / "headed").spec
    assert spec.pooling == "mean"
    assert spec.extra_modules == ()


def test_kept_vectors_score_as_fresh_ones_bit_for_bit(folder, tmp_path):
    scorer = PairScorer.load(folder / "headed")
    np.save(tmp_path / "kept.npy", scorer.encode(TEXTS))
    kept = np.load(tmp_path / "kept.npy")
    assert np.array_equal(scorer.score(kept[0], kept), scorer.score(scorer.encode(TEXTS)[0], TEXTS))
    assert scorer.score("the cat", TEXTS).shape == (4,)


def test_both_orders_give_one_score_where_the_task_is_symmetric(folder):
    scorer = PairScorer.load(folder / "headed")
    one, two = scorer.encode(TEXTS), scorer.encode(TEXTS[::-1])
    assert not np.allclose(scorer.score_pairs(one, two), scorer.score_pairs(two, one))
    forth, back = scorer.score_pairs(one, two, symmetric=True), scorer.score_pairs(two, one, symmetric=True)
    np.testing.assert_allclose(forth, back, atol=1e-6)
    np.testing.assert_allclose(
        scorer.score(one[0], two, symmetric=True)[1],
        scorer.score_pairs(one[:1], two[1:2], symmetric=True)[0],
        atol=1e-5,
    )


def test_a_model_without_a_head_and_vectors_of_another_width_are_errors(folder):
    with pytest.raises(ModelError, match="has no head that scores pairs"):
        PairScorer.load(folder / "model")
    with pytest.raises(UsageError, match="3 dimensions, and the head takes 32"):
        PairScorer.load(folder / "headed").score("stone", np.ones((2, 3), np.float32))


def test_only_modules_of_vecloom_and_sentence_transformers_are_run(folder, tmp_path):
    assert is_trusted(folder / "headed")
    shutil.copytree(folder / "headed", tmp_path / "foreign")
    modules = tmp_path / "foreign" / "modules.json"
    modules.write_text(modules.read_text().replace("vecloom.encoders", "elsewhere"))
    assert not is_trusted(tmp_path / "foreign")
    shutil.copytree(folder / "headed", tmp_path / "code")
    config = tmp_path / "code" / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {},', 1))
    assert not is_trusted(tmp_path / "code")
