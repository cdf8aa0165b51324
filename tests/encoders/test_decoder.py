import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tests.encoders import decoders

import vecloom as vl
from vecloom.encoders.decoder import FAMILIES, DecoderSettings, instruction, make_bidirectional, open_decoder
from vecloom.errors import BackendError, ModelError
from vecloom.runtime import torch_session

TEXTS = ["the cat sat on the mat", "a dog", "it was a lazy fox over the river and the stone", "cloud"]
PROMPT = instruction("find the document")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A decoder's directory by family."""
    folder = tmp_path_factory.mktemp("decoders")
    return {family: decoders.make(folder / family, family) for family in FAMILIES}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def states(model, ids, mask=None):
    with torch.no_grad():
        return model[0].model(input_ids=ids, attention_mask=torch.ones_like(ids) if mask is None else mask)[0]


def ids_and_another(model, place):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(10, 400, (1, 9), generator=generator)
    other = ids.clone()
    other[0, place] += 1
    return ids, other


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_a_later_token_changes_an_earlier_state_of_a_bidirectional_decoder_only(bare, family, kernel, tmp_path):
    open_decoder(bare[family]).save_pretrained(str(tmp_path / "both"))
    open_decoder(bare[family], DecoderSettings(attention="causal")).save_pretrained(str(tmp_path / "left"))
    for name, sees in (("both", True), ("left", False)):
        model = SentenceTransformer(
            str(tmp_path / name),
            device="cpu",
            trust_remote_code=True,
            model_kwargs={"attn_implementation": kernel},
        ).eval()
        ids, other = ids_and_another(model, 7)
        change = (states(model, ids) - states(model, other))[0, :7].abs().amax(-1)
        assert bool((change > 1e-3).all()) is sees, name
        assert sees or float(change.max()) == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_neither_padding_nor_its_side_changes_a_state(bare, family, attention):
    model = open_decoder(bare[family], DecoderSettings(attention=attention)).eval()
    ids, _ = ids_and_another(model, 0)
    plain = states(model, ids)
    filler = torch.tensor([[17, 230, 4]])
    mask = torch.tensor([[1] * 9 + [0] * 3])
    for other in (filler, filler + 5):
        right = states(model, torch.cat([ids, other], 1), mask)[:, :9]
        left = states(model, torch.cat([other, ids], 1), mask.flip(1))[:, 3:]
        torch.testing.assert_close(right, plain, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(left, plain, atol=2e-5, rtol=1e-4)


def test_a_sliding_window_goes_with_the_mask(tmp_path):
    windowed = {
        "mistral": {"sliding_window": 2},
        "qwen2": {"sliding_window": 2, "use_sliding_window": True, "max_window_layers": 0},
    }
    for family, window in windowed.items():
        bare = decoders.make(tmp_path / family, family, **window)
        open_decoder(bare).save_pretrained(str(tmp_path / f"{family}-both"))
        model = SentenceTransformer(str(tmp_path / f"{family}-both"), device="cpu", trust_remote_code=True).eval()
        # Two layers of a window of 2 reach 2 tokens to each side: token 8 then says nothing to state 0.
        ids, other = ids_and_another(model, 8)
        assert float((states(model, ids) - states(model, other))[0, 0].abs().max()) > 1e-3


def test_other_families_are_refused(tmp_path):
    from tests.encoders.tiny import make

    model = make(tmp_path)
    with pytest.raises(ModelError, match="bert network cannot be made bidirectional"):
        make_bidirectional(SentenceTransformer(str(model), device="cpu")[0])
    with pytest.raises(ModelError, match="bert network cannot be made bidirectional"):
        open_decoder(model)


def test_an_old_transformers_is_refused_and_not_run_causally(monkeypatch):
    import transformers

    monkeypatch.setattr(transformers, "__version__", "4.57.1")
    with pytest.raises(BackendError, match=r"transformers>=5\.2"):
        torch_session.check_release({"is_causal": False})
    torch_session.check_release({"is_causal": True})


@pytest.mark.parametrize("pooling", ["latent", "mean", "lasttoken", "weightedmean"])
@pytest.mark.parametrize("prompt", [None, PROMPT])
def test_either_padding_side_and_either_library_give_the_same_vectors(bare, pooling, prompt, tmp_path):
    torch.manual_seed(0)
    model = open_decoder(bare["qwen3"], DecoderSettings(pooling=pooling, latents=8, heads=4))
    model.save_pretrained(str(tmp_path / "model"))
    right = model.encode(TEXTS, prompt=prompt, normalize_embeddings=True)
    model.tokenizer.padding_side = "left"
    left = model.encode(TEXTS, prompt=prompt, normalize_embeddings=True)
    alone = np.concatenate([model.encode([text], prompt=prompt, normalize_embeddings=True) for text in TEXTS])
    loaded = SentenceTransformer(str(tmp_path / "model"), device="cpu", trust_remote_code=True)
    again = loaded.encode(TEXTS, prompt=prompt, normalize_embeddings=True)
    ours = vl.load(tmp_path / "model", backend="torch", precision="f32").encode(TEXTS, prompt=prompt)
    for other in (left, alone, again, ours):
        np.testing.assert_allclose(other, right, atol=2e-5)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
@pytest.mark.parametrize("pooling", ["mean", "lasttoken"])
def test_openvino_runs_plain_pooling_as_torch_does(bare, attention, pooling, tmp_path):
    model = open_decoder(bare["mistral"], DecoderSettings(attention=attention, pooling=pooling))
    model.save_pretrained(str(tmp_path / "model"))
    reference = vl.load(tmp_path / "model", backend="torch", precision="f32").encode(TEXTS, prompt=PROMPT)
    found = vl.load(tmp_path / "model", backend="openvino", precision="f32").encode(TEXTS, prompt=PROMPT)
    np.testing.assert_allclose(found, reference, atol=1e-4)


@pytest.mark.parametrize("pooling", ["latent", "mean", "lasttoken", "weightedmean"])
def test_half_precision_keeps_the_vectors(bare, pooling, tmp_path):
    torch.manual_seed(0)
    model = open_decoder(bare["llama"], DecoderSettings(pooling=pooling, latents=8, heads=4))
    model.save_pretrained(str(tmp_path / "model"))
    full = vl.load(tmp_path / "model", backend="torch", precision="f32").encode(TEXTS)
    half = vl.load(tmp_path / "model", backend="torch", precision="bf16").encode(TEXTS)
    assert half.dtype == np.float32
    assert float((full * half).sum(1).min()) > 0.99


def test_a_long_text_keeps_its_end_token_whatever_the_tokenizer_did(bare, tmp_path):
    for bos in (True, False):
        folder = decoders.make(tmp_path / f"bos-{bos}", "qwen2", bos=bos)
        model = open_decoder(folder, DecoderSettings(pooling="lasttoken"), max_length=8)
        model.save_pretrained(str(tmp_path / f"saved-{bos}"))
        for loaded in (
            model,
            SentenceTransformer(str(tmp_path / f"saved-{bos}"), device="cpu", trust_remote_code=True),
        ):
            for text in ("the cat", "the cat sat on the mat " * 9, ""):
                ids = loaded.preprocess([text])["input_ids"][0].tolist()
                assert ids[-1] == 1
                assert ids.count(1) == 1
                assert len(ids) <= 8
                assert (ids[0] == 0) is bos
        once_more = open_decoder(tmp_path / f"saved-{bos}", DecoderSettings(pooling="lasttoken"))
        assert once_more.preprocess(["the cat"])["input_ids"][0].tolist().count(1) == 1


def test_a_chat_model_s_tokenizer_keeps_its_start_and_gets_its_end(tmp_path):
    # Llama 3's: byte pairs, the start put before by a template behind another step, names with bars, a chat template.
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    from vecloom.encoders.decoder import plain_tokenizer

    backend = decoders.tokenizer(bos=False)
    backend.add_special_tokens([AddedToken(name, special=True) for name in ("<|begin_of_text|>", "<|end_of_text|>")])
    start = backend.token_to_id("<|begin_of_text|>")
    template = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", start)]
    )
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    chat = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>", model_max_length=8
    )
    chat.chat_template = "{{ messages }}"
    made = plain_tokenizer(chat, end_token=True, padding="left")
    made.save_pretrained(tmp_path)
    for tokenizer in (made, PreTrainedTokenizerFast.from_pretrained(tmp_path)):
        for text in ("the cat", "the cat " * 9):
            ids = tokenizer(text, truncation=True)["input_ids"]
            assert tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == ["<|begin_of_text|>", "<|end_of_text|>"]
            assert len(ids) <= 8
        assert (tokenizer.padding_side, tokenizer.pad_token, tokenizer.chat_template) == (
            "left",
            "<|end_of_text|>",
            None,
        )


