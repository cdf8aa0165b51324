"""A hypernetwork applied: to its model, to a sibling, to whatever tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.encoders import tiny
from tests.extend.zett import toys
from tests.merge.models import tuned

import vecloom as vl
from vecloom.errors import ModelError, UsageError
from vecloom.extend.vocabulary.alignment import align
from vecloom.extend.vocabulary.methods import Context
from vecloom.extend.vocabulary.transfer import open_model, transfer_tokenizer
from vecloom.extend.zett import Settings, load, train_hypernetwork
from vecloom.extend.zett.apply import zett
from vecloom.extend.zett.sampling import sample_unigram_tokenizer

TABLE = "embeddings.word_embeddings.weight"
SMALL = Settings(
    steps=6, identity_steps=3, batch_size=16, identity_tokens=64, vocabulary_size=400, queue_texts=48, layers=1
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A model, a hypernetwork for it, and a byte-level tokenizer."""
    folder = tmp_path_factory.mktemp("apply")
    toys.model(folder)
    toys.byte_level(folder / "target.json")
    train_hypernetwork(str(folder / "model"), toys.texts(80), folder / "h", SMALL)
    return folder


def transferred(folder: Path, model: Path, output: Path, **options) -> Path:
    given = {"hypernetwork": str(folder / "h"), **options}
    transfer_tokenizer(str(model), str(folder / "target.json"), output, method="zett", options=given)
    return output


