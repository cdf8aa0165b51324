import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.merge import models

import vecloom
from vecloom import merge
from vecloom.errors import ModelError, UsageError
from vecloom.merge.card import read_record
from vecloom.merge.weights import read_entries, read_tensor, write_tensors

TEXTS = ["the cat sat on the mat", "a lazy dog", "search : river"]
DATA = {"greedy_soup", "fisher", "regmean", "self_positioning"}


def recipe(method, family, count=2, **parameters):
    base, tuned = family
    return merge.Recipe(method, tuple(map(str, tuned[:count])), str(base), parameters=parameters)


def tensors(path):
    return models.weights(path)


@pytest.mark.parametrize("method", sorted(set(merge.METHODS) - DATA))
def test_merging_on_disk_is_merging_in_memory(method, family, tmp_path):
    base, tuned = family
    merge.run(recipe(method, family, 3), tmp_path / "out")
    found = tensors(tmp_path / "out")
    wanted = merge.merge_tensors(method, [tensors(path) for path in tuned], tensors(base))
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.allclose(found[name], tensor, atol=1e-6), name


def test_the_result_loads_everywhere_and_gives_the_same_vectors(family, tmp_path):
    from sentence_transformers import SentenceTransformer

    merge.run(recipe("linear", family), tmp_path / "out")
    ours = vecloom.load(tmp_path / "out").encode(TEXTS)
    theirs = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("family_name", ["roberta", "distilbert", "qwen2"])
def test_other_architectures_are_merged(family_name, tmp_path):
    base = models.base(tmp_path / "base", family_name)
    tuned = [models.tuned(base, tmp_path / f"t{seed}", seed) for seed in (1, 2)]
    merge.run(recipe("ties", (base, tuned)), tmp_path / "out")
    assert vecloom.load(tmp_path / "out", backend="torch").encode(TEXTS).shape == (3, 32)


def test_the_weights_of_a_dense_module_are_merged(tmp_path):
    base = models.base(tmp_path / "base", dense=True)
    tuned = [models.tuned(base, tmp_path / f"t{seed}", seed) for seed in (1, 2)]
    merge.run(recipe("linear", (base, tuned)), tmp_path / "out")
    name = "2_Dense/model.safetensors"
    first, second, found = (models.load_file(path / name) for path in (*tuned, tmp_path / "out"))
    assert torch.allclose(found["linear.weight"], (first["linear.weight"] + second["linear.weight"]) / 2, atol=1e-6)
    assert vecloom.load(tmp_path / "out").dim == 16


def test_token_tables_are_merged(tmp_path):
    from vecloom.encoders.static_format import StaticSettings, write

    tokenizer = models.tiny.tokenizer()
    for place in range(2):
        rows = np.random.default_rng(place).normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32)
        write(tmp_path / f"t{place}", rows, tokenizer, StaticSettings(), "card")
    merge.run(merge.Recipe("linear", (str(tmp_path / "t0"), str(tmp_path / "t1"))), tmp_path / "out")
    assert vecloom.load(tmp_path / "out").encode(TEXTS).shape == (3, 8)


def test_shards_come_out_as_shards(family, tmp_path):
    _base, tuned = family
    copies = [models.sharded(shutil.copytree(path, tmp_path / path.name)) for path in tuned[:2]]
    merge.run(merge.Recipe("linear", tuple(map(str, copies))), tmp_path / "out")
    parts = sorted((tmp_path / "out").glob("*.safetensors"))
    assert [part.name for part in parts] == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    found = {name: tensor for part in parts for name, tensor in models.load_file(part).items()}
    wanted = merge.merge_tensors("linear", [tensors(path) for path in tuned[:2]])
    assert all(torch.allclose(found[name], tensor, atol=1e-6) for name, tensor in wanted.items())


def test_half_precision_is_merged_in_float32_and_written_as_it_was(family, tmp_path):
    base, _ = family
    tuned = [models.tuned(base, tmp_path / f"t{seed}", seed, dtype=torch.bfloat16) for seed in (1, 2)]
    merge.run(recipe("task_arithmetic", (base, tuned)), tmp_path / "out")
    name = "encoder.layer.0.output.dense.weight"
    found, first, second, origin = (tensors(path)[name] for path in (tmp_path / "out", *tuned, base))
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, (first.float() + second.float() - origin).bfloat16())


