"""The two stages as shipped, from a bare decoder to an embedding model."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tests.encoders import decoders
from tests.train import toys

import vecloom as vl
from vecloom import train
from vecloom.errors import ModelError
from vecloom.train.mine import THRESHOLDS, MineSettings, keep
from vecloom.train.recipe import load_recipe
from vecloom.train.setup import named_losses

SMALL = (
    "batch_size=8",
    "steps=3",
    "warmup=1",
    "max_length=48",
    "precision=fp32",
    "logging.to=[]",
    "logging.every=1",
    "watch.collapse=1.0",
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nv")
    decoders.make(folder / "decoder", "mistral")
    chance = random.Random(0)
    texts = [toys.sentence(chance) for _ in range(60)]
    mined = [
        {
            "anchor": text,
            "positive": " ".join(reversed(text.split())),
            "negative_1": texts[n - 1],
            "negative_2": texts[n - 2],
        }
        for n, text in enumerate(texts)
    ]
    toys.write_rows(folder / "mined.jsonl", mined)
    toys.write_rows(folder / "labels.jsonl", [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(texts)])
    toys.scored(folder / "scored.jsonl", 60)
    return folder


def first(workshop, *more):
    own = (f"model={workshop}/decoder", f"output={workshop}/one", "decoder.latents=8", "decoder.heads=4")
    data = (f"data.0.path={workshop}/mined.jsonl", "data.0.negatives=2")
    return load_recipe("nv-embed-stage1", (*own, *data, *SMALL, *more))


def second(workshop, *more):
    own = [f"model={workshop}/one", f"output={workshop}/two", "data.2.scale=[0,1]"]
    for place, name in enumerate(("mined", "labels", "scored")):
        own += [f"data.{place}.path={workshop}/{name}.jsonl", f"data.{place}.negatives=2"]
    return load_recipe("nv-embed-stage2", (*own, *SMALL, *more))


@pytest.fixture(scope="module")
def done(workshop):
    return train.run(first(workshop)), train.run(second(workshop))


def test_both_stages_train_and_the_model_loads_everywhere(workshop, done):
    texts = ["the cat sat on the mat", "a dog"]
    for name in ("one", "two"):
        plain = SentenceTransformer(str(workshop / name), device="cpu", trust_remote_code=True)
        assert plain[0].auto_model.config.is_causal is False
        ours = vl.load(workshop / name, backend="torch", precision="f32")
        np.testing.assert_allclose(ours.encode(texts), plain.encode(texts), atol=2e-5)
        np.testing.assert_allclose(np.linalg.norm(plain.encode(texts), axis=1), 1, atol=1e-5)
        kinds = [module["type"] for module in json.loads((workshop / name / "modules.json").read_text())]
        card = (workshop / name / "README.md").read_text()
        assert f'SentenceTransformer("{name}", trust_remote_code=True)' in card
        assert "tokens/s" in card
        assert kinds == [
            "vecloom.encoders.prompted.Transformer",
            "vecloom.encoders.latent_attention.LatentAttentionPooling",
        ]
    for summary in done:
        assert summary.steps == 3
        assert summary.tokens_per_second > 0
        assert all(np.isfinite(loss) for _, loss in summary.curve)


def test_the_second_stage_trains_the_first_ones_latents_further(workshop, done):
    one, two = (
        SentenceTransformer(str(workshop / name), device="cpu", trust_remote_code=True)[1] for name in ("one", "two")
    )
    moved = float((one.latents - two.latents).detach().abs().max())
    assert 0 < moved < 0.1


def test_stages_differ_in_their_negatives(workshop):
    assert named_losses(first(workshop)).options == {"temperature": 0.02}
    assert named_losses(second(workshop)).options == {"temperature": 0.02, "in_batch": False}


def test_a_decoder_section_in_the_second_stage_is_refused(workshop, done):
    with pytest.raises(ModelError, match="trained latent-attention pooling already"):
        train.run(second(workshop, "decoder={}", f"output={workshop}/three"))


def test_the_miner_keeps_what_is_below_95_percent_of_the_positive():
    # Positive .80: the limit is .76, so .90 and .77 are passed over, .75 and .30 kept.
    settings = MineSettings(**THRESHOLDS["percpos"])
    through = keep(np.array([0.90, 0.77, 0.75, 0.30], np.float32), 0.80, settings)["relative_margin"]
    assert through.tolist() == [False, False, True, True]


def test_a_loss_per_data_set_mixes_both_kinds_of_negatives(workshop, done):
    mixed = second(workshop, f"output={workshop}/mixed", "data.0.loss={name: mnr, temperature: 0.02}")
    choices = named_losses(mixed)
    assert choices["mined"].options.get("in_batch", True)
    assert not choices["labels"].options["in_batch"]
    assert train.run(mixed).steps == 3


def test_vecloom_eval_puts_a_task_s_instruction_before_its_queries(workshop, done, tmp_path, monkeypatch):
    pytest.importorskip("mteb")
    from click.testing import CliRunner

    from vecloom.cli import vecloom

    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "sts" / "alike"
    folder.mkdir(parents=True)
    toys.scored(folder / "test.jsonl", 40)
    (folder / "task.yaml").write_text("prompt: Retrieve semantically similar text\n")
    plain = ["eval", "-m", str(workshop / "two"), str(folder), "--samples", "100", "--no-baselines", "--json"]
    found = []
    for more in ([], ["--instruct", "Instruct: {instruction}\\nQuery: "]):
        result = CliRunner().invoke(vecloom, [*plain, *more])
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout)["scores"][0]["score"])
    from scipy.stats import spearmanr

    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    encoder = vl.load(workshop / "two")
    for score, prompt in zip(found, ("", "Instruct: Retrieve semantically similar text\nQuery: "), strict=True):
        left, right = (
            encoder.encode([row[side] for row in rows], prompt=prompt) for side in ("sentence1", "sentence2")
        )
        truth = spearmanr((left * right).sum(1), [row["score"] for row in rows]).statistic
        assert abs(float(score)) == pytest.approx(abs(float(truth)), abs=0.02)
    assert found[0] != found[1]


def test_a_pooling_that_the_recipe_names_leaves_prompts_out_as_before(workshop):
    from vecloom.encoders.decoder import DecoderSettings, open_decoder
    from vecloom.encoders.prompted import Pooling
    from vecloom.train.setup import set_pooling

    model = open_decoder(workshop / "decoder", DecoderSettings(pooling="mean"))
    set_pooling(model, "lasttoken")
    assert isinstance(model[1], Pooling)
    assert (model[1].pooling_mode, model[1].include_prompt) == ("lasttoken", False)


def curve(recipe):
    return [loss for _, loss in train.run(recipe).curve]


def test_padding_gradient_caching_and_pieces_do_not_change_what_is_trained(workshop, tmp_path):
    plain = curve(first(workshop, f"output={tmp_path}/plain", "padding=longest", "lora.dropout=0", "steps=2"))
    for name, change in (("left", "decoder.padding=left"), ("pieces, cached", "mini_batch_size=3")):
        other = curve(first(workshop, f"output={tmp_path}/{name}", "lora.dropout=0", "steps=2", change))
        assert other == pytest.approx(plain, abs=2e-4), name


def test_training_in_half_precision_follows_full_precision(workshop, tmp_path):
    full, half = (
        curve(first(workshop, f"output={tmp_path}/{kind}", "lora.dropout=0", "steps=2", f"precision={kind}"))
        for kind in ("fp32", "bf16")
    )
    assert half == pytest.approx(full, rel=0.05)
    assert half != full


def test_training_leaves_the_instruction_out_of_pooling_in_every_column_that_has_one(workshop, tmp_path, monkeypatch):
    from vecloom.encoders.latent_attention import LatentAttentionPooling

    seen = []
    plain = LatentAttentionPooling.mask

    def mask(self, features):
        found = plain(self, features)
        if self.training:
            seen.append((features["attention_mask"].sum(1) - found.sum(1)).tolist())
        return found

    monkeypatch.setattr(LatentAttentionPooling, "mask", mask)
    train.run(first(workshop, f"output={tmp_path}/seen", "steps=1", "padding=longest"))
    # Anchor, positive and two negatives; the prompt and the token at the start are left out of anchors only.
    prompt = "Instruct: Given a question, retrieve passages that answer it\nQuery: "
    left_out = len(decoders.tokenizer().encode(prompt + "cat").ids) - 1
    counts = [count for column in seen for count in column]
    assert counts.count(left_out) == 8
    assert counts.count(0) == 24
    assert len(counts) == 32
