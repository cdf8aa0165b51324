import random

import numpy as np
import pytest
from tests.train import toys

import vecloom as vl
from vecloom.errors import DataError, UsageError
from vecloom.train import load_recipe, run
from vecloom.train.fresh import FreshSettings, new_encoder, new_tokenizer

WORDS = "एक मुलगी पुस्तक वाचते आहे मुलगा खेळतो कुत्रा धावतो घर पाणी किताबें क्‍ष माणूस गाणे".split()
SMALL = FreshSettings(vocabulary=120, layers=1, width=16, heads=2, max_length=16, batch_size=16, steps=8)


def sentences(count=80, seed=0):
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randint(3, 8))) for _ in range(count)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh") / "small"
    return folder, new_encoder(sentences(), folder, SMALL)


def test_every_sign_and_joiner_survives_encoding():
    tokenizer = new_tokenizer(sentences(), 200)
    for word in ("किताबें", "मुलगी", "क्‍ष"):
        ids = tokenizer.encode(word).ids
        assert tokenizer.decode(ids) == word
    assert tokenizer.encode("मुलगी", "घर").type_ids[-1] == 1


def test_capitals_are_lowered_only_where_it_is_asked_for():
    texts = ["Haus und Hof"] * 3
    assert new_tokenizer(texts, 60).normalizer.normalize_str("Über") == "Über"
    assert new_tokenizer(texts, 60, lower_case=True).normalizer.normalize_str("ÜBER") == "über"


def test_training_lowers_the_loss_and_the_summary_says_what_was_made(made):
    _, summary = made
    assert summary.steps == 8
    assert summary.vocabulary <= 120
    assert summary.unknown == 0
    assert summary.texts == len(set(sentences()))
    assert all(np.isfinite(loss) for _, loss in summary.losses)


def test_more_steps_guess_better(tmp_path):
    settings = FreshSettings(**{**vars(SMALL), "steps": 120, "learning_rate": 5e-3})
    losses = [loss for _, loss in new_encoder(sentences(), tmp_path / "longer", settings).losses]
    assert losses[-1] < losses[0] - 0.3


def test_it_loads_in_sentence_transformers_and_in_vecloom_alike(made):
    from sentence_transformers import SentenceTransformer

    folder, _ = made
    texts = ["मुलगी पुस्तक वाचते", "कुत्रा", "किताबें"]
    plain = SentenceTransformer(str(folder), device="cpu")
    assert plain.tokenizer.decode(plain.tokenizer("किताबें")["input_ids"], skip_special_tokens=True) == "किताबें"
    theirs = plain.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(vl.load(folder).encode(texts), theirs, atol=2e-2)
    assert np.einsum("nd,nd->n", vl.load(folder).encode(texts), theirs).min() > 0.999


def test_the_same_seed_makes_the_same_model(made, tmp_path):
    new_encoder(sentences(), tmp_path / "again", SMALL)
    one, two = (vl.load(folder).encode(WORDS) for folder in (made[0], tmp_path / "again"))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_what_cannot_be_is_an_error_before_anything_is_trained(made, tmp_path):
    with pytest.raises(UsageError, match="is not an empty folder"):
        new_encoder(sentences(), made[0], SMALL)
    with pytest.raises(DataError, match="There are 1 different texts, and a batch has 16"):
        new_encoder(["घर"] * 20, tmp_path / "few", SMALL)
    with pytest.raises(UsageError, match="Make width a multiple of heads"):
        new_encoder(sentences(), tmp_path / "odd", FreshSettings(width=10, heads=3))


def test_both_steps_of_the_shipped_recipes_train_a_new_encoder(made, tmp_path):
    chance = random.Random(1)
    texts = sentences(60, 2)
    inference = [
        {"premise": text, "hypothesis": other, "label": label}
        for text in texts
        for label, other in (("entailment", " ".join(text.split()[::-1])), ("contradiction", chance.choice(texts)))
    ]
    toys.write_rows(tmp_path / "nli.jsonl", inference)
    pairs = [{"sentence1": text, "sentence2": chance.choice(texts), "score": chance.uniform(0, 5)} for text in texts]
    toys.write_rows(tmp_path / "sts.jsonl", pairs)
    common = ["batch_size=8", "steps=3", "logging.to=[]", "precision=fp32", "watch.collapse=1.0"]
    first = load_recipe(
        "nli-triplets",
        [
            f"model={made[0]}",
            f"output={tmp_path / 'nli'}",
            f"data.0.path={tmp_path / 'nli.jsonl'}",
            "pooling=cls",
            *common,
        ],
    )
    second = load_recipe(
        "sts-after-nli",
        [
            f"model={tmp_path / 'nli'}",
            f"output={tmp_path / 'sts'}",
            f"data.0.path={tmp_path / 'sts.jsonl'}",
            f"evaluation.tasks.0.path={tmp_path / 'sts.jsonl'}",
            *common,
        ],
    )
    run(first)
    assert vl.load(tmp_path / "nli").spec.pooling == "cls"
    summary = run(second)
    assert vl.load(tmp_path / "sts").spec.pooling == "mean"
    assert -1 <= summary.scores["mean"] <= 1