def test_the_written_type_can_be_chosen(family, tmp_path):
    _base, tuned = family
    merge.run(merge.Recipe("linear", tuple(map(str, tuned)), dtype="float16"), tmp_path / "out")
    assert {tensor.dtype for tensor in tensors(tmp_path / "out").values()} == {torch.float16}


def test_a_buffer_of_integers_that_only_one_model_has_is_no_obstacle(family, tmp_path):
    base, tuned = family
    older = shutil.copytree(base, tmp_path / "older")
    save_file(
        {**tensors(base), "embeddings.position_ids": torch.arange(70)}, older / "model.safetensors", {"format": "pt"}
    )
    merge.run(recipe("task_arithmetic", (older, tuned)), tmp_path / "out")
    assert "embeddings.position_ids" not in tensors(tmp_path / "out")


@pytest.mark.parametrize("method", sorted(DATA))
def test_methods_that_run_the_network_write_a_model(method, family, probes, tmp_path):
    base, tuned = family
    made = merge.Recipe(
        method, tuple(map(str, tuned[:2])), str(base), probe=tuple(map(str, probes[:2])),
        parameters={"steps": 4} if method == "self_positioning" else {},
    )  # fmt: skip
    summary = merge.run(made, tmp_path / "out")
    assert vecloom.load(tmp_path / "out").encode(TEXTS).shape == (3, 32)
    if method == "self_positioning":
        assert summary.found.keys() == {"a", "lambda", "coefficients"}
    if method == "greedy_soup":
        assert set(summary.found["members"]) <= set(map(str, tuned))


def test_the_card_records_inputs_method_and_coefficients(family, probes, tmp_path):
    import hashlib

    base, tuned = family
    made = merge.Recipe(
        "self_positioning", tuple(map(str, tuned[:2])), str(base), probe=(str(probes[0]),), parameters={"steps": 2}
    )
    summary = merge.run(made, tmp_path / "out")
    record = read_record(tmp_path / "out")
    digest = hashlib.sha256((tuned[0] / "model.safetensors").read_bytes()).hexdigest()
    assert record["method"] == "self_positioning"
    assert record["inputs"][0] == {"model": str(tuned[0]), "sha256": digest}
    assert record["base"]["model"] == str(base)
    assert record["found"] == summary.found
    assert record["recipe"]["parameters"] == {"steps": 2}


def test_a_recorded_recipe_makes_the_same_model_again(family, tmp_path):
    merge.run(recipe("ties", family, density=0.3, weight=2.0), tmp_path / "one")
    again = merge.parse_recipe(read_record(tmp_path / "one")["recipe"])
    merge.run(again, tmp_path / "two")
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_an_existing_output_is_kept_unless_told_otherwise(family, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        merge.run(recipe("linear", family), tmp_path / "out")
    merge.run(recipe("linear", family), tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "mine.txt").exists()


def test_a_failure_leaves_nothing_behind(family, tmp_path):
    def fail(done, total):
        if done == 3:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        merge.run(recipe("linear", family), tmp_path / "out", progress=fail)
    assert list(tmp_path.iterdir()) == []


def changed(source, target, change):
    shutil.copytree(source, target)
    change(target)
    return target


def refuses(family, other, match):
    _base, tuned = family
    with pytest.raises(ModelError, match=match):
        merge.run(merge.Recipe("linear", (str(tuned[0]), str(other))), other.parent / "out")
    assert not (other.parent / "out").exists()


def edit_json(name, **values):
    def change(path):
        file = path / name
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def test_another_architecture_is_refused(family, tmp_path):
    other = models.base(tmp_path, "roberta")
    refuses(family, other, "model_type is 'bert' in .* and 'roberta'")


def test_another_setting_of_the_network_is_named(family, tmp_path):
    other = changed(family[0], tmp_path / "m", edit_json("config.json", hidden_act="relu"))
    refuses(family, other, "hidden_act is 'gelu' in .* and 'relu'")


def test_a_tensor_of_another_shape_is_named(family, tmp_path):
    def change(path):
        held = tensors(path)
        held["pooler.dense.weight"] = torch.zeros(32, 31)
        save_file(held, path / "model.safetensors", {"format": "pt"})

    refuses(family, changed(family[0], tmp_path / "m", change), "pooler.dense.weight is 32 x 32 in .* and 32 x 31")


def test_a_missing_tensor_is_named(family, tmp_path):
    def change(path):
        held = tensors(path)
        del held["pooler.dense.bias"]
        save_file(held, path / "model.safetensors", {"format": "pt"})

    refuses(family, changed(family[0], tmp_path / "m", change), "pooler.dense.bias is in .* and not in")


def test_a_token_at_another_place_is_named_and_the_way_out(family, tmp_path):
    def change(path):
        file = path / "tokenizer.json"
        told = json.loads(file.read_text())
        vocabulary = told["model"]["vocab"]
        vocabulary["cat"], vocabulary["dog"] = vocabulary["dog"], vocabulary["cat"]
        file.write_text(json.dumps(told))

    other = changed(family[0], tmp_path / "m", change)
    refuses(family, other, r"the token 'cat' is number 6 in .* and number 7 in .*1 more differ.*extend tokenizer")


def test_a_tokenizer_that_cuts_differently_is_noticed(family, tmp_path):
    def change(path):
        file = path / "tokenizer.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"normalizer": None}))

    refuses(family, changed(family[0], tmp_path / "m", change), "cut .* differently")


def test_another_pooling_is_refused(family, tmp_path):
    other = changed(family[0], tmp_path / "m", edit_json("1_Pooling/config.json", pooling_mode="cls"))
    refuses(family, other, "pooling is 'mean' in .* and 'cls'")


def test_other_prompts_are_refused_and_empty_ones_are_none(family, tmp_path):
    base, tuned = family
    name = "config_sentence_transformers.json"
    empty = changed(base, tmp_path / "empty", edit_json(name, prompts={"query": ""}))
    merge.run(merge.Recipe("linear", (str(tuned[0]), str(empty))), tmp_path / "fine")
    refuses(family, changed(base, tmp_path / "m", edit_json(name, prompts={"query": "ask: "})), "prompt 'query'")


def test_a_cut_file_is_named(family, tmp_path):
    def change(path):
        file = path / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-10])

    refuses(family, changed(family[0], tmp_path / "m", change), "cut short")


