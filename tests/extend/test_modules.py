import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.encoders import tiny
from tests.extend import networks

import vecloom as vl
from vecloom import extend
from vecloom.errors import ModelError, UsageError
from vecloom.extend.attention import length_scale
from vecloom.extend.modules import position_ids

SHORT = [tiny.text(20), tiny.text(50, 3)]
LONG = [tiny.text(150, 1), tiny.text(30, 2), tiny.text(90, 4)]
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])


def encode(path, texts):
    return vl.load(path, backend="torch").encode(texts)


def tensor_named(path, part):
    (found,) = [tensor for name, tensor in load_file(path / "model.safetensors").items() if part in name]
    return found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("stretched", [[2, 3, 4, 5, 6, 7], [2, 4, 6], [2, 4, 6]]),  # p in 6 tokens, 2 p in 3, from row 2 on
        ("grouped", [[2, 2, 3, 3, 4, 4], [2, 2, 3], [2, 2, 3]]),
        ("grouped_by_text", [[2, 2, 3, 3, 4, 4], [2, 3, 4], [2, 3, 4]]),  # ceil(6 / 4) = 2, ceil(3 / 4) = 1
    ],
)
def test_position_numbers(rule, expected):
    found = position_ids(rule, MASK, source_length=4, factor=2, first=2)
    assert [row[mask > 0].tolist() for row, mask in zip(found, MASK, strict=True)] == expected


def test_queries_grow_with_the_logarithm_of_the_length():
    # ln 1024 / ln 512 = 10 / 9, ln 2048 / ln 512 = 11 / 9, ln 4096 / ln 512 = 12 / 9; never below 1
    found = length_scale(torch.tensor([100, 512, 1024, 2048, 4096]), 512)
    assert found.tolist() == pytest.approx([1, 1, 10 / 9, 11 / 9, 12 / 9])


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("options", [{}, {"attention_scaling": True}])
def test_interpolation_leaves_short_texts_alone(family, options, tmp_path):
    source = tiny.make(tmp_path, family)
    done = extend.extend_context(str(source), tmp_path / "out", to=200, method="interpolate", **options)
    assert done.result == "module"
    np.testing.assert_allclose(encode(tmp_path / "out", SHORT), encode(source, SHORT), atol=1e-6)
    assert np.abs(encode(tmp_path / "out", LONG[:1]) - encode(source, LONG[:1])).max() > 1e-3


def test_squeezed_interpolation_is_a_plain_model_and_the_same_in_long_texts(tmp_path):
    source = tiny.make(tmp_path)
    same = extend.extend_context(str(source), tmp_path / "same", to=200, method="interpolate")
    squeezed = extend.extend_context(str(source), tmp_path / "plain", to=200, method="interpolate", short="squeezed")
    assert (same.result, squeezed.result) == ("module", "plain")
    np.testing.assert_allclose(encode(tmp_path / "same", LONG[:1]), encode(tmp_path / "plain", LONG[:1]), atol=1e-6)
    assert np.abs(encode(tmp_path / "plain", SHORT) - encode(source, SHORT)).max() > 1e-3


def test_groups_by_text_leave_short_texts_alone_and_take_the_factor_of_the_text(tmp_path):
    source = tiny.make(tmp_path)
    extend.extend_context(str(source), tmp_path / "by-text", to=256, method="grouped", by="text")
    extend.extend_context(str(source), tmp_path / "by-target", to=192, method="grouped")
    np.testing.assert_allclose(encode(tmp_path / "by-text", SHORT), encode(source, SHORT), atol=1e-6)
    # 150 words and two special tokens over 64: ceil(152 / 64) = 3 = ceil(192 / 64)
    text = LONG[:1]
    np.testing.assert_allclose(encode(tmp_path / "by-text", text), encode(tmp_path / "by-target", text), atol=1e-6)


