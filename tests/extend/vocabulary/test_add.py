import json
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.extend.vocabulary import kinds, models

import vecloom as vl
from vecloom.errors import DataError
from vecloom.extend.vocabulary.add import frequent_words, savings, with_words
from vecloom.extend.vocabulary.resize import resize_vocabulary
from vecloom.extend.vocabulary.transfer import open_model
from vecloom.text import words as words_of

CORPUS = ["The aileron and the aileron of a fuselage", "aileron, Fuselage; dihedral"] * 5
NEW = ["aileron", "fuselage"]
WORDS = [*re.findall(r"\w+", " ".join(kinds.CORPUS[:4])), "ailerons", "subaileron", "aileron_2", "fusel"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("bert"))


def test_words_that_save_most_come_first():
    tokenizer = kinds.by_hand(
        {"[UNK]": 0, "ail": 1, "##er": 2, "##on": 3, "fuse": 4, "##lage": 5, "the": 6, "and": 7, "of": 8, "d": 9}
    )
    found = frequent_words(tokenizer, CORPUS, 5)
    # aileron 15 times in 3 pieces saves 30; fuselage 10 times in 2 saves 10; dihedral has no pieces
    assert [(word.text, word.count, word.pieces, word.saved) for word in found] == [
        ("aileron", 15, 3, 30), ("fuselage", 10, 2, 10),
    ]  # fmt: skip
    assert [word.text for word in frequent_words(tokenizer, CORPUS, 1)] == ["aileron"]


PIECES = [
    "[UNK]",
    "ail",
    "##er",
    "##on",
    "the",
    "हि",
    "##न्दी",
    "##न्",
    "में",
    "我",
    "爱",
    "东",
    "京",
    "看",
    "去",
    "塔",
    "##s",
    "'",
    "doesn",
]
MIXED = ["the aileron हिन्दी में"] * 5 + ["我爱东京", "看东京", "去东京", "看东京塔", "东京的塔", "ailerons हिन"]


def test_what_is_promised_is_what_the_new_tokenizer_saves():
    tokenizer = kinds.by_hand({piece: number for number, piece in enumerate(PIECES)}, strip_accents=False)
    found = frequent_words(tokenizer, MIXED, 9)
    # ailerons keeps its four pieces; हिन्दी is never cut before a vowel sign; 东京 is in five runs, in two pieces
    assert [(word.text, word.count, word.pieces, word.saved) for word in found] == [
        ("aileron", 5, 3, 10), ("हिन्दी", 5, 2, 5), ("东京", 5, 2, 5),
    ]  # fmt: skip
    assert tokens(tokenizer, MIXED) - tokens(with_words(tokenizer, [word.text for word in found]), MIXED) == 20


def tokens(tokenizer, texts):
    return sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)


HINDI = ["हिन्दी में विश्वविद्यालय की किताबें हैं, विश्वविद्यालय।", "विश्वविद्यालय की हिन्दी किताबें"] * 6
CHINESE = ["我爱东京塔，东京塔很高。", "去东京塔看大学", "大学在东京", "大学生在大学"] * 4
ENGLISH = ["It doesn't: snake_case, aileron_2 (aileron). Ailerons!", "an aileron, the flow's aileron; A350s"] * 6


@pytest.mark.parametrize("kind", ["byte-level", "wordpiece", "unigram", "sentencepiece-bpe", "marked-bpe"])
@pytest.mark.parametrize("texts", [HINDI, CHINESE, ENGLISH, [*HINDI, *CHINESE, *ENGLISH]])
@pytest.mark.parametrize("number", [1, 4, 50])
def test_the_promise_holds_for_every_kind_and_no_word_is_a_fragment(kind, texts, number):
    tokenizer = KNOWING[kind]
    found = frequent_words(tokenizer, texts, number)
    larger = with_words(tokenizer, [word.text for word in found])
    assert sum(word.saved for word in found) == tokens(tokenizer, texts) - tokens(larger, texts) > 0
    written = {word.lower() for text in texts for word in words_of(text)}
    runs = [word for word in written if word > "\u2e80"]
    for word in found:
        assert word.text.lower() in written or any(word.text in run for run in runs)
        assert word.text not in {"doesn", "snake", "case"}


def knowing(kind):
    """A tokenizer with all letters of the texts, which knows few of their words."""
    spelled = sorted({letter for text in [*HINDI, *CHINESE, *ENGLISH] for letter in text if not letter.isspace()})
    made = kinds.KINDS[kind]()
    if kind == "byte-level":
        return made
    rules = json.loads(made.to_str())
    if kind == "wordpiece":
        rules["normalizer"].update(strip_accents=False)
    known = rules["model"]["vocab"]
    for letter in spelled:
        for piece in [letter, "##" + letter] if kind in ("wordpiece", "marked-bpe") else [letter]:
            if kind == "unigram" and piece not in [row[0] for row in known]:
                known.append([piece, -12.0])
            elif kind != "unigram":
                known.setdefault(piece, len(known))
    return type(made).from_str(json.dumps(rules))


KNOWING = {kind: knowing(kind) for kind in sorted(set(kinds.KINDS) - {"word-level"})}