def test_a_pickle_is_not_opened(family, tmp_path):
    def change(path):
        (path / "model.safetensors").rename(path / "pytorch_model.bin")

    refuses(family, changed(family[0], tmp_path / "m", change), "pickle")


def test_a_missing_base_is_named(family, tmp_path):
    with pytest.raises(UsageError, match="ties merges task vectors and needs the base"):
        merge.run(merge.Recipe("ties", tuple(map(str, family[1]))), tmp_path / "out")


def test_a_missing_probe_is_named(family, tmp_path):
    with pytest.raises(UsageError, match="needs pairs of texts"):
        merge.run(recipe("self_positioning", family), tmp_path / "out")


def test_one_probe_for_each_model_is_asked_for(family, probes, tmp_path):
    _base, tuned = family
    made = merge.Recipe("fisher", tuple(map(str, tuned[:2])), probe=(str(probes[0]),))
    with pytest.raises(UsageError, match="1 files for 2 models"):
        merge.run(made, tmp_path / "out")


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "bool"])
def test_tensors_survive_writing_and_reading(dtype, tmp_path):
    from safetensors.torch import load_file

    kind = getattr(torch, dtype)
    held = {
        "a": torch.arange(6).reshape(2, 3).to(kind),
        "none": torch.zeros(0, 3, dtype=kind),
        "one": torch.ones((), dtype=kind),
    }
    write_tensors(tmp_path / "x.safetensors", [(n, dtype, tuple(t.shape)) for n, t in held.items()], held.values())
    entries = read_entries(tmp_path / "x.safetensors")
    for name, tensor in held.items():
        assert torch.equal(read_tensor(entries[name]), tensor)
        assert torch.equal(load_file(tmp_path / "x.safetensors")[name], tensor)


@pytest.mark.parametrize("content", [b"", b"\x02\x00\x00\x00\x00\x00\x00\x00[]", b"\xff" * 40])
def test_a_file_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        read_entries(tmp_path / "x.safetensors")


def test_nothing_is_written_into_a_model_that_was_named_by_a_name(family, tmp_path, monkeypatch):
    base, tuned = family
    copies = {name: shutil.copytree(path, tmp_path / name) for name, path in zip(("one", "two"), tuned, strict=False)}
    monkeypatch.setattr("vecloom.merge.directory.resolve", lambda name: copies.get(name, base))
    before = sorted(path.name for path in copies["one"].iterdir())
    with pytest.raises(UsageError, match="lies within the input"):
        merge.run(merge.Recipe("linear", ("one", "two"), "base"), copies["one"] / "out")
    assert sorted(path.name for path in copies["one"].iterdir()) == before