def test_a_prompt_is_read_but_not_pooled(bare):
    model = open_decoder(bare["llama"], DecoderSettings(pooling="mean", normalize=False)).eval()
    features = model.preprocess(["what was it", "cat"], prompt=PROMPT)
    ids = features["input_ids"]
    words = [model.tokenizer.convert_ids_to_tokens(row) for row in ids]
    lengths = features["prompt_lengths"].tolist()
    # "Query: " ends in a blank that the tokenizer joins to the next word: that word is the text's and pooled.
    assert [row[length] for row, length in zip(words, lengths, strict=True)] == ["Ġwhat", "Ġcat"]
    hidden = states(model, ids, features["attention_mask"])
    pooled = model(dict(features))["sentence_embedding"]
    for row, length in enumerate(lengths):
        kept = int(features["attention_mask"][row].sum())
        torch.testing.assert_close(pooled[row], hidden[row, length:kept].mean(0), atol=1e-5, rtol=1e-4)
    assert float((model.encode(["cat"]) - model.encode(["cat"], prompt=PROMPT)).__abs__().max()) > 1e-2


def test_texts_with_prompts_of_unlike_many_tokens_are_pooled_each_by_its_own(bare, tmp_path):
    # A text that begins with a blank does not join the prompt's: its prompt has one token more than the others'.
    texts = ["cat sat", " cat sat", "\nthe dog", ""]
    for pooling in ("latent", "weightedmean"):
        torch.manual_seed(0)
        model = open_decoder(bare["llama"], DecoderSettings(pooling=pooling, latents=8, heads=4)).eval()
        lengths = model.preprocess(texts, prompt=PROMPT)["prompt_lengths"]
        assert len(set(lengths.tolist())) > 1
        together = model.encode(texts, prompt=PROMPT, normalize_embeddings=True)
        alone = np.concatenate([model.encode([text], prompt=PROMPT, normalize_embeddings=True) for text in texts])
        np.testing.assert_allclose(together, alone, atol=2e-5)
        assert np.isfinite(together).all()
        model.save_pretrained(str(tmp_path / pooling))
        ours = vl.load(tmp_path / pooling, backend="torch", precision="f32").encode(texts, prompt=PROMPT)
        np.testing.assert_allclose(ours, together, atol=2e-5)


