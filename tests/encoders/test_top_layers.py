import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.tiny import make

import vecloom as vl
from vecloom.encoders.top_layers import TopLayersPooling, counted_tokens, pool
from vecloom.errors import ModelError, UsageError

# [CLS] = (9, 9), a = (i, 0), [SEP] = (i + 2, 2) and padding (50, 50) in layers i = 1 to 4.
STATES = [torch.tensor([[[9.0, 9], [i, 0], [i + 2, 2], [50, 50]]]) for i in range(1, 5)]
MASK = torch.tensor([[1, 1, 1, 0]])


@pytest.mark.parametrize(
    ("combine", "reduce", "expected"),
    [
        ("concat", "mean", [2, 1, 3, 1, 4, 1, 5, 1]),  # ((i + i + 2) / 2, 2 / 2)
        ("mean", "mean", [3.5, 1]),  # mean of 2, 3, 4, 5
        ("concat", "max", [3, 2, 4, 2, 5, 2, 6, 2]),  # (i + 2, 2)
        ("mean", "max", [4.5, 2]),
    ],
)
def test_layers_are_pooled_without_cls_and_with_sep(combine, reduce, expected):
    assert pool(STATES, MASK, combine, reduce, include_cls=False)[0].tolist() == expected


def test_the_root_of_the_length_divides_the_sum():
    # (1 + 3) / sqrt 2, (0 + 2) / sqrt 2
    found = pool(STATES[:1], MASK, "concat", "sqrt_mean", include_cls=False)[0]
    assert found.tolist() == pytest.approx([2.828427, 1.414214], abs=1e-6)


def test_cls_counts_where_it_is_asked_for():
    # (9 + 1 + 3) / 3, (9 + 0 + 2) / 3
    found = pool(STATES[:1], MASK, "concat", "mean", include_cls=True)[0]
    assert found.tolist() == pytest.approx([4.333333, 3.666667], abs=1e-6)


def test_an_empty_text_is_its_closing_token():
    assert pool(STATES[:1], torch.tensor([[1, 1, 0, 0]]), "concat", "mean", include_cls=False)[0].tolist() == [1, 0]
    nothing = pool(STATES[:1], torch.tensor([[1, 0, 0, 0]]), "concat", "mean", include_cls=False)[0]
    assert nothing.tolist() == [0, 0]


@settings(deadline=None, max_examples=25)
@given(
    tokens=st.integers(1, 6),
    padding=st.integers(0, 5),
    left=st.booleans(),
    reduce=st.sampled_from(["mean", "sqrt_mean", "max"]),
    seed=st.integers(0, 1000),
)
def test_padding_on_either_side_changes_nothing(tokens, padding, left, reduce, seed):
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(1, tokens + 1, 3, generator=generator)
    around = torch.full((1, padding, 3), 7.0)
    padded = torch.cat([around, state] if left else [state, around], dim=1)
    mask = torch.tensor([[0] * padding + [1] * (tokens + 1) if left else [1] * (tokens + 1) + [0] * padding])
    alone = pool([state], torch.ones(1, tokens + 1), "concat", reduce, include_cls=False)
    torch.testing.assert_close(pool([padded], mask, "concat", reduce, include_cls=False), alone)
    assert int(counted_tokens(mask, include_cls=False).sum()) == tokens


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A tiny BERT whose two layers are pooled together."""
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("top")
    plain = SentenceTransformer(str(make(folder)), device="cpu")
    model = SentenceTransformer(modules=[plain[0], TopLayersPooling(32, layers=2)], device="cpu")
    model.save_pretrained(str(folder / "top"), create_model_card=False)
    return model, folder / "top"


def test_it_comes_back_in_plain_sentence_transformers(saved):
    from sentence_transformers import SentenceTransformer

    model, folder = saved
    texts = ["the cat sat on a mat", "stone", ""]
    again = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    assert again.get_embedding_dimension() == 64
    torch.testing.assert_close(again.encode(texts, convert_to_tensor=True), model.encode(texts, convert_to_tensor=True))


def test_vecloom_gives_the_same_vectors_in_any_batch(saved):
    model, folder = saved
    texts = ["the cat sat on a mat", "stone", "a dog ran over the lazy fox", ""]
    ours = torch.from_numpy(vl.load(folder).encode(texts, normalize=False))
    alone = torch.cat([model.encode([text], convert_to_tensor=True) for text in texts])
    torch.testing.assert_close(ours, alone, atol=1e-4, rtol=1e-4)


def test_another_pooling_is_another_model(saved, tmp_path):
    from sentence_transformers import SentenceTransformer

    model, folder = saved
    other = SentenceTransformer(modules=[model[0], TopLayersPooling(32, layers=1)], device="cpu")
    other.save_pretrained(str(tmp_path / "other"), create_model_card=False)
    assert vl.load(tmp_path / "other").fingerprint != vl.load(folder).fingerprint


def test_more_layers_than_there_are_is_an_error(saved):
    from sentence_transformers import SentenceTransformer

    with pytest.raises(UsageError, match=r"layers is 3, and the model has 2\. Use 1 to 2"):
        SentenceTransformer(modules=[saved[0][0], TopLayersPooling(32, layers=3)], device="cpu")


def test_without_the_states_of_all_layers_there_is_an_error():
    with pytest.raises(ModelError, match="Set output_hidden_states to true"):
        TopLayersPooling(2).forward({"attention_mask": MASK})
