import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tests.encoders import tiny

import vecloom as vl
from vecloom.encoders.latent_attention import LatentAttentionPooling
from vecloom.encoders.prompted import pool_mask
from vecloom.errors import ModelError

H = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]]])


def identity(**settings) -> LatentAttentionPooling:
    """Two dimensions, two latents that are the unit vectors, one head, projections that do nothing, no feed-forward."""
    made = LatentAttentionPooling(2, 2, 1, 2, **settings)
    with torch.no_grad():
        made.latents.copy_(torch.eye(2))
        made.to_query.weight.copy_(torch.eye(2))
        made.to_key_value.weight.copy_(torch.eye(2).repeat(2, 1))
        made.to_out.weight.copy_(torch.eye(2))
        for layer in (made.feed_in, made.feed_out):
            layer.weight.zero_()
            layer.bias.zero_()
    return made


def pooled(module, mask=(1, 1, 1)):
    return module({"token_embeddings": H, "pool_mask": torch.tensor([mask])})["sentence_embedding"][0].tolist()


def random_module(dim=16, seed=0, **settings) -> LatentAttentionPooling:
    torch.manual_seed(seed)
    return LatentAttentionPooling(dim, 5, 4, **settings)


def close(expected):
    return pytest.approx(expected, abs=2e-6)


def test_the_block_as_worked_by_hand():
    # LayerNorm of two numbers a > b is (+-)c with c = 1 / sqrt(1 + eps / var); rows of H become about (1, -1), (-1, 1),
    # (1, -1), the latents the same. Scores are +-2 / sqrt 2, and softmax(1.41421, -1.41421) = (.944193, .055807) but for eps.
    module = identity(normalize=False)
    weights = module.weights(H)[0, 0]
    expected = [[0.944187, 0.055813], [0.055811, 0.944189], [0.944189, 0.055811]]
    torch.testing.assert_close(weights, torch.tensor(expected), atol=2e-6, rtol=0)
    # V is the normed latents (c, -c), (-c, c) with var 1/4: X = A V + H, row 1: .944187 c - .055813 c + 1 = 1.888356.
    expected = [[1.888356, -0.888356], [-0.888360, 2.888360], [3.888360, 0.111640]]
    torch.testing.assert_close(module.block(H)[0], torch.tensor(expected), atol=2e-6, rtol=0)
    # Means of these rows: of all, and of the last two where the first is an instruction's.
    assert pooled(module) == close([1.629452, 0.703881])
    assert pooled(module, (0, 1, 1)) == close([1.5, 1.5])


def test_vectors_are_scaled_to_length_1_unless_asked_otherwise():
    assert pooled(identity()) == close([0.918010, 0.396557])
    assert pooled(identity(), (0, 1, 1)) == close([0.707107, 0.707107])


def test_the_feed_forward_as_worked_by_hand():
    # b_1 = 1 and W_1 = 0: value and gate are 1, so a * GELU(g) = GELU(1) = .841345 in each of 8 inner units; W_2 = 1/8
    # adds their mean to both dimensions.
    module = identity(normalize=False)
    with torch.no_grad():
        module.feed_in.bias.fill_(1)
        module.feed_out.weight.fill_(0.125)
    assert pooled(module) == close([2.470797, 1.545226])


def test_the_second_half_of_the_inner_units_is_the_gate():
    # value 2, gate -1: 2 * GELU(-1) = 2 * -.158655 = -.317311; swapped it were -1 * GELU(2) = -1.954500.
    module = identity(normalize=False)
    with torch.no_grad():
        module.feed_in.bias[:8], module.feed_in.bias[8:] = 2, -1
        module.feed_out.weight.fill_(0.125)
    assert pooled(module) == close([1.629452 - 0.317311, 0.703881 - 0.317311])


def test_the_gradient_of_the_latents_is_that_of_finite_differences():
    module = random_module(8).double()
    tokens = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    direction = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def value():
        made = module({"token_embeddings": tokens, "attention_mask": mask})["sentence_embedding"]
        return (made * direction).sum()

    value().backward()
    for parameter in (module.latents, module.to_key_value.weight, module.feed_in.bias):
        place, step = (0,) * parameter.ndim, 1e-6
        with torch.no_grad():
            parameter[place] += step
            above = value()
            parameter[place] -= 2 * step
            below = value()
            parameter[place] += step
        assert float(parameter.grad[place]) == pytest.approx(float((above - below) / (2 * step)), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((384, 512, 8, 384), 6_690_432), ((384, 512, 8, 48), 2_561_664), ((4096, 512, 8, 4096), 740_356_096)],
)
def test_the_size_is_that_of_the_published_model(shape, count):
    d, r, h, d_h = shape
    with torch.device("meta"):
        found = sum(parameter.numel() for parameter in LatentAttentionPooling(*shape).parameters())
    assert found == count == r * d + 6 * d + 4 * d * h * d_h + (8 * d * d + 8 * d) + (4 * d * d + d)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3), t=st.integers(1, 6))
