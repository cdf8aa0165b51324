"""TransformerEncoder against sentence-transformers itself, on tiny models of several families and on the bundled one."""

import json
import shutil
import threading

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tests.encoders import tiny
from tests.encoders.conformance import check_encoder

import vecloom
from vecloom.encoders.transformer import TransformerEncoder
from vecloom.errors import ModelError, OutputError, UsageError
from vecloom.runtime import cpu

TEXTS = [tiny.text(n, seed=n) for n in (1, 2, 3, 5, 8, 13, 30, 61, 62, 63, 90)] + [
    "",
    "the cat",
    "the cat",
    "unknownword fox",
]
FAMILIES = list(tiny.CONFIGS)
POOLINGS = ["mean", "cls", "lasttoken", "weightedmean", "mean_sqrt_len_tokens", "max"]
PRECISIONS = ["f32", pytest.param("bf16", marks=pytest.mark.skipif(not cpu.has_bf16(), reason="this CPU has no bf16"))]


def reference(path, texts=TEXTS, **options):
    return SentenceTransformer(str(path), device="cpu").encode(texts, normalize_embeddings=True, **options)


@pytest.fixture(scope="module")
def minilm():
    return vecloom.load("minilm", backend="openvino", precision="f32")


@pytest.mark.parametrize("family", FAMILIES)
def test_openvino_gives_what_sentence_transformers_gives(tmp_path, family):
    path = tiny.make(tmp_path, family)
    found = TransformerEncoder(path, backend="openvino", precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, reference(path), atol=2e-5)


@pytest.mark.parametrize("backend", ["openvino", "torch", "onnx"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_on_every_backend(tmp_path, backend, pooling):
    path = tiny.make(tmp_path, "bert", pooling=pooling)
    found = TransformerEncoder(path, backend=backend, precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, reference(path), atol=2e-5)


def test_max_pooling_behind_a_converted_network(tmp_path):
    path = tiny.make(tmp_path, "mpnet", pooling="max")
    found = TransformerEncoder(path, backend="openvino", precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, reference(path), atol=2e-5)


@pytest.mark.parametrize("backend", ["openvino", "torch", "onnx"])
def test_a_dense_module_behind_the_pooling(tmp_path, backend):
    path = tiny.make(tmp_path, dense=True)
    encoder = TransformerEncoder(path, backend=backend, precision="f32")
    assert encoder.dim == 16
    np.testing.assert_allclose(encoder.encode(TEXTS), reference(path), atol=2e-5)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_without_normalisation_the_pooled_sums_have_their_lengths(tmp_path, backend):
    path = tiny.make(tmp_path, normalize=False)
    raw = SentenceTransformer(str(path), device="cpu").encode(TEXTS)
    found = TransformerEncoder(path, backend=backend, precision="f32").encode(TEXTS, normalize=False)
    np.testing.assert_allclose(found, raw, atol=5e-5)


def test_prompts_follow_the_kind_as_in_sentence_transformers(tmp_path):
    path = tiny.make(tmp_path, prompts={"query": "query : ", "document": "document : "})
    model = SentenceTransformer(str(path), device="cpu")
    encoder = TransformerEncoder(path, backend="openvino", precision="f32")
    np.testing.assert_allclose(encoder.encode(TEXTS, kind="query"), model.encode_query(TEXTS), atol=2e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS), model.encode_document(TEXTS), atol=2e-5)
    np.testing.assert_allclose(
        encoder.encode(TEXTS, prompt="search "), model.encode(TEXTS, prompt="search "), atol=2e-5
    )


@pytest.mark.parametrize("backend", ["openvino", "torch"])
@pytest.mark.parametrize("pooling", ["mean", "lasttoken", "weightedmean"])
def test_prompts_can_be_left_out_of_the_pooling(tmp_path, backend, pooling):
    path = tiny.make(tmp_path, pooling=pooling, prompts={"query": "query : "}, include_prompt=False)
    expected = SentenceTransformer(str(path), device="cpu").encode_query(TEXTS[1:9])
    found = TransformerEncoder(path, backend=backend, precision="f32").encode(TEXTS[1:9], kind="query")
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "weightedmean"])
def test_directories_in_the_old_spelling_load_alike(tmp_path, pooling):
    path = tiny.make(tmp_path, pooling=pooling)
    before = TransformerEncoder(path, backend="openvino", precision="f32")
    after = TransformerEncoder(tiny.legacy(path), backend="openvino", precision="f32")
    assert (after.spec.pooling, after.max_length) == (pooling, 64) == (before.spec.pooling, before.max_length)
    np.testing.assert_array_equal(before.encode(TEXTS), after.encode(TEXTS))


