import json

import numpy as np
import pytest
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.extend.vocabulary import kinds, models
from tests.merge.models import sharded

import vecloom as vl
from vecloom.errors import ModelError, UsageError
from vecloom.extend.vocabulary.tables import read_tables
from vecloom.extend.vocabulary.transfer import open_model, plan_transfer, transfer_tokenizer

TEXTS = kinds.CORPUS[:4]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("roberta"), "roberta")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    for kind, make in kinds.KINDS.items():
        make().save(str(folder / f"{kind}.json"))
    return folder


def vectors(folder, backend="torch"):
    return vl.load(folder, backend=backend, precision="f32").encode(TEXTS)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_models_own_tokenizer_changes_no_bit(family, request, tmp_path):
    model = request.getfixturevalue(family)
    done = transfer_tokenizer(str(model), str(model), tmp_path / "out")
    assert (done.new, done.tokens_before) == (0, done.tokens_after)
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert (vectors(tmp_path / "out") == vectors(model)).all()


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_result_loads_everywhere_and_agrees(family, kind, request, files, tmp_path):
    model = request.getfixturevalue(family)
    transfer_tokenizer(str(model), str(files / f"{kind}.json"), tmp_path / "out")
    found = vectors(tmp_path / "out", "openvino")
    stock = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert stock.encode(TEXTS) == pytest.approx(found, abs=1e-4)
    assert stock.max_seq_length == 64
    assert stock.prompts["query"] == "find: "
    assert stock.tokenizer(TEXTS[0])["input_ids"] == vl.load(tmp_path / "out").tokenizer.encode(TEXTS[0]).ids
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vocab_size"] == len(stock.tokenizer)
    assert config["pad_token_id"] == stock.tokenizer.pad_token_id
    if family == "roberta":
        assert config["pad_token_id"] == 1  # positions are counted from it


def test_texts_of_shared_tokens_keep_their_vectors_exactly(bert, tmp_path):
    words = {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "the": 5, "wing": 6, "heat": 7}
    kinds.by_hand(words).save(str(tmp_path / "few.json"))
    transfer_tokenizer(str(bert), str(tmp_path / "few.json"), tmp_path / "out")
    texts = ["the wing", "heat the heat wing"]
    for backend in ("openvino", "torch"):
        before, after = (
            vl.load(folder, backend=backend, precision="f32").encode(texts) for folder in (bert, tmp_path / "out")
        )
        assert before == pytest.approx(after, abs=1e-6)


def test_special_tokens_keep_their_rows(roberta, bert, tmp_path):
    transfer_tokenizer(str(roberta), str(bert), tmp_path / "out", method="random")
    before = open_model(str(roberta))
    after = open_model(str(tmp_path / "out"))
    for role, token in before.roles.items():
        old = before.tables().rows[before.tokenizer.token_to_id(token)]
        new = after.tables().rows[after.tokenizer.token_to_id(after.roles[role])]
        assert (old == new).all(), role


@pytest.mark.parametrize("method", ["mean", "omp"])
def test_a_tied_head_follows_and_its_bias_too(method, files, tmp_path):
    model = models.make(tmp_path / "made", head=True)
    tables = read_tables(model)
    assert tables.rows.shape[1] == 16 + 1  # tied output embeddings are not there a second time; one bias
    plan = plan_transfer(str(model), str(files / "byte-level.json"))
    transfer_tokenizer(str(model), str(files / "byte-level.json"), tmp_path / "out", method=method, texts=kinds.CORPUS)
    found = load_file(tmp_path / "out" / "model.safetensors")
    before = load_file(model / "model.safetensors")
    table = next(name for name in found if name.endswith("word_embeddings.weight"))
    bias = next(name for name in found if name.endswith("predictions.bias"))
    assert found[table].shape == (plan.alignment.size, 16)
    assert found[bias].shape == (plan.alignment.size,)
    shared = plan.alignment.shared
    assert (found[bias].numpy()[shared] == before[bias].numpy()[plan.alignment.copied[shared]]).all()
    untouched = [name for name in before if name not in (table, bias) and "decoder" not in name]
    assert all((before[name] == found[name]).all() for name in untouched)