def test_an_uncased_tokenizer_that_drops_vowel_signs_is_given_the_whole_word():
    pieces = ["[UNK]", "ह", "##िन", "##न", "##द", "##िद", "##ी", "ि"]
    tokenizer = kinds.by_hand({piece: number for number, piece in enumerate(pieces)})
    found = frequent_words(tokenizer, ["हिन्दी"] * 5, 1)
    assert found[0].text == "हिन्दी"
    assert found[0].saved == tokens(tokenizer, ["हिन्दी"] * 5) - 5


def test_a_run_is_not_offered_where_it_would_lose_a_mark():
    tokenizer = KNOWING["byte-level"]
    assert [word.text for word in frequent_words(tokenizer, ["มาดี"] * 5, 5)] == ["มาดี"]
    with pytest.raises(DataError):
        frequent_words(tokenizer, ["มาดี"] * 5 + ["มาดี้"], 5)


def test_a_sentence_that_is_there_often_does_not_become_a_word():
    texts = ["我爱东京塔", "去东京大学看东京塔", "看东京塔", "拉面"] * 6
    found = [word.text for word in frequent_words(KNOWING["byte-level"], texts, 9)]
    assert sorted(found) == ["东京塔", "拉面"]


def test_a_run_with_an_unknown_letter_is_not_offered():
    tokenizer = kinds.by_hand({"[UNK]": 0, "东": 1, "京": 2})
    assert [word.text for word in frequent_words(tokenizer, ["东京", "东京塔"] * 5, 9)] == ["东京"]


def test_savings_are_counted_by_tokenising_twice():
    tokenizer = kinds.by_hand({"[UNK]": 0, "ail": 1, "##er": 2, "##on": 3, "the": 4})
    larger = with_words(tokenizer, ["aileron"])
    assert savings(tokenizer, larger, ["aileron"], ["the aileron the aileron", "the"]) == {"aileron": (2, 4)}


def test_words_that_are_whole_or_rare_are_none():
    tokenizer = kinds.by_hand({"[UNK]": 0, "aileron": 1})
    with pytest.raises(DataError, match="occurs 5 times"):
        frequent_words(tokenizer, CORPUS, 5)


@pytest.mark.parametrize("kind", sorted(set(kinds.KINDS) - {"word-level"}))
@settings(max_examples=80, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5))
def test_texts_without_a_new_word_are_cut_as_before(kind, words):
    text = " ".join(words)
    assume(not set(re.findall(r"\w+", text.lower())) & set(NEW))
    assert LARGER[kind].encode(text).ids == WHOLE[kind].encode(text).ids


WHOLE = {kind: make() for kind, make in kinds.KINDS.items()}
LARGER = {kind: with_words(made, NEW) for kind, made in WHOLE.items()}


@pytest.mark.parametrize("kind", sorted(set(kinds.KINDS) - {"word-level"}))
def test_a_new_word_is_one_token_between_others(kind):
    whole, larger = WHOLE[kind], LARGER[kind]
    assert larger.get_vocab_size() == whole.get_vocab_size() + 2
    found = larger.encode("the aileron of the wing", add_special_tokens=False)
    assert sum(token.strip() == "aileron" for token in found.tokens) == 1
    around = [token for token in found.tokens if token.strip() != "aileron"]
    assert around[0] == whole.encode("the", add_special_tokens=False).tokens[0]
    assert around[-1] == whole.encode("the wing", add_special_tokens=False).tokens[-1]


def test_capitals_are_found_where_the_tokenizer_lowers():
    assert "aileron" in LARGER["wordpiece"].encode("The AILERON!").tokens


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_rows_are_means_of_pieces_and_other_texts_keep_their_vectors(family, tmp_path):
    model = models.make(tmp_path / "made", family)
    done = resize_vocabulary(str(model), [text.lower() for text in CORPUS], tmp_path / "out", add=2)
    assert set(done.added) == set(NEW)
    assert (done.removed, done.parameters) == (0, 2 * 16)
    assert done.per_text[1] < done.per_text[0]
    before, after = open_model(str(model)), open_model(str(tmp_path / "out"))
    pieces = before.tokenizer.encode("the aileron", add_special_tokens=False).ids
    pieces = pieces[len(before.tokenizer.encode("the", add_special_tokens=False).ids) :]
    row = after.tables().rows[after.tokenizer.token_to_id("aileron")]
    assert row == pytest.approx(before.tables().rows[pieces].mean(0), abs=1e-6)
    texts = [*kinds.CORPUS[:4], "ailerons"]
    for backend in ("openvino", "torch"):
        one, other = (
            vl.load(folder, backend=backend, precision="f32").encode(texts) for folder in (model, tmp_path / "out")
        )
        assert np.abs(one - other).max() == 0


def test_the_stock_loader_cuts_alike(bert, tmp_path):
    from sentence_transformers import SentenceTransformer

    resize_vocabulary(str(bert), CORPUS, tmp_path / "out", add=2)
    text = "The aileron, a fuselage and the wing"
    stock = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert stock.tokenizer(text)["input_ids"] == vl.load(tmp_path / "out").tokenizer.encode(text).ids
