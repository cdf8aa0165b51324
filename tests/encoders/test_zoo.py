"""Every kind of model folder against sentence-transformers itself: equal vectors, or a sentence that says what it is for."""

import re
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tests.encoders import tiny
from tests.encoders.conformance import check_encoder
from tests.encoders.zoo import LAYOUTS, REFUSED
from tests.encoders.zoo.networks import NETWORKS

import vecloom as vl
from vecloom.encoders.layouts import kind_of
from vecloom.encoders.pipeline import PipelineEncoder
from vecloom.errors import BackendError, ModelError
from vecloom.runtime.choose import MIN_COSINE

TEXTS = [tiny.text(n, seed=n) for n in (1, 2, 3, 5, 8, 13, 30, 61, 90)] + ["", "the cat"]
FOREIGN = {"lora adapter": "peft"}  # what a layout needs beside sentence-transformers
PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def expected(path):
    """sentence-transformers' vectors of queries and documents in float32, of unit length."""
    model = SentenceTransformer(str(path), device="cpu").float().eval()
    settings = {"normalize_embeddings": True, "show_progress_bar": False}
    return model.encode_query(TEXTS, **settings), model.encode_document(TEXTS, **settings)


def built(name, folder):
    if name in FOREIGN:
        pytest.importorskip(FOREIGN[name])
    return LAYOUTS[name](folder)


def check_equal(encoder, path, tolerance):
    for kind, theirs in zip(("query", "document"), expected(path), strict=True):
        ours = encoder.encode(TEXTS, kind=kind)
        assert ours.shape == theirs.shape
        assert encoder.dim == theirs.shape[1]
        np.testing.assert_allclose(ours, theirs, atol=tolerance, err_msg=kind)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_gives_what_sentence_transformers_gives(name, tmp_path):
    path = built(name, tmp_path)
    settings = {"backend": "torch"} if name in NETWORKS or kind_of(path) == "transformer" else {}
    check_equal(vl.load(path, precision="f32", **settings), path, 2e-5)


@pytest.mark.slow  # each is converted and compiled in a process of its own: ten seconds each
@pytest.mark.parametrize("name", NETWORKS)
def test_the_backend_that_is_chosen_keeps_the_vectors(name, tmp_path):
    path = built(name, tmp_path)
    encoder = vl.load(path)
    for kind, theirs in zip(("query", "document"), expected(path), strict=True):
        cosines = (encoder.encode(TEXTS, kind=kind) * theirs).sum(1)
        assert cosines.min() > MIN_COSINE - 0.001, kind  # these texts are not the probe


@pytest.mark.parametrize("name", ["bert", "settings of release 2", "bfloat16 weights", "sharded .bin"])
def test_the_graph_made_from_the_weights_gives_the_same(name, tmp_path):
    path = built(name, tmp_path)
    check_equal(vl.load(path, backend="openvino", precision="f32"), path, 2e-5)


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_an_export_alone_is_enough(form, tmp_path):
    path = built("bert", tmp_path)
    theirs = expected(path)
    export(path, form)
    encoder = vl.load(path, backend="openvino", precision="f32")
    for kind, wanted in zip(("query", "document"), theirs, strict=True):
        np.testing.assert_allclose(encoder.encode(TEXTS, kind=kind), wanted, atol=2e-5)
    assert vl.load(path).encode(["the cat"]).shape == (1, 32)  # whatever is chosen


def export(path, form):
    """Leave an exported network in the place of the weights."""
    import openvino as ov
    import torch
    from transformers import AutoModel

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = AutoModel.from_pretrained(path).eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            settings = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
            return self.network(input_ids=input_ids, **settings).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = (
        torch.arange(4, 20).reshape(2, 8),
        torch.ones(2, 8, dtype=torch.long),
        torch.zeros(2, 8, dtype=torch.long),
    )
    (path / form).mkdir()
    if form == "onnx":
        pytest.importorskip("onnxscript")
        free = {0: torch.export.Dim("rows"), 1: torch.export.Dim("cells")}
        torch.onnx.export(
            Network(), example, str(path / "onnx/model.onnx"), input_names=names, dynamic_shapes=(free, free, free),
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    else:
        model = ov.convert_model(Network(), example_input=example)
        for port, name in zip(model.inputs, names, strict=True):
            port.get_tensor().set_names({name})
        ov.save_model(model, path / "openvino/openvino_model.xml", compress_to_fp16=False)
    (path / "model.safetensors").unlink()


@pytest.mark.parametrize("name", REFUSED)
def test_what_gives_no_dense_vectors_is_refused_with_its_use(name, tmp_path):
    build, words = REFUSED[name]
    with pytest.raises(ModelError, match=words) as raised:
        vl.load(build(tmp_path))
    assert raised.value.todo


def test_layouts_are_opened_by_the_encoder_that_computes_them_exactly(tmp_path):
    kinds = {
        name: kind_of(built(name, tmp_path / str(place))) for place, name in enumerate(LAYOUTS) if name not in FOREIGN
    }
    fast = {name for name, kind in kinds.items() if kind in ("transformer", "static")}
    assert {"bert", "dense, tanh", "max pooling", "static", "truncate_dim in the settings"} <= fast
    slow = {"router first", "router after pooling", "normalize, then dense", "dense, residual", "lengths by side"}
    assert not slow & fast


def test_a_pipeline_is_an_encoder(tmp_path):
    check_encoder(PipelineEncoder(built("dense, residual", tmp_path)), tolerance=1e-5)


def test_a_pipeline_is_saved_as_it_is(tmp_path):
    encoder = PipelineEncoder(built("word vectors, cnn", tmp_path))
    encoder.save(tmp_path / "copy")
    np.testing.assert_array_equal(vl.load(tmp_path / "copy").encode(TEXTS), encoder.encode(TEXTS))


def test_a_pipeline_runs_in_torch_only(tmp_path):
    path = built("bag of words", tmp_path)
    with pytest.raises(BackendError, match="cannot run"):
        vl.load(path, backend="openvino")


def test_a_pipelines_fingerprint_follows_its_files(tmp_path):
    path = built("normalize, then dense", tmp_path)
    before = PipelineEncoder(path).fingerprint
    (path / "README.md").write_text("another card")
    assert PipelineEncoder(path).fingerprint == before
    dense = next(path.glob("*_Dense/config.json"))
    dense.write_text(dense.read_text().replace("Tanh", "ReLU"))
    assert PipelineEncoder(path).fingerprint != before


def test_a_model_that_gives_nan_is_an_error_that_names_the_text(tmp_path):
    path = built("bert", tmp_path)
    from safetensors.numpy import load_file, save_file

    tensors = dict(load_file(path / "model.safetensors"))
    table = tensors["embeddings.word_embeddings.weight"].copy()
    table[len(tiny.SPECIAL) + tiny.WORDS.index("fox")] = np.nan
    save_file({**tensors, "embeddings.word_embeddings.weight": table}, path / "model.safetensors")
    encoder = vl.load(path, backend="openvino", precision="f32")
    assert encoder.encode(["the cat"]).shape == (1, 32)
    with pytest.raises(ModelError, match="not finite for 'a fox'"):
        encoder.encode(["the cat", "a fox"])


def test_the_page_names_every_layout():
    rows = re.findall(r"^\| ([^|]+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in [*LAYOUTS, *REFUSED] if name not in rows] == []