def test_untied_output_embeddings_are_composed_beside_the_inputs(files, tmp_path):
    import torch
    from safetensors.torch import save_file

    model = models.make(tmp_path / "made", head=True)
    tensors = load_file(model / "model.safetensors")
    table = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors["cls.predictions.decoder.weight"] = torch.randn(tensors[table].shape)
    tensors["copy.embed_tokens.weight"] = tensors[table].clone()
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    tables = read_tables(model)
    assert tables.rows.shape[1] == 16 + 16 + 1
    assert tables.columns["copy.embed_tokens.weight"] == tables.columns[table]
    split = tables.split(tables.rows)
    assert all((split[name] == tensors[name]).all() for name in split)
    transfer_tokenizer(str(model), str(files / "unigram.json"), tmp_path / "out")
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert len({len(found[name]) for name in split}) == 1


def test_shards_are_read_and_written(bert, files, tmp_path):
    import shutil

    copy = sharded(shutil.copytree(bert, tmp_path / "sharded"))
    transfer_tokenizer(str(copy), str(files / "unigram.json"), tmp_path / "out")
    transfer_tokenizer(str(bert), str(files / "unigram.json"), tmp_path / "whole")
    assert (vectors(tmp_path / "out") == vectors(tmp_path / "whole")).all()


def test_a_donor_has_to_have_the_tokenizer(bert, roberta, tmp_path):
    done = transfer_tokenizer(str(bert), str(roberta), tmp_path / "out", method="omp", donor=str(roberta))
    assert done.method == "omp"
    with pytest.raises(ModelError, match="another vocabulary"):
        transfer_tokenizer(str(bert), str(roberta), tmp_path / "other", method="omp", donor=str(bert))
    assert not (tmp_path / "other").exists()


def test_models_of_two_tokenizers_can_be_merged_afterwards(tmp_path):
    from vecloom import merge

    one = models.make(tmp_path / "one", seed=1, size=300)
    other = models.make(tmp_path / "other", seed=2, size=150)
    recipe = merge.Recipe("linear", (str(other), str(one)))
    with pytest.raises(ModelError, match="vecloom extend tokenizer"):
        merge.run(recipe, str(tmp_path / "merged"))
    transfer_tokenizer(str(one), str(other), tmp_path / "moved")
    merge.run(merge.Recipe("linear", (str(other), str(tmp_path / "moved"))), str(tmp_path / "merged"))
    assert np.isfinite(vectors(tmp_path / "merged")).all()


def test_the_card_says_how_it_was_made(bert, files, tmp_path):
    transfer_tokenizer(str(bert), str(files / "unigram.json"), tmp_path / "out", method="focus", texts=kinds.CORPUS)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "arXiv:2305.14481" in card
    assert '"method": "focus"' in card
    assert not list((tmp_path / "out").glob("vocab.txt"))


def test_tokens_of_a_text_are_counted(bert, tmp_path):
    kinds.by_hand({"[UNK]": 0, "wing": 1}).save(str(tmp_path / "few.json"))
    done = transfer_tokenizer(str(bert), str(tmp_path / "few.json"), tmp_path / "out", texts=["wing wing", "wing"])
    assert done.per_text == (3.5, 3.5)  # two or one, and the frame


def test_a_model_whose_table_is_too_short_is_named(bert, tmp_path):
    import shutil

    from safetensors.torch import save_file

    copy = shutil.copytree(bert, tmp_path / "short")
    tensors = load_file(copy / "model.safetensors")
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    save_file(tensors | {name: tensors[name][:10].contiguous()}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="only 10 rows"):
        transfer_tokenizer(str(copy), str(bert), tmp_path / "out")


def test_outputs_that_are_there_are_kept(bert, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    with pytest.raises(UsageError, match="exists"):
        transfer_tokenizer(str(bert), str(bert), tmp_path / "there")
    with pytest.raises(UsageError, match="is the model itself"):
        transfer_tokenizer(str(bert), str(bert), bert, overwrite=True)
    assert (tmp_path / "there" / "file").read_text() == "x"


def test_static_models_are_refused(tmp_path):
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "x.StaticEmbedding", "path": ""}]))
    with pytest.raises(ModelError, match="only a transformer's vocabulary"):
        open_model(str(tmp_path))
