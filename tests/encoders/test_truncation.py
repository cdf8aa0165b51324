import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tests.encoders.tiny import legacy, make, text
from tests.train.test_matryoshka import deep

import vecloom as vl
from vecloom.encoders.truncation import truncate
from vecloom.errors import ModelError, OutputError, UsageError

TEXTS = [text(n, seed=n) for n in range(1, 9)]
FAMILIES = ["bert", "roberta", "distilbert", "mpnet", "xlm-roberta"]


def layer_vectors(folder, layer: int, dim: int | None = None) -> np.ndarray:
    """Mean-pooled states of a layer of the large model, by plain transformers; the first ``dim`` numbers, at length 1."""
    model = SentenceTransformer(str(folder), device="cpu").eval()
    features = model.preprocess(TEXTS)
    with torch.no_grad():
        network = model[0].auto_model
        inputs = {key: features[key] for key in ("input_ids", "attention_mask")}
        states = network(**inputs, output_hidden_states=True).hidden_states[layer]
    mask = features["attention_mask"].unsqueeze(-1).float()
    pooled = ((states * mask).sum(1) / mask.sum(1))[:, :dim]
    return torch.nn.functional.normalize(pooled, dim=-1).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_smaller_model_gives_the_pooled_states_of_that_layer(tmp_path, family):
    folder = deep(tmp_path, 3, family)
    out = truncate(folder, tmp_path / "small", layers=2)
    found = SentenceTransformer(str(out), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, layer_vectors(folder, 2), atol=1e-6)
    assert not np.allclose(found, layer_vectors(folder, 3), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_first_dimensions_come_back_at_length_1_from_both_libraries(tmp_path, family):
    folder = deep(tmp_path, 3, family)
    out = truncate(folder, tmp_path / "small", layers=1, dim=12)
    expected = layer_vectors(folder, 1, 12)
    stock = SentenceTransformer(str(out), device="cpu")
    np.testing.assert_allclose(stock.encode(TEXTS), expected, atol=1e-6)
    assert stock.get_embedding_dimension() == 12
    own = vl.load(str(out), backend="torch", precision="f32")
    assert own.dim == 12
    np.testing.assert_allclose(own.encode(TEXTS), expected, atol=1e-5)


def test_openvino_runs_a_truncated_model(tmp_path):
    out = truncate(deep(tmp_path, 3), tmp_path / "small", layers=2, dim=12)
    found = vl.load(str(out), backend="openvino", precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, layer_vectors(tmp_path / "model", 2, 12), atol=1e-5)


def test_dimensions_are_those_that_sentence_transformers_would_cut(tmp_path):
    folder = make(tmp_path, "bert")
    out = truncate(folder, tmp_path / "small", dim=20)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, truncate_dim=20, normalize_embeddings=True)
    np.testing.assert_allclose(SentenceTransformer(str(out), device="cpu").encode(TEXTS), expected, atol=1e-6)


