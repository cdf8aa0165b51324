import json
import math
import shutil

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.encoders import tiny
from tests.extend.attention_oracle import bert_states, divided_softmax, softmax

import vecloom as vl
from vecloom.errors import ModelError, UsageError
from vecloom.extend.temperature import (
    FAMILIES,
    checked_taus,
    factors,
    open_attention,
    present_taus,
    query_tensors,
    scaled,
    set_temperature,
)
from vecloom.extend.temperature_network import AttentionTemperature
from vecloom.runtime.directory import read_spec

TEXTS = [tiny.text(count, seed=count) for count in (3, 9, 20, 50)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize(
    ("tau", "expected"),
    [
        (1.0, [0.090031, 0.244728, 0.665241]),
        (0.8, [0.059978, 0.209343, 0.730679]),
        (0.5, [0.015876, 0.117310, 0.866813]),
    ],
)
def test_the_oracle_is_softmax_over_a_temperature(tau, expected):
    # exp(1/tau) : exp(2/tau) : exp(3/tau), divided by their sum
    by_hand = [math.exp(value / tau) for value in (1, 2, 3)]
    assert softmax(np.array([1.0, 2, 3]) / tau) == pytest.approx(expected, abs=1e-6)
    assert softmax(np.array([1.0, 2, 3]) / tau) == pytest.approx(np.array(by_hand) / sum(by_hand))


@pytest.mark.parametrize("taus", [0.8, (0.5, 0.9)])
def test_a_folded_bert_is_attention_at_that_temperature_on_every_backend(taus, bert, tmp_path):
    made = tmp_path / "sharp"
    done = set_temperature(str(bert), made, taus)
    assert (done.tensors, len(done.taus)) == (4, 2)  # weight and bias in two layers
    for backend in ("openvino", "torch"):
        encoder = vl.load(made, backend=backend, precision="f32")
        found = encoder.encode(TEXTS)
        for text, row in zip(TEXTS, found, strict=True):
            ids = encoder.tokenizer.encode(text).ids
            pooled = bert_states(bert, ids, checked_taus(taus, 2)).mean(0)
            assert row == pytest.approx(pooled / np.linalg.norm(pooled), abs=1e-5)
    assert np.abs(found - vl.load(bert, backend="torch", precision="f32").encode(TEXTS)).max() > 1e-3


SMALL = {
    "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 48, "vocab_size": 60,
    "max_position_embeddings": 64, "pad_token_id": 1,
}  # fmt: skip
ROTARY = SMALL | {"num_key_value_heads": 1, "head_dim": 16}
NETWORKS = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**SMALL)),
    "roberta": lambda: transformers.RobertaModel(transformers.RobertaConfig(**SMALL)),
    "xlm-roberta": lambda: transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**SMALL)),
    "camembert": lambda: transformers.CamembertModel(transformers.CamembertConfig(**SMALL)),
    "electra": lambda: transformers.ElectraModel(transformers.ElectraConfig(**SMALL, embedding_size=16)),
    "ernie": lambda: transformers.ErnieModel(transformers.ErnieConfig(**SMALL)),
    "distilbert": lambda: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            dim=32, n_heads=2, n_layers=2, hidden_dim=48, vocab_size=60, max_position_embeddings=64
        )
    ),
    "mpnet": lambda: transformers.MPNetModel(transformers.MPNetConfig(**SMALL)),
    "albert": lambda: transformers.AlbertModel(transformers.AlbertConfig(**SMALL, embedding_size=16)),
    "t5": lambda: transformers.T5EncoderModel(
        transformers.T5Config(d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, vocab_size=60, pad_token_id=1)
    ),
    "deberta-v2": lambda: transformers.DebertaV2Model(
        transformers.DebertaV2Config(**SMALL, relative_attention=True, pos_att_type="c2p|p2c", position_buckets=8)
    ),
    "modernbert": lambda: transformers.ModernBertModel(
        transformers.ModernBertConfig(**SMALL, cls_token_id=0, bos_token_id=0, sep_token_id=2, eos_token_id=2)
    ),
    "llama": lambda: transformers.LlamaModel(transformers.LlamaConfig(**ROTARY)),
    "mistral": lambda: transformers.MistralModel(transformers.MistralConfig(**ROTARY)),
    "qwen2": lambda: transformers.Qwen2Model(transformers.Qwen2Config(**SMALL, num_key_value_heads=1)),
    "gemma": lambda: transformers.GemmaModel(transformers.GemmaConfig(**ROTARY)),
    "qwen3": lambda: transformers.Qwen3Model(transformers.Qwen3Config(**ROTARY)),
    "gemma3_text": lambda: transformers.Gemma3TextModel(transformers.Gemma3TextConfig(**ROTARY)),
}