def test_a_bare_transformers_directory_gets_mean_pooling(tmp_path):
    tiny.make(tmp_path)
    found = TransformerEncoder(tmp_path / "bare", backend="openvino", precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, reference(tmp_path / "model"), atol=2e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bundled_model_is_that_of_sentence_transformers(minilm, precision):
    from vecloom.runtime.choose import PROBE

    expected = reference(minilm.spec.path, PROBE)
    found = vecloom.load("minilm", backend="openvino", precision=precision).encode(PROBE)
    assert (found * expected).sum(axis=1).min() > (0.999999 if precision == "f32" else 0.9995)


def test_minilm_is_a_good_encoder(minilm):
    check_encoder(minilm)


@pytest.mark.skipif(not cpu.has_bf16(), reason="this CPU has no bf16")
def test_minilm_in_bf16_is_a_good_encoder():
    check_encoder(vecloom.load("minilm", backend="openvino", precision="bf16"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_vectors_do_not_depend_on_their_batch(precision):
    encoder = vecloom.load("minilm", backend="openvino", precision=precision)
    texts = [f"number {i} " + "and more words " * (i % 23) for i in range(150)]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts[::7]])
    assert 1 - (together[::7] * alone).sum(axis=1).min() < 1e-3


def test_long_texts_are_cut_and_counted(minilm):
    before = minilm.truncated
    vectors = minilm.encode(["word " * 10_000, "short"])
    assert np.isfinite(vectors).all()
    assert minilm.truncated == before + 1


def test_threads_can_share_an_encoder(minilm):
    texts = [f"text {i}" for i in range(60)]
    expected = minilm.encode(texts)
    found = {}

    def work(i):
        found[i] = minilm.encode(texts[i * 10 : i * 10 + 10])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    np.testing.assert_allclose(np.concatenate([found[i] for i in range(6)]), expected, atol=1e-5)


def test_progress_adds_up_to_the_number_of_texts(minilm):
    steps = []
    minilm.encode(["a", "b", "a", "c"] * 50, progress=steps.append)
    assert sum(steps) == 200


def test_a_saved_model_loads_in_sentence_transformers(tmp_path, minilm):
    minilm.save(tmp_path / "copy")
    np.testing.assert_allclose(reference(tmp_path / "copy", ["the cat sat"]), minilm.encode(["the cat sat"]), atol=1e-5)
    assert vecloom.load(tmp_path / "copy").fingerprint == minilm.fingerprint


def test_saving_over_something_is_refused(tmp_path, minilm):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not an empty folder"):
        minilm.save(tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_an_incomplete_directory_says_what_is_missing(tmp_path, missing):
    path = tiny.make(tmp_path)
    (path / missing).unlink()
    with pytest.raises(ModelError, match=missing.split("/")[-1].replace(".", r"\.")):
        TransformerEncoder(path)


def test_weights_cut_short_are_an_error_not_a_crash(tmp_path):
    path = tiny.make(tmp_path)
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be read"):
        TransformerEncoder(path, backend="openvino", precision="f32").encode(["the cat"])


def test_weights_with_tensorflows_names_load(tmp_path):
    from safetensors.numpy import load_file, save_file

    path = tiny.make(tmp_path)
    expected = reference(path)
    old = {".weight": ".gamma", ".bias": ".beta"}
    tensors = load_file(path / "model.safetensors")
    renamed = {name: name for name in tensors}
    for name in tensors:
        for now, then in old.items():
            if name.endswith(f"LayerNorm{now}"):
                renamed[name] = name.removesuffix(now) + then
    save_file({renamed[name]: tensor for name, tensor in tensors.items()}, path / "model.safetensors")
    found = TransformerEncoder(path, backend="openvino", precision="f32").encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_missing_tensor_is_named(tmp_path):
    from safetensors.numpy import load_file, save_file

    path = tiny.make(tmp_path)
    tensors = load_file(path / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, path / "model.safetensors")
    with pytest.raises(ModelError, match=r"layer\.1\.output\.dense\.bias"):
        TransformerEncoder(path, backend="openvino", precision="f32").encode(["the cat"])


def test_an_unknown_module_runs_on_torch_and_nowhere_else(tmp_path):
    from sentence_transformers import models as modules

    path = tiny.make(tmp_path)
    extra = modules.LayerNorm(32)
    (path / "3_LayerNorm").mkdir()
    extra.save(str(path / "3_LayerNorm"))
    listed = json.loads((path / "modules.json").read_text())
    listed.insert(2, {"idx": 2, "name": "2", "path": "3_LayerNorm", "type": "sentence_transformers.models.LayerNorm"})
    (path / "modules.json").write_text(json.dumps(listed))
    encoder = TransformerEncoder(path)
    np.testing.assert_allclose(encoder.encode(TEXTS), reference(path), atol=2e-2)
    assert encoder.session.backend == "torch"
    with pytest.raises(vecloom.VecloomError, match="LayerNorm"):
        TransformerEncoder(path, backend="openvino").encode(["the cat"])


def test_a_wrong_backend_is_a_usage_error(minilm):
    with pytest.raises(UsageError, match="openvino, torch, onnx"):
        vecloom.load("minilm", backend="tensorflow").encode(["x"])


def test_a_blob_cut_short_by_a_kill_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    path = tiny.make(tmp_path)
    first = TransformerEncoder(path, backend="openvino", precision="f32").encode(TEXTS)
    folders = list((tmp_path / "cache" / "openvino").glob("*"))
    assert not [f for f in folders[0].iterdir() if f.name.startswith(".compiling")]
    shutil.rmtree(next(folders[0].glob("compiled-*")))
    left = folders[0] / ".compiling-dead"
    (left / "blob").mkdir(parents=True)
    (left / "blob" / "1.blob").write_bytes(b"cut")
    np.testing.assert_array_equal(TransformerEncoder(path, backend="openvino", precision="f32").encode(TEXTS), first)
