"""Similarity baselines, their harness, keywords files: by hand, against numpy and scikit-learn; properties; faults."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from tests.project.test_pages import blocks, run
from tokenizers import Tokenizer, models, pre_tokenizers

from vecloom.encoders import StaticEncoder
from vecloom.encoders.protocol import finish
from vecloom.errors import DataError, UsageError
from vecloom.evaluate.unlabelled.label_comparison import class_f1
from vecloom.evaluate.unlabelled.unsupervised import LsaEncoder, SimilarityClassifier, compare, read_keywords


class Table:
    """An encoder that looks whole texts up."""

    def __init__(self, vectors: dict[str, tuple[float, ...]]) -> None:
        self.vectors = vectors

    def encode(self, texts, *, normalize=True):
        rows = np.array([self.vectors[text] for text in texts], np.float32).reshape(len(texts), -1)
        return finish(rows, None, normalize)


class Fixed:
    """A classifier that gives the labels it was made with."""

    def __init__(self, labels) -> None:
        self.labels = labels

    def predict(self, texts):
        return self.labels


# Oracle


def test_a_class_is_the_mean_of_its_keywords_and_the_nearest_wins():
    encoder = Table(
        {"east": (1, 0), "north": (0, 1), "west": (-1, 0), "near east": (0.8, 0.6), "north-west": (-0.6, 0.8)}
    )
    classifier = SimilarityClassifier(encoder, {"A": ["east", "north"], "B": ["west"]})
    # m_A = ((1, 0) + (0, 1)) / 2 = (0.5, 0.5), m_B = (-1, 0)
    assert classifier.vectors == pytest.approx(np.array([[0.5, 0.5], [-1, 0]]))
    # cos((0.5, 0.5), (0.8, 0.6)) = 0.7 / 0.70710678 = 0.98994949; cos(m_B, x) = -0.8
    # cos((0.5, 0.5), (-0.6, 0.8)) = 0.1 / 0.70710678 = 0.14142136; cos(m_B, x) = 0.6
    expected = np.array([[0.98994949, -0.8], [0.14142136, 0.6]])
    assert classifier.similarities(["near east", "north-west"]) == pytest.approx(expected, abs=1e-6)
    assert classifier.predict(["near east", "north-west"]) == ["A", "B"]


def test_joined_keywords_are_one_text_and_names_ignore_the_keywords():
    encoder = Table({"sun rain": (0, 1), "snow": (1, 0), "x": (1, 1), "weather": (1, 0), "winter": (0, 1)})
    described = {"weather": ["sun", "rain"], "winter": ["snow"]}
    assert SimilarityClassifier(encoder, described, pooling="joined").vectors.tolist() == [[0, 1], [1, 0]]
    assert SimilarityClassifier(encoder, described, pooling="name").vectors.tolist() == [[1, 0], [0, 1]]


def test_long_keyword_vectors_outweigh_short_ones_only_without_normalising():
    encoder = Table({"long": (8, 0), "short": (0, 1), "other": (1, 1), "x": (0, 1)})
    described = {"A": ["long", "short"], "B": ["other"]}
    # lengths 8 and 1: ((1, 0) + (0, 1)) / 2 = (0.5, 0.5), or ((8, 0) + (0, 1)) / 2 = (4, 0.5)
    assert SimilarityClassifier(encoder, described).vectors[0] == pytest.approx([0.5, 0.5])
    assert SimilarityClassifier(encoder, described, normalize=False).vectors[0] == pytest.approx([4, 0.5])


def test_equal_similarities_and_zero_vectors_go_to_the_first_class():
    encoder = Table({"a": (1, 0), "b": (0, 1), "between": (1, 1), "nothing": (0, 0)})
    assert SimilarityClassifier(encoder, {"a": [], "b": []}, pooling="name").predict(["between", "nothing"]) == [
        "a",
        "a",
    ]
    assert SimilarityClassifier(encoder, {"b": [], "a": []}, pooling="name").predict(["between", "nothing"]) == [
        "b",
        "b",
    ]


def test_a_keyword_given_twice_counts_twice():
    encoder = Table({"east": (1, 0), "north": (0, 1), "west": (-1, 0)})
    # ((1, 0) + (1, 0) + (0, 1)) / 3
    vectors = SimilarityClassifier(encoder, {"A": ["east", "east", "north"], "B": ["west"]}).vectors
    assert vectors[0] == pytest.approx([2 / 3, 1 / 3])


def test_averaged_word_vectors_are_the_same_classifier_over_a_token_table():
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "ball": 1, "goal": 2, "bank": 3, "share": 4}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.array([[0, 0], [1, 0], [1, 0.2], [0, 1], [0.2, 1]], np.float32)
    classifier = SimilarityClassifier(StaticEncoder(table, words), {"sport": ["ball"], "money": ["bank"]})
    # means: (1, 0.1), (0.1, 1)
    assert classifier.predict(["goal ball", "share bank"]) == ["sport", "money"]


def test_latent_semantic_analysis_is_the_singular_value_decomposition_of_tf_idf():
    texts = ["cats purr and cats sleep", "dogs sleep", "shares fall", "shares rise and banks fall", "banks rise"]
    encoder = LsaEncoder.fit(texts, dim=3)
    rows = encoder.lexical.encode(texts).astype(float)
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    expected = left[:, :3] * values[:3]
    found = encoder.encode(texts, normalize=False)
    assert found @ found.T == pytest.approx(expected @ expected.T, abs=1e-5)  # directions have no sign, products have


def test_latent_semantic_analysis_finds_words_that_share_no_text():
    texts = ["boat sail", "sail ship", "ship boat", "loan bank", "bank credit", "credit loan"] * 2
    classifier = SimilarityClassifier(LsaEncoder.fit(texts, dim=2), {"sea": ["boat"], "money": ["loan"]})
    assert classifier.predict(["sail ship", "bank credit"]) == ["sea", "money"]


def test_macro_f1_by_hand():
    # gold a a a b b c, given a a b b c c: a 2 * 2 / (2 + 3) = 0.8, b 2 * 1 / (2 + 2) = 0.5, c 2 * 1 / (2 + 1) = 2/3
    found = compare(list("123456"), list("aaabbc"), {"it": Fixed(list("aabbcc"))}, samples=10, rounds=10)
    (score,) = found.scores
    assert score.per_class == pytest.approx({"a": 0.8, "b": 0.5, "c": 2 / 3})
    assert score.macro_f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert score.accuracy == pytest.approx(4 / 6)
    assert found.classes == {"a": 3, "b": 2, "c": 1}
    assert found.differences == ()


def test_the_p_value_of_few_documents_is_close_to_that_of_all_exchanges():
    gold, one, other = list("aabbaabb"), list("aabbaaba"), list("bbaaaabb")
    # every one of the 2^8 exchanges of labels, document by document
    observed = abs(_f1(gold, one) - _f1(gold, other))
    reached = 0
    for exchange in itertools.product([False, True], repeat=8):
        first = [b if turn else a for a, b, turn in zip(one, other, exchange, strict=True)]
        second = [a if turn else b for a, b, turn in zip(one, other, exchange, strict=True)]
        reached += abs(_f1(gold, first) - _f1(gold, second)) >= observed - 1e-12
    found = compare(gold, gold, {"one": Fixed(one), "other": Fixed(other)}, rounds=20_000, samples=10)
    assert found.differences[0].p == pytest.approx(reached / 2**8, abs=0.015)
    assert found.differences[0].difference == pytest.approx(_f1(gold, one) - _f1(gold, other))


def test_holm_corrects_over_all_pairs():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 200)
    noisy = {f"{share}": Fixed(np.where(rng.random(200) < share, 1 - gold, gold)) for share in (0.1, 0.2, 0.45)}
    found = compare([""] * 200, gold.tolist(), noisy, samples=10, rounds=500).differences
    ps, adjusted = [d.p for d in found], [d.p_adjusted for d in found]
    assert min(adjusted) == pytest.approx(3 * min(ps))
    assert all(a >= p for a, p in zip(adjusted, ps, strict=True))


def _f1(gold, predicted):
    return f1_score(gold, predicted, average="macro")


# Properties

labels = st.lists(st.sampled_from("abcd"), min_size=1, max_size=40)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_scores_are_those_of_scikit_learn(data):
    gold = data.draw(labels)
    predicted = data.draw(st.lists(st.sampled_from("abcd"), min_size=len(gold), max_size=len(gold)))
    (score,) = compare(gold, gold, {"it": Fixed(predicted)}, labels="abcd", samples=3, rounds=3).scores
    assert score.macro_f1 == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert score.accuracy == pytest.approx(accuracy_score(gold, predicted))
    known = sorted(set(gold) | set(predicted))
    assert score.per_class == pytest.approx(dict(zip(known, f1_score(gold, predicted, average=None), strict=True)))


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_permuting_rows_permutes_predictions_and_the_order_of_classes_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    names = [*"ABC", *"012345"]
    encoder = Table(dict(zip(names, map(tuple, rng.standard_normal((9, 4))), strict=True)))
    texts = list("012345")
    predicted = SimilarityClassifier(encoder, dict.fromkeys("ABC", ()), pooling="name").predict(texts)
    turned = SimilarityClassifier(encoder, dict.fromkeys("CAB", ()), pooling="name")
    assert turned.predict([texts[place] for place in order]) == [predicted[place] for place in order]


@given(st.floats(0.01, 100))
@settings(deadline=None, max_examples=20)
def test_the_length_of_a_document_does_not_matter(scale):
    vectors = {"A": (1.0, 0.2), "B": (0.1, 1.0), "x": (0.7, 0.5)}
    plain = SimilarityClassifier(Table(vectors), {"A": [], "B": []}, pooling="name").similarities(["x"])
    vectors["x"] = (0.7 * scale, 0.5 * scale)
    scaled = SimilarityClassifier(Table(vectors), {"A": [], "B": []}, pooling="name").similarities(["x"])
    assert scaled == pytest.approx(plain, abs=1e-6)


def test_a_comparison_is_the_same_again_and_its_intervals_hold_its_scores():
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 3, 300).tolist()
    made = {"a": Fixed(np.where(rng.random(300) < 0.3, 0, gold)), "b": Fixed(np.where(rng.random(300) < 0.3, 1, gold))}
    one, two = (asdict(compare([""] * 300, gold, made, samples=200, rounds=200)) for _ in range(2))
    for found in (one, two):
        for score in found["scores"]:
            score.pop("documents_per_second")
            assert score["macro_f1_interval"][0] < score["macro_f1"] < score["macro_f1_interval"][1]
            assert score["accuracy_interval"][0] < score["accuracy"] < score["accuracy_interval"][1]
    assert one == two


def test_a_classifier_does_not_differ_from_itself():
    gold = list("abab")
    same = compare(gold, gold, {"a": Fixed(gold), "b": Fixed(gold)}, samples=10, rounds=10).differences[0]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_a_class_that_nobody_has_or_was_given_has_no_f1():
    assert np.isnan(class_f1(np.array([0, 0]), np.array([0, 1]), 3)).tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["keywords.yaml", "keywords.json"])
def test_keywords_come_back_from_both_formats(name, tmp_path):
    path = tmp_path / name
    yaml_text = "Sports: [football, tennis]\nWorld: politics\n'Größe': ['no']\n"
    held = {"Sports": ["football", "tennis"], "World": ["politics"], "Größe": ["no"]}
    path.write_text(yaml_text if name.endswith("yaml") else json.dumps({**held, "World": "politics"}), encoding="utf-8")
    assert read_keywords(path) == held


# Faults


def test_a_label_outside_the_gold_labels_is_named():
    with pytest.raises(DataError, match=r"'odd' gave text 1 the label 'c', which is none of \['a', 'b'\]"):
        compare(["x", "y"], ["a", "b"], {"odd": Fixed(["a", "c"])})


def test_a_label_that_gold_lacks_can_be_declared():
    (score,) = compare(["x", "y"], ["a", "b"], {"it": Fixed(["a", "c"])}, labels=["a", "b", "c"], samples=5).scores
    assert score.macro_f1 == pytest.approx(1 / 3)  # a 1, b 0, c 0


@pytest.mark.parametrize(
    ("texts", "gold", "classifiers", "said"),
    [
        (["x"], ["a", "b"], {"it": Fixed(["a"])}, "1 text and 2 gold labels"),
        ([], [], {"it": Fixed([])}, "no texts"),
        (["x", "y"], ["a", None], {"it": Fixed("ab")}, "gold label of text 1 is None"),
        (["x", "y"], ["a", float("nan")], {"it": Fixed("ab")}, "gold label of text 1 is nan"),
        (["x", "y"], ["a", "b"], {"it": Fixed(["a"])}, "'it' gave 1 label for 2 texts"),
    ],
)
def test_unfit_data_is_refused(texts, gold, classifiers, said):
    with pytest.raises(DataError, match=said):
        compare(texts, gold, classifiers)


@pytest.mark.parametrize(
    ("texts", "classifiers", "options", "said"),
    [
        ("x", {"it": Fixed("a")}, {}, "one string"),
        (["x"], {}, {}, "no classifiers"),
        (["x"], {"it": 3}, {}, "'it' is int, which has no predict"),
        (["x"], {"it": Fixed("a")}, {"samples": 0}, "samples=0"),
    ],
)
def test_wrong_calls_are_refused(texts, classifiers, options, said):
    with pytest.raises(UsageError, match=said):
        compare(texts, ["a"], classifiers, **options)


def test_gold_outside_the_declared_labels_is_named():
    with pytest.raises(DataError, match="The gold label 'b' is not among the labels"):
        compare(["x"], ["b"], {"it": Fixed(["a"])}, labels=["a"])


@pytest.mark.parametrize(
    ("descriptions", "options", "error", "said"),
    [
        ({"a": ["x"]}, {}, UsageError, "leaves nothing to choose"),
        ({"a": "x", "b": ["y"]}, {}, UsageError, "The keywords of 'a' are one string"),
        ({"a": ["x"], "b": []}, {}, DataError, "class 'b' has no keywords"),
        ({"a": ["x"], "b": ["y"]}, {"pooling": "max"}, UsageError, "no pooling 'max'"),
        ({"a": ["x"], "b": ["nothing"]}, {}, DataError, "knows no word that describes 'b'"),
    ],
)
def test_descriptions_that_cannot_be_used_are_named(descriptions, options, error, said):
    encoder = Table({"x": (1, 0), "y": (0, 1), "nothing": (0, 0)})
    with pytest.raises(error, match=said):
        SimilarityClassifier(encoder, descriptions, **options)


def test_more_directions_than_texts_are_refused():
    with pytest.raises(UsageError, match="dim=9 is not possible for 2 texts with 3 terms"):
        LsaEncoder.fit(["a b", "b c"], dim=9)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("k.yaml", "a: [x]\na: [y]\n", "'a' is given twice"),
        ("k.json", '{"a": ["x"], "a": ["y"]}', "'a' is given twice"),
        ("k.yaml", "a: [x, no]\n", "keyword of 'a' False is bool"),
        ("k.yaml", "1: [x]\n", "label 1 is int"),
        ("k.yaml", "? [a]\n: [x]\n", r"label \['a'\] is list"),
        ("k.yaml", "a: []\n", "'a' has no list of keywords"),
        ("k.json", '{"a": {"b": "c"}}', "'a' has no list of keywords"),
        ("k.yaml", "a:\n", "'a' has no list of keywords"),
        ("k.yaml", "a: [' ']\n", "a keyword of 'a' is empty"),
        ("k.yaml", "- a\n- b\n", "does not hold a mapping"),
        ("k.json", '["a"]', "does not hold an object"),
        ("k.yaml", "a: [x\n", "is no YAML"),
        ("k.yaml", "a: \x00\n", "is no YAML"),
        ("k.json", "{", "is not JSON"),
        ("k.yaml", "", "holds no labels"),
        ("k.json", "{}", "holds no labels"),
    ],
)
def test_a_faulty_keywords_file_says_what_is_wrong(name, text, said, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_keywords(tmp_path / name)


def test_a_keywords_file_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_keywords(tmp_path / "none.yaml")
    (tmp_path / "k.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match="not UTF-8"):
        read_keywords(tmp_path / "k.yaml")


# The page


def test_the_example_of_the_page_runs(tmp_path):
    (example,) = blocks("docs/systems/lbl2transformervec.md")
    printed = run(example, tmp_path)
    assert [line.split()[0] for line in printed.splitlines()[:3]] == ["names", "keywords", "token"]