def network(family):
    torch.manual_seed(3)
    made = NETWORKS[family]().eval()
    for parameter in made.parameters():  # large enough that attention is not the same everywhere
        torch.nn.init.normal_(parameter, std=0.3)
    made.set_attn_implementation("eager")
    return made


def states(made):
    ids = torch.arange(4, 28).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    with torch.inference_mode():
        return made(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]


def test_every_family_of_the_table_is_tested():
    assert set(NETWORKS) == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_folding_equals_dividing_all_scores_in_every_family(family):
    made = network(family)
    with divided_softmax([0.7]) as calls:
        wanted = states(made)
    assert len(calls) >= 2
    plain = states(made)
    turned = AttentionTemperature(made, made.config.to_dict())
    turned.set(0.7)
    assert states(made) == pytest.approx(wanted, abs=2e-5)
    assert (plain - wanted).abs().max() > 1e-3
    turned.remove()
    assert torch.equal(states(made), plain)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"mpnet", "t5", "albert"}))
def test_layers_can_have_temperatures_of_their_own(family):
    made = network(family)
    with divided_softmax([0.6, 0.9]):
        wanted = states(made)
    with AttentionTemperature(made, made.config.to_dict()).at([0.6, 0.9]):
        assert states(made) == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize("family", ["mpnet", "t5", "albert"])
def test_layers_that_share_numbers_cannot(family):
    made = network(family)
    with pytest.raises(ModelError, match="All layers share"):
        AttentionTemperature(made, made.config.to_dict()).set([0.6, 0.9])


def test_a_temperature_of_one_changes_no_bit(bert, tmp_path):
    set_temperature(str(bert), tmp_path / "same", 1.0)
    before, after = (load_file(folder / "model.safetensors") for folder in (bert, tmp_path / "same"))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_second_temperature_replaces_the_first(bert, tmp_path):
    set_temperature(str(bert), tmp_path / "first", 0.5)
    set_temperature(str(tmp_path / "first"), tmp_path / "second", 0.8)
    set_temperature(str(bert), tmp_path / "direct", 0.8)
    set_temperature(str(tmp_path / "first"), tmp_path / "back", 1.0)
    one, other, back, start = (
        load_file(folder / "model.safetensors")
        for folder in (tmp_path / "second", tmp_path / "direct", tmp_path / "back", bert)
    )
    for name in one:
        assert one[name] == pytest.approx(other[name], rel=1e-6, abs=1e-9)
        assert torch.equal(back[name], start[name])  # 0.5 and back is exact in binary
    assert present_taus(json.loads((tmp_path / "second" / "config.json").read_text())) == (0.8, 0.8)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_the_last_temperature_counts_and_removal_restores_every_bit(first, second):
    made = network("bert")
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    turned = AttentionTemperature(made, made.config.to_dict())
    turned.set(first)
    turned.set(second)
    for name, tensor in made.state_dict().items():
        factor = 1 / second if "query" in name else 1.0
        assert tensor == pytest.approx(before[name] * factor, rel=1e-5)
    turned.remove()
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8, unique=True), st.floats(0.1, 1.0))
def test_a_sharper_row_still_adds_up_and_keeps_its_largest(scores, tau):
    row, sharp = softmax(np.array(scores)), softmax(np.array(scores) / tau)
    assert sharp.sum() == pytest.approx(1)
    assert sharp[row.argmax()] == sharp.max()
    assert sharp.max() >= row.max() - 1e-12