def test_every_row_is_the_networks_own_for_the_tokens_pieces(made, tmp_path):
    output = transferred(made, made / "model", tmp_path / "new")
    rows = load_file(output / "model.safetensors")[TABLE]
    tokens = open_model(str(output)).tokenizer.get_vocab()
    ids = toys.wordpiece().get_vocab()
    network = load(made / "h").network
    for token, pieces in (
        ("Ġcat", ["cat"]),
        ("Ġgarden", ["g", "##a", "##r", "##d", "##e", "##n"]),
        ("Ġwalking", ["walk", "##ing"]),
    ):
        wanted = network.predict(torch.tensor([[ids[piece] for piece in pieces]]))[0]
        torch.testing.assert_close(rows[tokens[token]], wanted, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(rows).all()
    odd = network.predict(torch.tensor([[len(ids) + 0xC3]]))[0]  # a byte that WordPiece knows nothing of
    torch.testing.assert_close(rows[tokens["Ã"]], odd, rtol=1e-4, atol=1e-5)


def test_special_tokens_keep_their_rows_and_the_rest_of_the_model_is_untouched(made, tmp_path):
    output = transferred(made, made / "model", tmp_path / "new")
    before, after = load_file(made / "model" / "model.safetensors"), load_file(output / "model.safetensors")
    vocabulary = open_model(str(output)).tokenizer.get_vocab()
    for token, number in (("[CLS]", 2), ("[SEP]", 3)):
        assert torch.equal(after[TABLE][vocabulary[token]], before[TABLE][number])
    assert all(torch.equal(before[name], after[name]) for name in before if name != TABLE)


def test_the_new_model_encodes(made, tmp_path):
    output = transferred(made, made / "model", tmp_path / "new")
    texts = toys.texts(12)
    vectors = vl.load(str(output), backend="torch").encode(texts)
    assert vectors.shape == (12, 32)
    assert np.isfinite(vectors).all()


def test_a_sibling_gets_the_rows_of_the_hypernetworks_own_model(made, tmp_path):
    sibling = tuned(made / "model", tmp_path / "sibling", seed=3)
    base = load_file(transferred(made, made / "model", tmp_path / "a") / "model.safetensors")
    new = load_file(transferred(made, sibling, tmp_path / "b") / "model.safetensors")
    old = load_file(sibling / "model.safetensors")
    special = open_model(str(tmp_path / "b")).tokenizer.get_vocab()["[CLS]"]
    ordinary = [row for row in range(len(base[TABLE])) if not torch.equal(base[TABLE][row], new[TABLE][row])]
    assert special in ordinary  # a sibling's special tokens are its own
    assert len(ordinary) <= 4
    assert all(torch.equal(old[name], new[name]) for name in old if name != TABLE)


def test_shared_tokens_can_be_copied(made, tmp_path):
    output = transferred(made, made / "model", tmp_path / "new", copy=True)
    rows = load_file(output / "model.safetensors")[TABLE]
    old = load_file(made / "model" / "model.safetensors")[TABLE]
    tokens, ids = open_model(str(output)).tokenizer.get_vocab(), toys.wordpiece().get_vocab()
    assert torch.equal(rows[tokens["Ġcat"]], old[ids["cat"]])
    assert not any(torch.equal(rows[tokens["Ġwalking"]], row) for row in old)


def test_with_copies_the_models_own_tokenizer_gives_back_its_table(made):
    opened = open_model(str(made / "model"))
    table = opened.tables().rows
    alignment = align(opened.tokenizer, opened.tokenizer)
    assert np.array_equal(zett(table, alignment, Context(), hypernetwork=str(made / "h"), copy=True), table)


def test_permuting_the_target_vocabulary_permutes_rows(made):
    from tokenizers import Tokenizer

    opened = open_model(str(made / "model"))
    target = sample_unigram_tokenizer(toys.texts(60), 400)
    rules = json.loads(target.to_str())
    order = np.random.default_rng(0).permutation(len(rules["model"]["vocab"]))
    rules["model"]["vocab"] = [rules["model"]["vocab"][place] for place in order]
    rows = [
        zett(opened.tables().rows, align(opened.tokenizer, side), Context(), hypernetwork=str(made / "h"))
        for side in (target, Tokenizer.from_str(json.dumps(rules)))
    ]
    np.testing.assert_allclose(rows[1], rows[0][order], atol=1e-5)


def test_output_embeddings_and_bias_are_predicted_into_their_own_columns(made, tmp_path):
    """A model whose file also holds a language model's head; safetensors lists its bias before its weight."""
    model = tmp_path / "headed"
    tuned(made / "model", model, seed=1, size=0.0)
    tensors = load_file(model / "model.safetensors")
    size = len(tensors[TABLE])
    generator = torch.Generator().manual_seed(0)
    tensors["cls.predictions.bias"] = torch.randn(size, generator=generator) + 3
    tensors["cls.predictions.decoder.weight"] = 0.1 * torch.randn(size, 32, generator=generator) - 2
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", SMALL)
    assert load(tmp_path / "h").network.shape.widths == (32, 32)
    transfer_tokenizer(
        str(model),
        str(made / "target.json"),
        tmp_path / "new",
        method="zett",
        options={"hypernetwork": str(tmp_path / "h")},
    )
    new = load_file(tmp_path / "new" / "model.safetensors")
    assert new["cls.predictions.bias"].shape == new[TABLE].shape[:1]
    assert new["cls.predictions.bias"].mean() == pytest.approx(3, abs=1)
    assert new["cls.predictions.decoder.weight"].mean() == pytest.approx(-2, abs=0.1)
    assert abs(new[TABLE].mean()) < 0.2


def test_another_vocabulary_is_refused(made, tmp_path):
    opened = open_model(str(made / "model"))
    alignment = align(opened.tokenizer, opened.tokenizer)
    with pytest.raises(UsageError, match="needs a hypernetwork"):
        zett(opened.tables().rows, alignment, Context())
    with pytest.raises(ModelError, match="rows of 32 numbers, and the model's have 16"):
        zett(opened.tables().rows[:, :16], alignment, Context(), hypernetwork=str(made / "h"))
    other = tiny.make(tmp_path)
    given = {"hypernetwork": str(made / "h")}
    with pytest.raises(ModelError, match="another vocabulary: it differs at"):
        transfer_tokenizer(str(other), str(made / "target.json"), tmp_path / "new", method="zett", options=given)
    assert not (tmp_path / "new").exists()
