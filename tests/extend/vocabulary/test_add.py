import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.extend.vocabulary import kinds, models

import vecloom as vl
from vecloom.errors import DataError
from vecloom.extend.vocabulary.add import frequent_words, with_words
from vecloom.extend.vocabulary.resize import resize_vocabulary
from vecloom.extend.vocabulary.transfer import open_model

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
