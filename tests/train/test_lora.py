import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.encoders import decoders
from tests.train import toys

import vecloom as vl
from vecloom import train
from vecloom.errors import UsageError
from vecloom.train.lora import add_lora, has_lora, load_trained, merge, merged, save_trained
from vecloom.train.recipe_network import LoraChoice

TEXTS = ["the cat sat", "a dog ran over the stone", "cloud"]
PLAIN = LoraChoice(rank=4, alpha=8, dropout=0)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    toys.model(folder)
    toys.pairs(folder / "pairs.jsonl")
    decoders.make(folder / "decoder", "qwen3")
    return folder


def opened(folder, choice=PLAIN, seed=0):
    model = SentenceTransformer(str(folder / "model"), device="cpu")
    torch.manual_seed(seed)
    add_lora(model, choice)
    return model


def stirred(model):
    """Matrices that are no longer zero."""
    with torch.no_grad():
        for name, part in model.named_parameters():
            if "lora_B" in name:
                part.normal_(std=0.1)
    return model.eval()


def test_a_fresh_adapter_changes_nothing_and_only_it_is_trained(workshop):
    model = opened(workshop)
    before = SentenceTransformer(str(workshop / "model"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(model.encode(TEXTS), before, atol=1e-6)
    trained = [name for name, part in model.named_parameters() if part.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)


def test_the_merged_weight_is_the_weight_and_alpha_over_rank_times_the_product(workshop):
    model = stirred(opened(workshop, LoraChoice(rank=2, alpha=6, dropout=0, targets=("query",))))
    layer = model[0].auto_model.encoder.layer[0].attention.self.query
    base = layer.base_layer.weight.detach().clone()
    product = layer.lora_B["default"].weight.detach() @ layer.lora_A["default"].weight.detach()
    with merged(model):
        found = model[0].auto_model.encoder.layer[0].attention.self.query.weight
        torch.testing.assert_close(found, base + 3 * product)


def test_merging_for_a_while_leaves_no_trace(workshop):
    model = stirred(opened(workshop))
    before = {name: part.clone() for name, part in model.state_dict().items()}
    vectors = model.encode(TEXTS)
    for _ in range(3):
        with merged(model):
            assert not has_lora(model)
            np.testing.assert_allclose(model.encode(TEXTS), vectors, atol=1e-5)
    assert has_lora(model)
    for name, part in model.state_dict().items():
        assert torch.equal(part, before[name]), name


def test_merged_for_good_it_is_a_stock_model(workshop):
    model = stirred(opened(workshop))
    vectors, names = model.encode(TEXTS), set(SentenceTransformer(str(workshop / "model"), device="cpu").state_dict())
    merge(model)
    assert set(model.state_dict()) == names
    assert all(part.requires_grad for part in model.parameters())
    np.testing.assert_allclose(model.encode(TEXTS), vectors, atol=1e-5)


def test_what_is_trained_survives_a_checkpoint(workshop, tmp_path):
    model = stirred(opened(workshop))
    save_trained(model, tmp_path)
    other = opened(workshop, seed=5).eval()
    assert float(np.abs(other.encode(TEXTS) - model.encode(TEXTS)).max()) > 1e-3
    load_trained(other, tmp_path)
    np.testing.assert_array_equal(other.encode(TEXTS), model.encode(TEXTS))


def test_unknown_targets_are_told_with_those_there_are(workshop):
    with pytest.raises(UsageError, match="Its linear maps are dense, key, query, value"):
        opened(workshop, LoraChoice(targets=("q_proj",)))


def test_half_precision_weights_are_frozen_and_train_beside_float32(workshop):
    model = opened(workshop, LoraChoice(rank=2, weights="bf16"))
    kinds = {part.dtype for part in model.parameters() if not part.requires_grad}
    assert kinds == {torch.bfloat16}
    assert {part.dtype for part in model.parameters() if part.requires_grad} == {torch.float32}


def test_a_run_over_half_precision_weights(workshop, tmp_path):
    summary = train.run(recipe(workshop, tmp_path, lora={"rank": 4, "weights": "bf16"}, precision="bf16"))
    assert summary.curve[-1][1] < summary.curve[0][1]
    assert np.isfinite(SentenceTransformer(str(tmp_path / "out"), device="cpu").float().encode(TEXTS)).all()


def recipe(workshop, tmp_path, **changes):
    values = {"lora": {"rank": 4, "alpha": 8, "dropout": 0.1}, "learning_rate": 1e-2, "output": str(tmp_path / "out")}
    return toys.recipe(workshop, **(values | changes))


def test_a_run_writes_a_stock_directory(workshop, tmp_path):
    made = recipe(workshop, tmp_path)
    summary = train.run(made)
    kinds = [module["type"] for module in json.loads((tmp_path / "out" / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)
    assert not list((tmp_path / "out").rglob("adapter*"))
    plain = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert set(plain.state_dict()) == set(SentenceTransformer(made.model, device="cpu").state_dict())
    assert float(np.abs(plain.encode(TEXTS) - SentenceTransformer(made.model, device="cpu").encode(TEXTS)).max()) > 1e-2
    assert summary.curve[-1][1] < summary.curve[0][1]


def test_the_best_of_a_run_is_what_is_written(workshop, tmp_path):
    toys.scored(tmp_path / "sts.jsonl")
    evaluation = {"tasks": ({"path": str(tmp_path / "sts.jsonl")},), "every": 4}
    summary = train.run(recipe(workshop, tmp_path, evaluation=evaluation))
    from vecloom.train.evaluator import Evaluator

    again = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    found = Evaluator(recipe(workshop, tmp_path, evaluation=evaluation).evaluation.tasks)(again)
    assert found["sts_spearman"] == pytest.approx(summary.scores["sts_spearman"], abs=1e-6)


def test_a_run_that_was_stopped_goes_on_as_if_nothing_had_happened(workshop, tmp_path):
    class StopError(Exception):
        pass

    def stop(state):
        if state.step == 9:
            raise StopError

    changes = {"checkpoints": {"every": 4}}
    whole = train.run(recipe(workshop, tmp_path, output=str(tmp_path / "whole"), **changes))
    broken = recipe(workshop, tmp_path, output=str(tmp_path / "broken"), **changes)
    with pytest.raises(StopError):
        train.run(broken, progress=stop)
    kept = next((tmp_path / "broken.run").rglob("trained.safetensors"))
    assert kept.stat().st_size < (workshop / "model" / "model.safetensors").stat().st_size
    resumed = train.run(broken)
    assert resumed.resumed_from == 8
    assert dict(resumed.curve) == pytest.approx(dict(whole.curve), abs=1e-6)
    one, other = (SentenceTransformer(str(tmp_path / name), device="cpu").encode(TEXTS) for name in ("whole", "broken"))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_decoder_is_trained_from_its_bare_directory_and_loads_everywhere(workshop, tmp_path):
    made = recipe(
        workshop,
        tmp_path,
        model=str(workshop / "decoder"),
        decoder={"latents": 8, "heads": 4},
        data=({"path": str(workshop / "pairs.jsonl"), "instruction": "Find the sentence with the same words"},),
        learning_rate=1e-3,
    )
    train.run(made)
    loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu", trust_remote_code=True)
    assert loaded[0].auto_model.config.is_causal is False
    assert loaded.prompts["query"] == "Instruct: Find the sentence with the same words\nQuery: "
    assert not loaded.prompts["document"]
    assert float(loaded[1].latents.detach().std()) == pytest.approx(1, abs=0.2)  # they began as N(0, 1)
    ours = vl.load(tmp_path / "out", backend="torch", precision="f32")
    for kind, name in (("query", "query"), ("document", None)):
        theirs = loaded.encode(TEXTS, prompt_name=name, normalize_embeddings=True)
        np.testing.assert_allclose(ours.encode(TEXTS, kind=kind), theirs, atol=2e-5)