def test_a_stored_prompt_is_used_by_kind(bare, tmp_path):
    model = open_decoder(bare["llama"], DecoderSettings(pooling="mean"), prompts={"query": PROMPT})
    model.save_pretrained(str(tmp_path / "model"))
    ours = vl.load(tmp_path / "model", backend="torch", precision="f32")
    np.testing.assert_allclose(ours.encode(TEXTS, kind="query"), ours.encode(TEXTS, prompt=PROMPT), atol=1e-6)
    assert float(np.abs(ours.encode(TEXTS, kind="query") - ours.encode(TEXTS)).max()) > 1e-3


def test_plain_pooling_without_masked_prompts_is_a_stock_directory(bare, tmp_path):
    open_decoder(bare["llama"], DecoderSettings(pooling="mean", include_prompt=True)).save_pretrained(
        str(tmp_path / "m")
    )
    kinds = [module["type"] for module in json.loads((tmp_path / "m" / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)


def test_trained_latents_are_not_thrown_away(bare, tmp_path):
    open_decoder(bare["llama"], DecoderSettings(latents=8, heads=4)).save_pretrained(str(tmp_path / "m"))
    with pytest.raises(ModelError, match="trained latent-attention pooling already"):
        open_decoder(tmp_path / "m")


@settings(deadline=None, max_examples=25)
@given(words=st.lists(st.sampled_from(["cat", " dog", "\n", "the", "é", "7", " "]), max_size=6))
def test_prompt_tokens_and_text_tokens_part_at_the_border(words):
    from vecloom.runtime.borders import prompt_tokens

    text = "".join(words)
    encoding = decoders.tokenizer(bos=False).encode(PROMPT + text)
    ends = [end for _, end in encoding.offsets]
    found = prompt_tokens(ends, encoding.special_tokens_mask, len(PROMPT))
    assert all(end <= len(PROMPT) for end in ends[:found])
    assert found == len(ends) or ends[found] > len(PROMPT)


@pytest.mark.parametrize("mode", ["mean", "lasttoken", "weightedmean"])
def test_pooling_after_prompts_of_unlike_many_tokens_sends_gradients_to_what_it_pooled(mode):
    from vecloom.encoders.prompted import Pooling

    tokens = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    features = {"token_embeddings": tokens, "attention_mask": mask, "prompt_lengths": torch.tensor([2, 1, 9])}
    made = Pooling(4, pooling_mode=mode, include_prompt=False)(features)["sentence_embedding"]
    made.sum().backward()
    # Weights of the pooled tokens, by place in the whole text: SGPT's are the places, counted from 1. The third text has a
    # prompt that is longer than it: it keeps its last token.
    expected = {
        "mean": [[0, 0, 1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2, 0, 0], [0, 0, 0, 1, 0]],
        "lasttoken": [[0, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]],
        "weightedmean": [[0, 0, 3 / 12, 4 / 12, 5 / 12], [0, 2 / 5, 3 / 5, 0, 0], [0, 0, 0, 1, 0]],
    }[mode]
    weights = torch.tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(tokens.grad[..., 0], weights)
    torch.testing.assert_close(made, torch.einsum("nt,ntd->nd", weights, tokens.detach()))