def test_permuting_tokens_permutes_the_block_and_leaves_the_vector(seed, n, t):
    module = random_module(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    tokens, order = torch.randn(n, t, 16, generator=generator), torch.randperm(t, generator=generator)
    torch.testing.assert_close(module.block(tokens[:, order]), module.block(tokens)[:, order], atol=1e-5, rtol=1e-4)
    mask = torch.ones(n, t)
    one, other = (
        module({"token_embeddings": each, "attention_mask": mask})["sentence_embedding"]
        for each in (tokens, tokens[:, order])
    )
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module.weights(tokens).sum(-1), torch.ones(n, 4, t), atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 6), min_size=2, max_size=4), left=st.booleans())
def test_a_batch_of_unlike_lengths_is_as_one_by_one(seed, lengths, left):
    module = random_module(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    texts = [torch.randn(length, 16, generator=generator) for length in lengths]
    width = max(lengths)
    tokens, mask = torch.full((len(texts), width, 16), 7.0), torch.zeros(len(texts), width)
    for row, text in enumerate(texts):
        cells = slice(width - len(text), width) if left else slice(0, len(text))
        tokens[row, cells], mask[row, cells] = text, 1
    together = module({"token_embeddings": tokens, "attention_mask": mask})["sentence_embedding"]
    for row, text in enumerate(texts):
        alone = module({"token_embeddings": text[None], "attention_mask": torch.ones(1, len(text))})
        torch.testing.assert_close(together[row], alone["sentence_embedding"][0], atol=1e-5, rtol=1e-4)


@settings(deadline=None, max_examples=50)
@given(
    pads=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    length=st.integers(1, 6),
    skip=st.integers(0, 8),
    left=st.booleans(),
)
def test_the_pool_mask_leaves_out_padding_and_the_prompt_and_never_all(pads, length, skip, left):
    width = max(pads) + length
    rows = [[1] * (width - pad) + [0] * pad for pad in pads]
    mask = torch.tensor([row[::-1] if left else row for row in rows])
    found = pool_mask(mask, skip)
    assert not bool((found & ~mask.bool()).any())
    kept = found.sum(1).tolist()
    assert kept == [max(1, width - pad - skip) for pad in pads]
    assert all(bool(found[row, int(mask[row].nonzero()[-1])]) for row in range(len(pads)))


def test_the_released_weights_pool_the_last_token_of_an_instruction():
    # Six tokens: one at the start, a prompt of two, a text of two, one at the end. prompt_length counts the first.
    tokens = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    features = {"token_embeddings": tokens, "attention_mask": torch.ones(1, 6), "prompt_length": 3}
    ours, theirs = random_module(), random_module(compat="nv-embed")
    assert ours.mask(features).tolist() == [[False, False, False, True, True, True]]
    assert theirs.mask(features).tolist() == [[False, False, True, True, True, True]]
    assert random_module(include_prompt=True).mask(features).all()


def test_no_token_to_pool_is_an_error_and_not_nan():
    with pytest.raises(ModelError, match="no token to pool"):
        pooled(identity(), (0, 0, 0))


@pytest.mark.parametrize("wrong", [{"num_heads": 5}, {"compat": "other"}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ModelError):
        LatentAttentionPooling(16, 4, **({"num_heads": 4} | wrong))


def test_it_survives_saving_whole(tmp_path):
    from sentence_transformers.sentence_transformer.modules import Transformer

    made = LatentAttentionPooling(32, 6, 4, 16, 2, normalize=False, compat="nv-embed")
    model = SentenceTransformer(modules=[Transformer(str(tiny.make(tmp_path))), made], device="cpu")
    texts = ["the cat sat", "a dog ran over the stone", ""]
    before = model.encode(texts)
    model.save_pretrained(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    assert again[1].get_config_dict() == made.get_config_dict()
    np.testing.assert_allclose(again.encode(texts), before, atol=1e-6)
    ours = vl.load(tmp_path / "saved", precision="f32")
    np.testing.assert_allclose(ours.encode(texts, normalize=False), before, atol=1e-5)
    assert ours.dim == 32


def test_other_weights_are_another_fingerprint(tmp_path):
    from sentence_transformers.sentence_transformer.modules import Transformer

    marks = []
    for seed in (0, 1):
        network = Transformer(str(tiny.make(tmp_path / str(seed))))  # seeds itself
        torch.manual_seed(seed)
        modules = [network, LatentAttentionPooling(32, 6, 4)]
        SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(tmp_path / f"m{seed}"))
        marks.append(vl.load(tmp_path / f"m{seed}").fingerprint)
    assert marks[0] != marks[1]


def test_what_is_left_out_of_pooling_matters_through_attention_only():
    # The block looks at each token alone: with no network before it, a prompt's states leave no trace in the vector.
    module = random_module()
    tokens = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[0, :2] += 1
    one, two = (
        module({"token_embeddings": each, "attention_mask": torch.ones(1, 5), "prompt_length": 2})["sentence_embedding"]
        for each in (tokens, other)
    )
    torch.testing.assert_close(one, two, atol=0, rtol=0)