@pytest.mark.parametrize("options", [{"normalize": False}, {"dense": True}, {"pooling": "cls"}], ids=str)
def test_every_pipeline_is_cut_before_its_normalisation(tmp_path, options):
    folder = make(tmp_path, "bert", **options)
    out = truncate(folder, tmp_path / "small", dim=10)
    whole = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    expected = whole[:, :10] / np.linalg.norm(whole[:, :10], axis=1, keepdims=True)
    np.testing.assert_allclose(SentenceTransformer(str(out), device="cpu").encode(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(vl.load(str(out), backend="torch", precision="f32").encode(TEXTS), expected, atol=1e-5)


def test_a_model_of_an_old_release_can_be_cut(tmp_path):
    folder = legacy(deep(tmp_path, 3))
    out = truncate(folder, tmp_path / "small", layers=2, dim=12)
    found = SentenceTransformer(str(out), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, layer_vectors(folder, 2, 12), atol=1e-6)


def test_a_bare_transformer_gets_its_mean_pooling(tmp_path):
    deep(tmp_path, 3)
    out = truncate(tmp_path / "bare", tmp_path / "small", layers=2, dim=12)
    found = SentenceTransformer(str(out), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, layer_vectors(tmp_path / "model", 2, 12), atol=1e-6)
    np.testing.assert_allclose(vl.load(str(out), backend="torch").encode(TEXTS), found, atol=1e-5)


def test_cutting_twice_is_cutting_once(tmp_path):
    folder = deep(tmp_path, 3)
    once = truncate(folder, tmp_path / "once", layers=1, dim=8)
    twice = truncate(truncate(folder, tmp_path / "half", layers=2, dim=16), tmp_path / "twice", layers=1, dim=8)
    found = [SentenceTransformer(str(out), device="cpu").encode(TEXTS) for out in (once, twice)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_later_layers_are_gone_from_the_disk(tmp_path):
    folder = deep(tmp_path, 3)
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"x")
    out = truncate(folder, tmp_path / "small", layers=1)
    names = load_file(out / "model.safetensors")
    assert not any(".1." in name or ".2." in name for name in names)
    assert json.loads((out / "config.json").read_text())["num_hidden_layers"] == 1
    assert not (out / "onnx").exists()
    assert (out / "tokenizer.json").is_file()


def test_prompts_and_length_are_kept(tmp_path):
    folder = make(tmp_path, "bert", prompts={"query": "query: "})
    out = truncate(folder, tmp_path / "small", layers=1, dim=8)
    encoder = vl.load(str(out), backend="torch")
    assert encoder.spec.prompt("query") == "query: "
    assert encoder.max_length == vl.load(str(folder)).max_length


def test_stock_loading_complains_about_no_weights(tmp_path, caplog, capfd):
    out = truncate(deep(tmp_path, 3), tmp_path / "small", layers=2)
    SentenceTransformer(str(out), device="cpu")
    assert "MISSING" not in capfd.readouterr().err + caplog.text


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "nothing to cut"),
        ({"layers": 0}, "model has 2 layers"),
        ({"layers": 3}, "model has 2 layers"),
        ({"dim": 33}, "32 dimensions"),
        ({"dim": 0}, "32 dimensions"),
    ],
    ids=str,
)
def test_more_than_there_is_cannot_be_kept(tmp_path, wanted, message):
    with pytest.raises(UsageError, match=message):
        truncate(make(tmp_path), tmp_path / "small", **wanted)
    assert not (tmp_path / "small").exists()


def test_a_family_with_a_final_norm_keeps_its_layers(tmp_path):
    folder = make(tmp_path, "modernbert")
    with pytest.raises(ModelError, match="modernbert"):
        truncate(folder, tmp_path / "small", layers=1)
    out = truncate(folder, tmp_path / "small", dim=8)
    assert SentenceTransformer(str(out), device="cpu").encode(TEXTS).shape == (8, 8)


def test_a_full_folder_is_left_alone(tmp_path):
    folder = make(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        truncate(folder, tmp_path / "small", dim=8)
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["mine.txt"]


def test_damaged_weights_leave_no_folder_behind(tmp_path):
    folder = make(tmp_path)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot be read"):
        truncate(folder, tmp_path / "small", dim=8)
    assert not [path for path in tmp_path.iterdir() if "small" in path.name]


def test_the_bundled_model_can_be_cut_by_its_name(tmp_path):
    out = truncate("minilm", tmp_path / "small", layers=3, dim=128)
    found = SentenceTransformer(str(out), device="cpu").encode(["a cat", "a dog"])
    assert found.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_an_encoder_cuts_itself(tmp_path):
    folder = deep(tmp_path, 3)
    encoder = vl.load(str(folder), backend="torch", precision="f32")
    small = encoder.truncate(layers=2, dim=12)
    assert small.dim == 12
    assert small.fingerprint != encoder.fingerprint
    np.testing.assert_allclose(small.encode(TEXTS), layer_vectors(folder, 2, 12), atol=1e-5)
    small.save(tmp_path / "kept")
    place = small.spec.path
    del small
    assert not place.exists()
    np.testing.assert_allclose(
        SentenceTransformer(str(tmp_path / "kept"), device="cpu").encode(TEXTS), layer_vectors(folder, 2, 12), atol=1e-6
    )


def test_an_encoder_cut_to_a_place_stays_there(tmp_path):
    vl.load(str(deep(tmp_path, 3))).truncate(tmp_path / "small", layers=1)
    assert SentenceTransformer(str(tmp_path / "small"), device="cpu").get_embedding_dimension() == 32
