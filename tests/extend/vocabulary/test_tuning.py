import json

import numpy as np
import pytest
from tests.extend.vocabulary import kinds, models

import vecloom as vl
from vecloom.errors import DataError, OutputError
from vecloom.extend.vocabulary.tuning import scored_pairs, sentences, write_tuning

TEXTS = [f"the {word} of the supersonic flow number {n}" for n in range(12) for word in ("wing", "layer", "heat")]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("bert"))


def test_texts_are_cut_into_sentences_that_differ():
    text = "The wing is long. The wing is long. Too short. Is the heat of the layer high?\nA line of its own here"
    assert sorted(sentences([text])) == [
        "A line of its own here", "Is the heat of the layer high?", "The wing is long.",
    ]  # fmt: skip
    assert len(sentences(TEXTS, 5)) == 5
    assert sentences(TEXTS, 5, seed=1) == sentences(TEXTS, 5, seed=1)
    with pytest.raises(DataError, match="has 0 sentences"):
        sentences(["one two"])


def test_each_text_is_paired_with_a_near_one_and_any_other(bert):
    encoder = vl.load(bert, backend="torch", precision="f32")
    pairs = list(scored_pairs(encoder, TEXTS, seed=3))
    assert len(pairs) == 2 * len(TEXTS)
    vectors = dict(zip(TEXTS, encoder.encode(TEXTS), strict=True))
    for pair in pairs:
        assert pair["sentence1"] != pair["sentence2"]
        cosine = float(vectors[pair["sentence1"]] @ vectors[pair["sentence2"]])
        assert pair["score"] == pytest.approx(max(0, cosine), abs=1e-5)
    near, others = (np.mean([pair["score"] for pair in pairs[start::2]]) for start in (0, 1))
    assert near > others


def test_the_recipe_trains(bert, tmp_path):
    from vecloom import train

    encoder = vl.load(bert, backend="torch", precision="f32")
    data = write_tuning(tmp_path / "tune.yaml", str(bert), str(tmp_path / "tuned"), list(scored_pairs(encoder, TEXTS)))
    assert data == tmp_path / "tune.jsonl"
    assert len(data.read_text().splitlines()) == 2 * len(TEXTS)
    recipe = train.load_recipe(tmp_path / "tune.yaml", ["steps=2", "batch_size=8"])
    assert recipe.data[0].scale == (0, 1)  # the cosine is the target as it is, not moved to another range
    train.run(recipe)
    assert vl.load(tmp_path / "tuned").encode(["the wing"]).shape == (1, 16)


def test_pairs_never_take_the_recipes_name(tmp_path):
    with pytest.raises(OutputError, match=r"Let it end in \.yaml"):
        write_tuning(tmp_path / "tune.jsonl", "m", "t", [])


def test_the_command_writes_a_recipe_that_says_what_to_do(bert, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from vecloom.cli.extend import extend

    kinds.unigram().save(str(tmp_path / "domain.json"))
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        extend,
        [
            "tokenizer",
            str(bert),
            "--tokenizer",
            "domain.json",
            "--corpus",
            "texts.jsonl",
            "--recipe",
            "tune.yaml",
            "-o",
            "out",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "vecloom train tune.yaml" in done.output
    assert json.loads((tmp_path / "tune.jsonl").read_text().splitlines()[0]).keys() == {
        "sentence1",
        "sentence2",
        "score",
    }
