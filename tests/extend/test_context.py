import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.encoders import tiny

import vecloom as vl
from vecloom import extend
from vecloom.errors import ModelError, UsageError

LONG = " ".join([tiny.text(30, seed) for seed in range(6)])  # 180 words, 182 tokens


def table_of(path):
    (found,) = [tensor for name, tensor in load_file(path / "model.safetensors").items() if "position_emb" in name]
    return found


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("method", ["grouped", "recurrent"])
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet"])
def test_a_stretched_table_is_a_plain_model_that_others_load(method, family, tmp_path):
    from sentence_transformers import SentenceTransformer

    source = tiny.make(tmp_path, family)
    extend.extend_context(str(source), tmp_path / "out", to=200, method=method)
    model = vl.load(tmp_path / "out")
    assert model.max_length == 200
    again = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert again.max_seq_length == 200
    np.testing.assert_allclose(again.encode([LONG]), model.encode([LONG]), atol=2e-2)  # bf16 where the processor has it
    cut = vl.load(source)
    assert np.abs(model.encode([LONG]) - cut.encode([LONG])).max() > 1e-3  # more of the text is read


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_recurrent_positions_leave_short_texts_alone_to_the_bit(family, tmp_path):
    source = tiny.make(tmp_path, family)
    extend.extend_context(str(source), tmp_path / "out", to=200, method="recurrent")
    texts = [tiny.text(count, count) for count in (1, 5, 62)]
    before = vl.load(source, backend="torch").encode(texts)
    assert (vl.load(tmp_path / "out", backend="torch").encode(texts) == before).all()


def test_rows_that_robertas_texts_do_not_use_stay(tmp_path):
    source = tiny.make(tmp_path, "roberta")
    extend.extend_context(str(source), tmp_path / "out", to=200, method="grouped")
    old, new = table_of(source), table_of(tmp_path / "out")
    assert len(new) == 202  # pad is 1: a text begins at row 2
    assert torch.equal(new[:2], old[:2])
    assert torch.equal(new[2:6], old[2].expand(4, -1))  # s = ceil(200 / 64) = 4


def test_nothing_but_the_table_is_changed(bert, tmp_path):
    extend.extend_context(str(bert), tmp_path / "out", to=100, method="grouped")
    old, new = load_file(bert / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    changed = [name for name in new if not torch.equal(old[name], new[name])]
    assert changed == ["embeddings.position_embeddings.weight"]


def test_the_model_may_have_been_made_for_fewer_tokens_than_it_has_positions(bert, tmp_path):
    done = extend.extend_context(str(bert), tmp_path / "out", to=64, method="grouped", source_length=32)
    assert (done.source_length, done.found) == (32, {"factor": 2})
    assert torch.equal(table_of(tmp_path / "out")[::2], table_of(bert)[:32])


def test_all_limits_grow_together(bert, tmp_path):
    extend.extend_context(str(bert), tmp_path / "out", to=128, method="recurrent")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert (config["max_position_embeddings"], tokenizer["model_max_length"]) == (128, 128)


def test_the_card_says_how_it_was_made(bert, tmp_path):
    extend.extend_context(str(bert), tmp_path / "out", to=128, method="recurrent")
    card = (tmp_path / "out" / "README.md").read_text()
    record = json.loads(card.split("```json\n")[1].split("```")[0])
    assert (record["method"], record["source"]["length"], record["target_length"]) == ("recurrent", 64, 128)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        ({"method": "groupd"}, UsageError, "no method 'groupd'.*grouped"),
        ({"method": "xyz"}, UsageError, "There are windows, grouped, recurrent"),
        ({"to": 64}, UsageError, "reads 64 tokens already, and --to 64 is not more"),
        ({"to": 30}, UsageError, "reads 64 tokens already"),
        ({"source_length": 99}, UsageError, "was not made for 99 tokens: it has 70 positions"),
        ({"size": 3}, UsageError, "has no option 'size'"),
    ],
)
def test_a_wrong_call_is_answered(call, error, match, bert, tmp_path):
    with pytest.raises(error, match=match):
        extend.extend_context(str(bert), tmp_path / "out", **{"to": 128, "method": "grouped", **call})
    assert not (tmp_path / "out").exists()


def test_a_model_with_other_positions_is_refused(tmp_path):
    source = tiny.make(tmp_path, "qwen2")
    with pytest.raises(ModelError, match=r"recurrent does not fit .*: the family qwen2 has rotary positions"):
        extend.extend_context(str(source), tmp_path / "out", to=128, method="recurrent")


def test_a_table_of_tokens_has_no_positions(tmp_path):
    model = vl.StaticEncoder(np.eye(27, 4, dtype=np.float32), tiny.tokenizer())
    model.save(tmp_path / "static")
    with pytest.raises(ModelError, match="has no positions"):
        extend.extend_context(str(tmp_path / "static"), tmp_path / "out", to=128)


def test_an_output_that_exists_is_kept(bert, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        extend.extend_context(str(bert), tmp_path / "out", to=128)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