def test_batches_and_single_texts_agree_after_folding(bert, tmp_path):
    set_temperature(str(bert), tmp_path / "sharp", 0.6)
    encoder = vl.load(tmp_path / "sharp", backend="torch", precision="f32")
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=1e-6)


def test_bfloat16_weights_are_rounded_once(bert, tmp_path):
    config = read_spec(bert).config
    tensor = torch.linspace(-1, 1, 64).to(torch.bfloat16)
    assert torch.equal(scaled(config, tensor, 1 / 0.8), (tensor.float() / 0.8).to(torch.bfloat16))
    assert torch.equal(scaled(config, tensor, 2.0), tensor * 2)  # a power of two loses nothing


def test_shards_are_scaled_too(bert, tmp_path):
    from tests.merge.models import sharded, weights

    whole = weights(bert)
    copy = sharded(shutil.copytree(bert, tmp_path / "sharded"))
    set_temperature(str(copy), tmp_path / "sharp", 0.5)
    parts = [load_file(file) for file in sorted((tmp_path / "sharp").glob("model-*.safetensors"))]
    found = {name: tensor for part in parts for name, tensor in part.items()}
    assert set(found) == set(whole)
    assert all(torch.equal(found[name], whole[name] * (2 if "self.query" in name else 1)) for name in whole)


@pytest.mark.parametrize("tau", [0, -0.5, 1.2, math.nan, math.inf])
def test_a_temperature_that_cannot_be_is_refused(tau, bert, tmp_path):
    with pytest.raises(UsageError, match="is not possible"):
        set_temperature(str(bert), tmp_path / "out", tau)
    assert not (tmp_path / "out").exists()


def test_too_few_temperatures_are_refused():
    with pytest.raises(UsageError, match="2 temperatures for 3 layers"):
        checked_taus([0.8, 0.9], 3)


def test_a_family_without_known_queries_is_refused_and_not_left_as_it_is(bert, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "gte")
    told = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(told | {"model_type": "gte"}))
    with pytest.raises(ModelError, match="cannot be folded into a gte model"):
        open_attention(str(copy))


def test_weights_without_queries_are_refused(bert, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "odd")
    tensors = load_file(copy / "model.safetensors")
    save_file({name.replace("query", "q"): tensor for name, tensor in tensors.items()}, copy / "model.safetensors")
    with pytest.raises(ModelError, match="found in 0 of 2 layers"):
        set_temperature(str(copy), tmp_path / "out", 0.8)
    assert not (tmp_path / "out").exists()


def test_capped_scores_are_refused():
    with pytest.raises(ModelError, match="caps its attention"):
        query_tensors({"model_type": "gemma", "attn_logit_softcapping": 50.0, "num_hidden_layers": 1}, [])


def test_a_static_model_has_no_attention(tmp_path):
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "x.StaticEmbedding", "path": ""}]))
    with pytest.raises(ModelError, match="no attention"):
        open_attention(str(tmp_path))


def test_the_output_is_neither_the_model_nor_something_that_is_there(bert, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    with pytest.raises(UsageError, match="exists"):
        set_temperature(str(bert), tmp_path / "there", 0.8)
    with pytest.raises(UsageError, match="is the model itself"):
        set_temperature(str(bert), bert, 0.8, overwrite=True)


def test_factors_lead_from_one_temperature_to_another():
    assert factors({"q": 0, "r": 1}, (1.0, 0.5), (0.5, 0.25)) == {"q": 2.0, "r": 2.0}


def test_the_fingerprint_changes_so_that_an_index_notices(bert, tmp_path):
    set_temperature(str(bert), tmp_path / "sharp", 0.8)
    assert vl.load(tmp_path / "sharp").fingerprint != vl.load(bert).fingerprint
