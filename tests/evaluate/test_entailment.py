"""Entailment: against transformers' own zero-shot pipeline on tiny random models, then properties, then faults."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from tests.encoders import tiny

from vecloom.errors import ModelError, ModelNotFoundError, UsageError
from vecloom.evaluate.unlabelled.entailment import EntailmentClassifier, entailment_id, softmax

LABELS = ["cat", "river", "cloud document"]
TEMPLATE = "it is {} ."
TEXTS = [tiny.text(length, seed) for seed, length in enumerate([3, 40, 1, 12, 60, 90, 7, 25])]  # some above 64 tokens
NAMES = ["contradiction", "neutral", "Entailment"]


def make(folder, names):
    """A BERT cross-encoder with random weights that reads pairs of up to 64 tokens."""
    import torch
    import transformers
    from tokenizers import processors

    torch.manual_seed(3)
    config = tiny.config("bert")
    config.id2label = dict(enumerate(names))
    config.label2id = {name: place for place, name in enumerate(names)}
    network = transformers.AutoModelForSequenceClassification.from_config(config)
    for parameter in network.parameters():  # the usual initialisation makes all logits alike
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder)
    words = tiny.tokenizer()
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make(tmp_path_factory.mktemp("nli"), NAMES)


def changed(model, folder, change):
    """A copy of the model with another config.json."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


# Oracle


@pytest.mark.parametrize("names", [NAMES, ["entailment", "not_entailment"]])
def test_scores_are_those_of_the_transformers_pipeline(names, tmp_path):
    import transformers

    folder = make(tmp_path, names)
    pipeline = transformers.pipeline("zero-shot-classification", model=str(folder), device="cpu")
    expected = pipeline(TEXTS, LABELS, hypothesis_template=TEMPLATE)
    classifier = EntailmentClassifier(folder, LABELS, template=TEMPLATE, batch_size=5)
    for row, label, answer in zip(classifier.scores(TEXTS), classifier.predict(TEXTS), expected, strict=True):
        wanted = dict(zip(answer["labels"], answer["scores"], strict=True))
        assert dict(zip(LABELS, row, strict=True)) == pytest.approx(wanted, abs=1e-5)
        assert label == answer["labels"][0]
    assert np.ptp([answer["scores"][0] for answer in expected]) > 0.01  # the model does tell texts apart


def test_softmax_by_hand_and_of_large_logits():
    # exp(0) = 1 and exp(ln 3) = 3: a quarter and three quarters
    assert softmax(np.array([0, np.log(3)])) == pytest.approx([0.25, 0.75])
    assert softmax(np.array([1e4, 1e4])) == pytest.approx([0.5, 0.5])


def test_the_entailment_label_is_found_by_its_name():
    assert entailment_id({0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}) == 2
    assert entailment_id({"0": "entailment", "1": "not_entailment"}) == 0
    assert entailment_id({0: "LABEL_0", 1: "LABEL_1"}) is None


def test_a_mapping_gives_the_words_for_labels_that_are_codes(model):
    coded = EntailmentClassifier(model, {"C": "cat", "R": "river", "D": "cloud document"}, template=TEMPLATE)
    plain = EntailmentClassifier(model, LABELS, template=TEMPLATE)
    assert coded.scores(TEXTS) == pytest.approx(plain.scores(TEXTS))
    assert set(coded.predict(TEXTS)) <= {"C", "R", "D"}


# Properties


def test_the_batch_size_does_not_matter(model):
    one, many = (
        EntailmentClassifier(model, LABELS, template=TEMPLATE, batch_size=size).scores(TEXTS) for size in (1, 64)
    )
    assert one == pytest.approx(many, abs=1e-5)


def test_permuting_texts_permutes_rows_and_equal_texts_have_equal_rows(model):
    classifier = EntailmentClassifier(model, LABELS, template=TEMPLATE)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    scores = classifier.scores(TEXTS)
    assert classifier.scores([TEXTS[place] for place in order]) == pytest.approx(scores[order], abs=1e-5)
    twice = classifier.scores([TEXTS[3], TEXTS[1], TEXTS[3]])
    assert twice[0].tolist() == twice[2].tolist()
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)))


def test_the_order_of_labels_orders_the_columns(model):
    scores = EntailmentClassifier(model, LABELS, template=TEMPLATE).scores(TEXTS)
    turned = EntailmentClassifier(model, LABELS[::-1], template=TEMPLATE).scores(TEXTS)
    assert turned[:, ::-1] == pytest.approx(scores, abs=1e-5)


def test_no_text_an_empty_text_and_half_a_character_are_allowed(model):
    classifier = EntailmentClassifier(model, LABELS, template=TEMPLATE)
    assert classifier.scores([]).shape == (0, 3)
    assert classifier.predict([]) == []
    assert np.isfinite(classifier.scores(["", "\ud800"])).all()


# Faults


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ("cat", {}, "one string"),
        (["cat"], {}, "cannot be told apart"),
        (["cat", "cat"], {}, "cannot be told apart"),
        (LABELS, {"template": "it is"}, "no place for the label"),
        (LABELS, {"batch_size": 0}, "batch_size=0"),
        (["cat", "cat " * 70], {}, "has 7. tokens; the model reads 64"),
    ],
)
def test_wrong_calls_are_refused(model, labels, options, said):
    with pytest.raises(UsageError, match=said):
        EntailmentClassifier(model, labels, **options)


def test_one_string_instead_of_texts_is_refused(model):
    with pytest.raises(UsageError, match="one string"):
        EntailmentClassifier(model, LABELS).predict("cat")


def test_a_directory_that_is_missing_or_incomplete_is_named(tmp_path, model):
    with pytest.raises(ModelNotFoundError, match="no model directory"):
        EntailmentClassifier(tmp_path / "none", LABELS)
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        EntailmentClassifier(tmp_path, LABELS)
    copy = changed(model, tmp_path / "copy", lambda config: None)
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="transformers cannot load"):
        EntailmentClassifier(copy, LABELS)


def test_a_model_without_an_entailment_label_is_refused(tmp_path, model):
    def rename(config):
        config["id2label"] = {"0": "bad", "1": "good", "2": "so so"}

    with pytest.raises(ModelError, match=r"its labels \(bad, good, so so\) hold no entailment"):
        EntailmentClassifier(changed(model, tmp_path / "copy", rename), LABELS)


def test_weights_without_a_classification_head_are_refused(tmp_path, model):
    from safetensors.numpy import load_file, save_file

    copy = changed(model, tmp_path / "copy", lambda config: None)
    weights = load_file(copy / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack classifier\.bias, classifier\.weight"):
        EntailmentClassifier(copy, LABELS)
