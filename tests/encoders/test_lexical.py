"""LexicalEncoder: weights by hand and by scikit-learn, BM25 scores by hand, saving, faults."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from tests.encoders.conformance import check_encoder

from vecloom.encoders import lexical, lexical_format
from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.encoders.texts import all_readable, blocks, readable, unique
from vecloom.errors import DataError, ModelError, OutputError, UsageError

TEXTS = ["the cat sat on the mat", "a cat and a dog", "the dog barked", "the end"]
BM25 = LexicalSettings(weighting="bm25")
WORD = r"\b\w+\b"  # the same as a term in small English words without accents


def encoders() -> dict[str, LexicalEncoder]:
    letters = LexicalSettings(analyzer="char_wb", ngrams=(2, 3))
    return {
        "tfidf": LexicalEncoder.fit(TEXTS),
        "bm25": LexicalEncoder.fit(TEXTS, settings=BM25),
        "letters": LexicalEncoder.fit(TEXTS, settings=letters),
        "hashed": LexicalEncoder.hashed(512),
    }


# Oracle


def test_tfidf_by_hand():
    encoder = LexicalEncoder.fit(["cat dog", "cat cat"])
    # cat is in both texts: ln(3/3) + 1 = 1; dog in one: ln(3/2) + 1. Columns by falling frequency: cat, dog.
    assert encoder.encode(["cat cat dog"], normalize=False)[0] == pytest.approx([2, math.log(1.5) + 1])
    assert encoder.encode(["cat"], dim=1)[0] == pytest.approx([1])


def test_tfidf_is_scikit_learns():
    reference = TfidfVectorizer(token_pattern=WORD).fit(TEXTS)
    encoder = LexicalEncoder.fit(TEXTS)
    columns = [reference.vocabulary_[term] for term in encoder.statistics.terms]
    texts = ["the cat and the dog", "unseen words only", "mat mat mat the"]
    assert encoder.encode(texts) == pytest.approx(reference.transform(texts).toarray()[:, columns], abs=1e-6)


def test_bm25_scores_by_hand():
    texts = ["cat dog", "cat cat cat mouse", "bird"]
    encoder = LexicalEncoder.fit(texts, settings=LexicalSettings(weighting="bm25", k1=1.2, b=0.75))
    documents = encoder.encode(texts, normalize=False)
    queries = encoder.encode(["cat", "dog cat"], kind="query", normalize=False)
    # 3 texts, lengths 2, 4, 1, mean 7/3; idf(cat) = ln(1 + 1.5 / 2.5), idf(dog) = ln(1 + 2.5 / 1.5)
    cat, dog = math.log(1.6), math.log(8 / 3)
    first = 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / (7 / 3)))
    second = 3 / (3 + 1.2 * (0.25 + 0.75 * 4 / (7 / 3)))
    expected = [[cat * first, cat * second, 0], [(cat + dog) * first, cat * second, 0]]
    assert queries @ documents.T == pytest.approx(np.array(expected), rel=1e-6)


def test_hashed_columns_are_scikit_learns():
    reference = HashingVectorizer(n_features=64, token_pattern=WORD)
    assert LexicalEncoder.hashed(64).encode(TEXTS) == pytest.approx(reference.transform(TEXTS).toarray(), abs=1e-6)


def test_columns_are_sorted_by_frequency_and_can_be_limited():
    known = LexicalEncoder.fit(TEXTS).statistics
    assert known.terms[:3] == ("the", "cat", "dog")
    assert known.frequencies.tolist() == sorted(known.frequencies, reverse=True)
    assert LexicalEncoder.fit(TEXTS, most_terms=2).statistics.terms == ("the", "cat")
    assert LexicalEncoder.fit(TEXTS, min_texts=2).statistics.terms == ("the", "cat", "dog")


# Properties


@pytest.mark.parametrize("kind", list(encoders()))
def test_it_conforms(kind):
    check_encoder(encoders()[kind])


@pytest.mark.parametrize("kind", list(encoders()))
def test_sparse_and_dense_agree(kind):
    encoder = encoders()[kind]
    sparse = encoder.encode_sparse([*TEXTS, ""], kind="query")
    assert sparse.dtype == np.float32
    assert sparse.format == "csr"
    assert np.array_equal(sparse.toarray(), encoder.encode([*TEXTS, ""], kind="query"))
    assert encoder.encode_sparse([]).shape == (0, encoder.dim)


@given(st.lists(st.text(max_size=12), max_size=12), st.integers(1, 4), st.integers(1, 20))
def test_blocks_lose_nothing_and_keep_their_limits(texts, most, characters):
    found = list(blocks(texts, most, characters))
    assert [text for block in found for text in block] == texts
    assert all(block and len(block) <= most for block in found)
    assert all(len(block) == 1 or sum(map(len, block)) <= characters for block in found)


@given(st.lists(st.sampled_from(["a", "b", "", "c"])))
def test_unique_texts_and_places_rebuild_the_input(texts):
    different, places = unique(texts)
    assert len(set(different)) == len(different)
    assert texts == (different if places is None else [different[place] for place in places])


@given(st.text(st.characters()))
def test_readable_text_is_utf8_and_leaves_good_text_alone(text):
    with_surrogates = "\udfff" + text + "\ud800"
    assert all_readable([with_surrogates, text])[0].encode().decode() == readable(with_surrogates)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert all_readable([text]) == [text]
        assert readable(with_surrogates) == "\ufffd" + text + "\ufffd"


def test_surrogate_halves_are_joined():
    assert readable("\ud83d\ude00") == "😀"


# Saving


@pytest.mark.parametrize("kind", list(encoders()))
def test_what_is_saved_loads_to_the_same_encoder(kind, tmp_path):
    encoder = encoders()[kind]
    encoder.save(tmp_path)
    loaded = LexicalEncoder.load(tmp_path)
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.settings == encoder.settings
    assert np.array_equal(loaded.encode(TEXTS), encoder.encode(TEXTS))
    assert not any(path.suffix in {".pkl", ".joblib", ".bin"} for path in tmp_path.rglob("*"))


def test_fingerprints_tell_models_apart():
    prints = {encoder.fingerprint for encoder in encoders().values()}
    prints.add(LexicalEncoder.fit(TEXTS[:3]).fingerprint)
    prints.add(LexicalEncoder.hashed(256).fingerprint)
    assert len(prints) == 6


@pytest.mark.parametrize("kind", ["tfidf", "bm25", "hashed"])
def test_sentence_transformers_loads_it_when_told_to_trust(kind, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    encoder = encoders()[kind]
    encoder.save(tmp_path / "a")
    model = sentence_transformers.SentenceTransformer(str(tmp_path / "a"), trust_remote_code=True, device="cpu")
    normalize = kind != "bm25"
    assert model.encode_document(TEXTS) == pytest.approx(encoder.encode(TEXTS, normalize=normalize), abs=1e-6)
    queries = encoder.encode(TEXTS, kind="query", normalize=normalize)
    assert model.encode_query(TEXTS) == pytest.approx(queries, abs=1e-6)
    assert model.similarity_fn_name == ("cosine" if normalize else "dot")
    model.save(str(tmp_path / "b"), create_model_card=False)
    assert LexicalEncoder.load(tmp_path / "b").fingerprint == encoder.fingerprint


# Faults


def test_dense_vectors_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(lexical, "DENSE_LIMIT", 4 * 512 * 4)
    encoder = LexicalEncoder.hashed(512)
    assert encoder.encode(["a"] * 4).shape == (4, 512)
    with pytest.raises(UsageError, match="encode_sparse"):
        encoder.encode(["a"] * 5)
    assert encoder.encode(["a"] * 5, dim=100).shape == (5, 100)
    assert encoder.encode_sparse(["a"] * 5).shape == (5, 512)


def test_texts_without_words_cannot_be_fitted():
    with pytest.raises(DataError, match="no words"):
        LexicalEncoder.fit(["", "  ", "!!"])
    with pytest.raises(DataError, match="9 texts"):
        LexicalEncoder.fit(TEXTS, min_texts=9)
    with pytest.raises(DataError, match="no words"):
        LexicalEncoder.fit([])


def test_bad_settings_are_named():
    with pytest.raises(UsageError, match="ngrams"):
        LexicalSettings(ngrams=(2, 1))
    with pytest.raises(UsageError, match="b=2"):
        LexicalSettings(weighting="bm25", b=2)
    with pytest.raises(UsageError, match="hashed"):
        LexicalEncoder.fit(TEXTS, settings=LexicalSettings(weighting="count"))
    with pytest.raises(UsageError, match="fit"):
        LexicalEncoder.hashed(settings=BM25)
    with pytest.raises(UsageError, match="dim=0"):
        LexicalEncoder.hashed(0)
    with pytest.raises(UsageError, match="one string"):
        LexicalEncoder.fit("a text")


BREAK = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "another config": lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'),
    "no terms": lambda folder: (folder / "config.json").write_text(json.dumps({"format": lexical_format.FORMAT})),
    "no tensors": lambda folder: (folder / "model.safetensors").unlink(),
    "torn tensors": lambda folder: os.truncate(folder / "model.safetensors", 20),
}


@pytest.mark.parametrize("name", list(BREAK))
def test_a_broken_directory_is_named(name, tmp_path):
    encoders()["tfidf"].save(tmp_path)
    BREAK[name](tmp_path)
    with pytest.raises(ModelError, match=tmp_path.name):
        LexicalEncoder.load(tmp_path)


def test_terms_and_frequencies_must_fit(tmp_path):
    encoders()["tfidf"].save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["terms"].pop()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="terms"):
        LexicalEncoder.load(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        encoders()["hashed"].save(tmp_path / "file" / "model")


@pytest.mark.parametrize(
    ("texts", "query"),
    [
        (["स्वतंत्रता दिवस", "तरंग दैर्ध्य"], "स्वतंत्रता"),
        (["自然语言处理", "图像识别"], "语言"),
        (["การประมวลผลภาษา", "รูปภาพ"], "ภาษา"),
        (["日本の首都は東京です", "犬が好き"], "東京"),
        (["Poincaré", "Hilbert"], "poincare"),
        (["Việt Nam", "Viết thư"], "Việt"),
    ],
)
def test_words_of_every_script_are_found(texts, query):
    encoder = LexicalEncoder.fit(texts, settings=BM25)
    documents = encoder.encode(texts, normalize=False)
    scores = documents @ encoder.encode([query], kind="query", normalize=False)[0]
    assert scores[0] > scores[1]


def test_runs_of_terms_are_terms_too():
    encoder = LexicalEncoder.fit(["red green blue"], settings=LexicalSettings(ngrams=(1, 2)))
    assert set(encoder.statistics.terms) == {"red", "green", "blue", "red green", "green blue"}


def test_a_model_whose_words_were_cut_otherwise_is_refused(tmp_path):
    LexicalEncoder.fit(TEXTS).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": "vecloom-lexical-1"}))
    with pytest.raises(ModelError, match=r"format vecloom-lexical-1.*Fit it again"):
        LexicalEncoder.load(tmp_path)