def test_a_scaled_model_is_the_plain_one_with_larger_query_weights(tmp_path):
    from safetensors.torch import save_file

    source = tiny.make(tmp_path)
    extend.extend_context(str(source), tmp_path / "scaled", to=200, method="recurrent", attention_scaling=True)
    extend.extend_context(str(source), tmp_path / "plain", to=200, method="recurrent")
    file = tmp_path / "plain" / "model.safetensors"
    factor = np.log(152) / np.log(64)  # 150 words and two special tokens
    changed = {name: tensor * factor if ".self.query." in name else tensor for name, tensor in load_file(file).items()}
    save_file(changed, file, {"format": "pt"})
    np.testing.assert_allclose(encode(tmp_path / "scaled", LONG[:1]), encode(tmp_path / "plain", LONG[:1]), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_windows_are_averaged_before_normalising(pooling, tmp_path):
    source = tiny.make(tmp_path, pooling=pooling)
    extend.extend_context(str(source), tmp_path / "out", to=200, method="windows")
    words = LONG[0].split()  # 150: windows of 62 words, the last one the last 62
    parts = [" ".join(words[start : start + 62]) for start in (0, 62, 88)]
    expected = vl.load(source, backend="torch").encode(parts, normalize=False).mean(0)
    found = vl.load(tmp_path / "out", backend="torch").encode(LONG, normalize=False)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(
        found[1], vl.load(source, backend="torch").encode(LONG[1:2], normalize=False)[0], atol=1e-5
    )


def test_windows_behind_a_dense_module_and_with_prompts(tmp_path):
    source = tiny.make(tmp_path, dense=True, prompts={"query": "query : ", "document": "document : "})
    extend.extend_context(str(source), tmp_path / "out", to=200, method="windows")
    words = LONG[0].split()  # 60 words fit beside "document :"; 150 = 60 + 60 + 30
    parts = [" ".join(words[start : start + 60]) for start in (0, 60, 90)]
    expected = vl.load(source, backend="torch").encode(parts, normalize=False).mean(0)
    found = vl.load(tmp_path / "out", backend="torch").encode(LONG[:1], normalize=False)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    kinds = [module["type"].rsplit(".", 1)[-1] for module in json.loads((tmp_path / "out/modules.json").read_text())]
    assert kinds == ["WindowedTransformer", "Pooling", "Dense", "WindowMean", "Normalize"]


@pytest.mark.parametrize("method", ["windows", "interpolate", "grouped"])
def test_a_vector_does_not_depend_on_the_batch(method, tmp_path):
    source = tiny.make(tmp_path)
    options = {"by": "text"} if method == "grouped" else {}
    extend.extend_context(str(source), tmp_path / "out", to=200, method=method, **options)
    alone = np.concatenate([encode(tmp_path / "out", [text]) for text in LONG])
    np.testing.assert_allclose(encode(tmp_path / "out", LONG), alone, atol=1e-5)


@pytest.mark.parametrize("method", ["windows", "interpolate"])
def test_sentence_transformers_loads_saves_and_loads_again(method, tmp_path):
    from sentence_transformers import SentenceTransformer

    source = tiny.make(tmp_path)
    extend.extend_context(str(source), tmp_path / "out", to=200, method=method)
    model = SentenceTransformer(str(tmp_path / "out"), trust_remote_code=True, device="cpu")
    found = model.encode(LONG)
    np.testing.assert_allclose(found, encode(tmp_path / "out", LONG), atol=1e-5)
    model.save(str(tmp_path / "again"))
    np.testing.assert_allclose(encode(tmp_path / "again", LONG), found, atol=1e-5)
    assert vl.load(tmp_path / "again").max_length == 200


def test_an_extended_module_is_not_extended_again(tmp_path):
    source = tiny.make(tmp_path)
    extend.extend_context(str(source), tmp_path / "out", to=200, method="interpolate")
    with pytest.raises(ModelError, match="cannot be extended again"):
        extend.extend_context(str(tmp_path / "out"), tmp_path / "more", to=400, method="windows")
    assert not (tmp_path / "more").exists()


def test_a_module_needs_torch_and_says_so(tmp_path):
    from vecloom.errors import BackendError

    source = tiny.make(tmp_path)
    extend.extend_context(str(source), tmp_path / "out", to=200, method="interpolate")
    with pytest.raises(BackendError, match=r"openvino backend cannot run .*ExtendedTransformer"):
        vl.load(tmp_path / "out", backend="openvino").encode(["a cat"])


def test_a_network_with_its_own_attention_is_not_scaled(tmp_path):
    source = tiny.make(tmp_path, "mpnet")
    with pytest.raises(ModelError, match="mpnet network computes its attention by itself"):
        extend.extend_context(str(source), tmp_path / "out", to=200, method="recurrent", attention_scaling=True)


@pytest.mark.parametrize("family", list(networks.FAMILIES))
def test_self_extend_leaves_short_texts_alone_and_reads_on(family, tmp_path, monkeypatch):
    source = networks.rotary(tmp_path, family, monkeypatch)
    done = extend.extend_context(str(source), tmp_path / "out", to=200, method="self_extend")
    assert done.found == {"window": 16, "group": 5, "farthest": 52}  # s = 4: w = 64 / 4, 199 // 5 + 16 - 16 // 5
    np.testing.assert_allclose(encode(tmp_path / "out", SHORT), encode(source, SHORT), atol=1e-6)
    texts = [tiny.text(400), *LONG]  # the tokenizer that qwen2 loads joins words: a third of them is 130 tokens
    alone = np.concatenate([encode(tmp_path / "out", [text]) for text in texts])
    np.testing.assert_allclose(encode(tmp_path / "out", texts), alone, atol=1e-5)
    assert np.abs(alone[0] - encode(source, texts[:1])[0]).max() > 1e-3


@pytest.mark.parametrize("family", ["llama", "eurobert", "modernbert"])
def test_self_extend_with_a_window_over_all_is_the_network_itself(family, tmp_path, monkeypatch):
    source = networks.rotary(tmp_path, family, monkeypatch)
    extend.extend_context(str(source), tmp_path / "out", to=65, method="self_extend", window=64, group=2)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 65}))
    for name in ("tokenizer_config.json", "sentence_bert_config.json"):
        (source / name).write_text((source / name).read_text().replace("64", "65"))
    text = [tiny.text(63)]  # 65 tokens: longer than 64, and no two are 64 apart but the first and the last
    found, expected = encode(tmp_path / "out", text), encode(source, text)
    assert np.abs(found - expected).max() < 0.1
    settings = json.loads((tmp_path / "out" / "sentence_bert_config.json").read_text())
    settings["extension"]["window"] = 65
    (tmp_path / "out" / "sentence_bert_config.json").write_text(json.dumps(settings))
    np.testing.assert_allclose(encode(tmp_path / "out", text), expected, atol=1e-5)


def test_too_small_groups_are_refused(tmp_path, monkeypatch):
    source = networks.rotary(tmp_path, "llama", monkeypatch)
    with pytest.raises(UsageError, match=r"distances up to 106, and .* was made for 64"):
        # 199 // 2 + 16 - 8 = 107
        extend.extend_context(str(source), tmp_path / "out", to=198, method="self_extend", group=2)
