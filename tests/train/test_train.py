"""Runs from a recipe to a model directory."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.train import toys

import vecloom as vl
from vecloom import train
from vecloom.errors import DataError, ModelError, UsageError, VecloomError
from vecloom.train.job import out_of_memory
from vecloom.train.recipe import load_recipe


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    toys.model(folder)
    toys.pairs(folder / "pairs.jsonl")
    toys.scored(folder / "sts.jsonl")
    return folder


@pytest.fixture
def recipe(workshop, tmp_path):
    def make(**changes):
        return toys.recipe(workshop, **({"output": str(tmp_path / "out")} | changes))

    return make


def weights(path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(Path(path) / "model.safetensors")


@pytest.fixture(scope="module")
def done(workshop, tmp_path_factory):
    """A run with everything on."""
    told = []
    output = tmp_path_factory.mktemp("done") / "out"
    evaluation = {"tasks": ({"path": str(workshop / "sts.jsonl")},), "every": 4}
    made = toys.recipe(
        workshop, output=str(output), evaluation=evaluation, logging={"every": 1, "to": ("tensorboard",)}
    )
    return made, train.run(made, progress=told.append), told


def test_a_run_writes_a_model_that_loads_in_plain_sentence_transformers(done):
    from sentence_transformers import SentenceTransformer

    made, summary, _ = done
    plain = SentenceTransformer(made.output, device="cpu")
    ours = vl.load(made.output)
    texts = ["a cat sat", "the river"]
    np.testing.assert_allclose(plain.encode(texts, normalize_embeddings=True), ours.encode(texts), atol=2e-2)
    assert (summary.steps, summary.resumed_from, summary.stopped) == (12, 0, "")
    assert not np.array_equal(
        weights(made.output)["embeddings.word_embeddings.weight"],
        weights(made.model)["embeddings.word_embeddings.weight"],
    )


def test_a_run_tells_its_progress(done):
    _, summary, told = done
    assert [each.step for each in told] == list(range(1, 13))
    last = told[-1]
    assert (last.steps, last.eta_seconds) == (12, 0.0)
    assert math.isfinite(last.loss)
    assert last.pairs_per_second > 0
    assert [step for step, _ in summary.curve] == list(range(1, 13))


def test_the_card_states_data_recipe_seeds_scores_and_hardware(done):
    made, summary, _ = done
    card = (Path(made.output) / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["library_name"] == "sentence-transformers"
    assert head["base_model"] == made.model
    for said in (
        "| pairs |",
        "120",
        "seed 42",
        f"{summary.scores['sts_spearman']:.4f}",
        "threads",
        "torch 2",
        "loss `mnr`",
    ):
        assert said in card, said


def test_the_recipe_of_a_card_makes_the_same_run(done, tmp_path):
    made, _, _ = done
    card = (Path(made.output) / "README.md").read_text()
    path = tmp_path / "again.yaml"
    path.write_text(card.split("```yaml\n")[1].split("```")[0])
    again = load_recipe(path)
    assert again.model_dump() == made.model_dump()


def test_values_are_logged_for_tensorboard(done):
    made, _, _ = done
    assert list(Path(f"{made.output}.run").rglob("events.out.tfevents.*"))


def test_a_run_that_is_done_is_not_done_again(done):
    made, summary, _ = done
    again = train.run(made)
    assert (again.resumed_from, again.curve, again.scores) == (12, summary.curve, summary.scores)


def test_the_model_that_was_best_is_the_one_written(recipe, workshop, monkeypatch):
    from vecloom.train.evaluator import Evaluator

    values = iter([0.1, 0.5, 0.9, 0.3, 0.2, 0.9])
    monkeypatch.setattr(Evaluator, "__call__", lambda *_, **__: {"mean": next(values)})
    made = recipe(
        evaluation={"tasks": ({"path": str(workshop / "sts.jsonl")},), "every": 3}, checkpoints={"every": 6, "keep": 9}
    )
    summary = train.run(made)
    assert (summary.before, summary.scores, summary.best_step) == ({"mean": 0.1}, {"mean": 0.9}, 6)
    kept, other = (Path(f"{made.output}.run") / f"checkpoint-{step}" for step in (6, 12))
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(weights(made.output)[name], weights(kept)[name])
    assert not torch.equal(weights(made.output)[name], weights(other)[name])


def test_training_stops_when_nothing_gets_better(recipe, workshop, monkeypatch):
    from vecloom.train.evaluator import Evaluator

    values = iter([0.1, 0.5, 0.4, 0.3, 0.5])
    monkeypatch.setattr(Evaluator, "__call__", lambda *_, **__: {"mean": next(values)})
    made = recipe(evaluation={"tasks": ({"path": str(workshop / "sts.jsonl")},), "every": 2, "patience": 2}, steps=100)
    summary = train.run(made)
    assert (summary.steps, summary.best_step) == (6, 2)
    assert "stopped early" in summary.stopped


def test_the_same_seed_trains_the_same_weights_and_another_one_others(recipe, tmp_path):
    first = train.run(recipe(output=str(tmp_path / "a")))
    second = train.run(recipe(output=str(tmp_path / "b")))
    third = train.run(recipe(output=str(tmp_path / "c"), seed=7))
    assert first.curve == second.curve
    assert first.curve != third.curve
    assert all(torch.equal(value, weights(second.output)[name]) for name, value in weights(first.output).items())


@pytest.mark.parametrize(
    "loss",
    ["mnr", {"name": "progressive"}, "gist", {"name": "matryoshka-2d", "base": "mnr", "dims": [32, 16]}],
    ids=["mnr", "progressive", "gist", "matryoshka-2d"],
)
def test_an_interrupted_run_goes_on_with_the_same_losses(recipe, tmp_path, loss):
    def interrupt(now):
        if now.step == 8:
            raise KeyboardInterrupt

    settings = {"loss": loss, "checkpoints": {"every": 5}, "batch_size": 16, "learning_rate": 1e-3}
    calm = train.run(recipe(output=str(tmp_path / "calm"), **settings))
    with pytest.raises(KeyboardInterrupt):
        train.run(recipe(**settings), progress=interrupt)
    again = train.run(recipe(**settings))
    assert (again.resumed_from, again.curve) == (5, calm.curve)
    assert all(torch.equal(value, weights(calm.output)[name]) for name, value in weights(again.output).items())


def test_a_run_may_be_continued_with_other_evaluation_but_not_with_another_seed(recipe):
    train.run(recipe(steps=4))
    with pytest.raises(UsageError, match="steps was 4, and now it is 8"):
        train.run(recipe(steps=8))
    train.run(recipe(steps=4, checkpoints={"keep": 5}))
    assert train.run(recipe(steps=8), resume=False).steps == 8


def test_accumulated_batches_are_one_step(recipe):
    summary = train.run(recipe(batch_size=4, gradient_accumulation=3, steps=None, epochs=1))
    # 120 rows: 30 batches, 10 steps
    assert summary.steps == 10


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ("cosent", [{"sentence1": "a cat", "sentence2": "the dog", "score": k / 20} for k in range(20)]),
        ("batch-hard", [{"text": f"{word} sat on", "label": word} for word in ("cat", "dog", "fox") for _ in range(8)]),
        (
            "simcse",
            [{"text": f"the {a} ran over {b}"} for a in ("cat", "dog", "fox") for b in ("river", "tree", "mat")],
        ),
        ("softmax-nli", [{"premise": "a cat", "hypothesis": "the dog", "label": k % 3} for k in range(20)]),
        ({"name": "matryoshka", "base": "mnr", "dims": [32, 16]}, None),
        ({"name": "matryoshka-2d", "base": "mnr", "dims": [32, 16]}, None),
        ("gist", None),
        ({"name": "progressive"}, None),
    ],
)
def test_every_kind_of_data_trains(recipe, workshop, tmp_path, loss, rows):
    path = toys.write_rows(tmp_path / "rows.jsonl", rows) if rows else workshop / "pairs.jsonl"
    summary = train.run(recipe(data=({"path": str(path)},), loss=loss, batch_size=4, steps=3, duplicates="allow"))
    assert summary.steps == 3
    assert all(math.isfinite(loss) for _, loss in summary.curve)


def test_each_data_set_may_have_a_loss_and_prompts_of_its_own(recipe, workshop):
    data = (
        {"path": str(workshop / "pairs.jsonl"), "prompts": {"anchor": "query : "}},
        {"path": str(workshop / "sts.jsonl"), "loss": "cosent"},
    )
    assert train.run(recipe(data=data, mixing={"strategy": "round-robin"}, steps=6)).steps == 6


def test_prompts_on_which_all_agree_are_the_model_s_own_afterwards(recipe, workshop):
    made = recipe(
        data=({"path": str(workshop / "pairs.jsonl"), "prompts": {"anchor": "query : ", "positive": "document : "}},),
        steps=2,
    )
    train.run(made)
    prompts = json.loads((Path(made.output) / "config_sentence_transformers.json").read_text())["prompts"]
    assert prompts["query"] == "query : "
    assert prompts["document"] == "document : "


def test_data_sets_mixed_in_a_batch_keep_their_prompts(recipe, workshop, tmp_path, monkeypatch):
    from vecloom.train.trainer import Collator

    seen = []
    monkeypatch.setattr(
        Collator,
        "_tokens",
        lambda self, texts, prompts: (
            seen.append(set(prompts)) or self._preprocess([p + t for p, t in zip(prompts, texts, strict=True)])
        ),
    )
    second = toys.pairs(tmp_path / "second.jsonl", seed=9)
    data = ({"path": str(workshop / "pairs.jsonl"), "prompts": {"anchor": "query : "}}, {"path": str(second)})
    train.run(recipe(data=data, mixing={"batches": "mixed"}, steps=3))
    assert {"query : ", ""} in seen


def test_a_static_model_trains_too(recipe, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tests.encoders.tiny import tokenizer

    SentenceTransformer(modules=[StaticEmbedding(tokenizer(), embedding_dim=16)], device="cpu").save(
        str(tmp_path / "static")
    )
    assert train.run(recipe(model=str(tmp_path / "static"), steps=3, learning_rate=1e-2)).steps == 3


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_loss_that_is_nan_stops_the_run_and_keeps_the_last_good_checkpoint(recipe, monkeypatch):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    steps, forward = iter(range(100)), MultipleNegativesRankingLoss.forward

    def broken(self, *given):
        loss = forward(self, *given)
        return loss * math.nan if next(steps) == 7 else loss

    monkeypatch.setattr(MultipleNegativesRankingLoss, "forward", broken)
    made = recipe(checkpoints={"every": 3})
    with pytest.raises(train.DivergenceError) as caught:
        train.run(made)
    assert "nan in step 8" in caught.value.what
    assert "checkpoint-6" in caught.value.todo
    assert not Path(made.output).exists()
    assert np.isfinite(vl.load(f"{made.output}.run/checkpoint-6").encode(["a cat"])).all()


def test_a_collapse_stops_the_run(recipe, monkeypatch):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    def pull_together(self, features, labels=None):
        first, second = (self.model(each)["sentence_embedding"] for each in features)
        return ((first[:, None] - second[None]) ** 2).sum()

    monkeypatch.setattr(MultipleNegativesRankingLoss, "forward", pull_together)
    with pytest.raises(train.DivergenceError, match="collapsed"):
        train.run(recipe(steps=300, learning_rate=5e-3, watch={"collapse": 0.95, "every": 5}))


def test_memory_that_does_not_suffice_names_the_key_to_change(recipe, monkeypatch):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    def too_much(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr(MultipleNegativesRankingLoss, "forward", too_much)
    with pytest.raises(VecloomError) as caught:
        train.run(recipe())
    assert "batch of 8" in caught.value.what
    assert "mini_batch_size: 2" in caught.value.todo


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"batch_size": 64}, "mini_batch_size: 16"),
        ({"batch_size": 64, "mini_batch_size": 16}, "mini_batch_size: 8 (now 16)"),
        ({"batch_size": 64, "mini_batch_size": 1}, "batch_size: 32 (now 64)"),
        ({"batch_size": 64, "loss": "cosent"}, "batch_size: 32 (now 64)"),
    ],
)
def test_the_advice_about_memory_fits_the_loss(recipe, changes, advice):
    found = out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried ..."), recipe(**changes))
    assert advice in str(found)


def test_another_error_of_a_step_stays_what_it_is(recipe):
    error = RuntimeError("shapes do not match")
    assert out_of_memory(error, recipe()) is error


def test_nothing_is_written_when_the_data_are_wrong(recipe, tmp_path):
    bad = toys.write_rows(tmp_path / "bad.jsonl", [{"anchor": "a", "positive": ""}] * 20)
    with pytest.raises(DataError, match=r"bad.jsonl:1: the column 'positive' is empty"):
        train.run(recipe(data=({"path": str(bad)},)))
    assert not (tmp_path / "out.run").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"evaluation": {"patience": 3}}, "something to measure on"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"logging": {"to": ("wandb",)}}, "wandb, which is not installed"),
    ],
)
def test_values_that_do_not_go_together_are_named(recipe, changes, says):
    with pytest.raises(UsageError, match=says):
        train.run(recipe(**changes))


def test_a_metric_that_no_task_gives_is_named(recipe, workshop):
    evaluation = {"tasks": ({"path": str(workshop / "sts.jsonl")},), "metric": "f1"}
    with pytest.raises(UsageError, match=r"These tasks give mean, sts_spearman"):
        train.run(recipe(evaluation=evaluation))


def test_a_bag_of_words_has_nothing_to_train(recipe, tmp_path):
    vl.LexicalEncoder.fit(["a cat", "the dog"]).save(tmp_path / "words")
    with pytest.raises(ModelError, match="lexical: it has no weights"):
        train.run(recipe(model=str(tmp_path / "words")))
