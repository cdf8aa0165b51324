import os

import numpy as np
import pytest
from tests.encoders import tiny

import vecloom
from vecloom.encoders import resolve
from vecloom.errors import ModelError, ModelNotFoundError


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_minilm_is_bundled_and_its_other_names_are_it():
    assert resolve.resolve("minilm") == resolve.resolve("sentence-transformers/all-MiniLM-L6-v2")
    assert vecloom.load().dim == 384


def test_weights_that_are_not_the_published_ones_are_refused(monkeypatch):
    monkeypatch.setattr(resolve, "BUNDLED_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="not the published ones"):
        vecloom.load("minilm")


@pytest.mark.parametrize("typed", ["minlm", "MiniLM", "all-minilm-L6"])
def test_a_mistyped_name_offers_the_close_ones(typed):
    with pytest.raises(ModelNotFoundError, match="minilm") as caught:
        vecloom.load(typed)
    assert typed in caught.value.what


def test_a_hub_id_without_a_network_names_what_is_here(no_network):
    with pytest.raises(ModelNotFoundError, match="not in the local cache, and the Hub cannot be reached") as caught:
        vecloom.load("nobody/nothing-at-all")
    assert "Usable here: minilm" in caught.value.todo


def test_a_hub_id_in_the_cache_loads_without_a_network(tmp_path, monkeypatch, no_network):
    model = tiny.make(tmp_path)
    snapshot = tmp_path / "hub" / "models--someone--tiny" / "snapshots" / "abc123"
    snapshot.parent.mkdir(parents=True)
    os.rename(model, snapshot)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert vecloom.load("someone/tiny").dim == 32
    assert "someone/tiny" in [model.name for model in resolve.local_models()]
    with pytest.raises(ModelNotFoundError, match="Did you mean someone/tiny"):
        vecloom.load("someone/tinny")


@pytest.mark.parametrize("make", ["empty", "file"])
def test_something_that_is_no_model_says_what_it_should_be(tmp_path, make):
    target = tmp_path / "thing"
    target.mkdir() if make == "empty" else target.write_text("x")
    with pytest.raises(ModelError, match=r"holds no model|is a file"):
        vecloom.load(target)


def test_every_kind_of_directory_gives_its_encoder(tmp_path):
    lexical = vecloom.LexicalEncoder.fit(["the cat sat", "the dog ran"])
    lexical.save(tmp_path / "lexical")
    table = vecloom.StaticEncoder(np.eye(27, 8, dtype=np.float32), tiny.tokenizer())
    table.save(tmp_path / "static")
    tiny.make(tmp_path)
    kinds = {name: type(vecloom.load(tmp_path / name)).__name__ for name in ("lexical", "static", "model", "bare")}
    assert kinds == {
        "lexical": "LexicalEncoder",
        "static": "StaticEncoder",
        "model": "TransformerEncoder",
        "bare": "TransformerEncoder",
    }


def test_the_list_of_models_has_sizes_and_licences():
    (minilm,) = [model for model in resolve.local_models() if model.name == "minilm"]
    assert minilm.licence == "apache-2.0"
    assert 85e6 < minilm.size < 100e6
