"""StaticEncoder: hand-worked means, then both file formats against the libraries that own them, then faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tests.encoders.conformance import check_encoder
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vecloom.encoders import token_bags
from vecloom.encoders.static import StaticEncoder
from vecloom.encoders.token_bags import Bagger, Bags, splits_at_spaces, tokenize
from vecloom.errors import ModelError, OutputError, UsageError

WORDS = ["[UNK]", "cat", "dog", "sat", "the", "un", "##happy", "a", "##a", ".", "é", "日"]


def word_pieces(extra: list[str] | None = None) -> Tokenizer:
    vocabulary = {word: place for place, word in enumerate([*WORDS, *(extra or [])])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def table(rows: int = len(WORDS), dim: int = 4) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((rows, dim)).astype(np.float32)


@pytest.fixture
def encoder() -> StaticEncoder:
    return StaticEncoder(table(), word_pieces(), name="tiny")


# Oracle


def test_a_vector_is_the_mean_of_its_tokens():
    rows = np.zeros((len(WORDS), 2), np.float32)
    rows[1], rows[2] = (3, 0), (0, 8)
    encoder = StaticEncoder(rows, word_pieces())
    # ((3, 0) + (3, 0) + (0, 8)) / 3 = (2, 2.667)
    assert encoder.encode(["cat dog cat"], normalize=False)[0] == pytest.approx([2, 8 / 3], rel=1e-6)
    # of length sqrt(4 + 64/9) = 10/3: (0.6, 0.8)
    assert encoder.encode(["cat dog cat"])[0] == pytest.approx([0.6, 0.8], rel=1e-6)


def test_weights_and_mapping_pick_and_scale_rows():
    rows = np.array([[1, 0], [0, 1]], np.float32)
    mapping = np.zeros(len(WORDS), np.int32)
    mapping[2] = 1
    weights = np.ones(len(WORDS), np.float32)
    weights[1], weights[2] = 2, 6
    encoder = StaticEncoder(rows, word_pieces(), weights=weights, mapping=mapping)
    # cat -> row 0 x 2, dog -> row 1 x 6: mean (1, 3)
    assert encoder.encode(["cat dog"], normalize=False)[0] == pytest.approx([1, 3])


def test_unknown_tokens_count_unless_they_are_skipped():
    rows = np.zeros((len(WORDS), 1), np.float32)
    rows[0], rows[1] = 5, 1
    # "zebra" is [UNK]: (1 + 5) / 2 = 3, or 1 alone
    assert StaticEncoder(rows, word_pieces()).encode(["cat zebra"], normalize=False)[0, 0] == pytest.approx(3)
    skipping = StaticEncoder(rows, word_pieces(), skip_unknown=True)
    assert skipping.encode(["cat zebra"], normalize=False)[0, 0] == pytest.approx(1)
    assert not skipping.encode(["zebra"]).any()


def test_texts_are_cut_at_max_length():
    rows = np.zeros((len(WORDS), 1), np.float32)
    rows[1], rows[2] = 1, 100
    encoder = StaticEncoder(rows, word_pieces(), max_length=2)
    assert encoder.encode(["cat cat dog", "cat dog"], normalize=False).ravel() == pytest.approx([1, 50.5])


def test_texts_without_tokens_have_the_zero_vector(encoder):
    assert not encoder.encode(["", "   ", "\ud800"]).any()


# Properties


def test_it_conforms(encoder):
    check_encoder(encoder)


ODD_CHARACTERS = st.sampled_from("aA é\u0301日.\t\n\u00a0\u2003\u0085\x00\x1c\u200d-'İßΣς\ud800\U0001f600")
ODD_TEXT = st.text(ODD_CHARACTERS, max_size=30) | st.lists(
    st.sampled_from(["the", "Cat", "unhappy", ".", "[UNK]", "sat.", ""])
).map(" ".join)


def local_tokenizers() -> dict[str, Tokenizer]:
    bert, cased, plain, marked, pairs = (word_pieces() for _ in range(5))
    cased.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    plain.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    marked.normalizer = normalizers.NFC()
    marked.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    pairs = Tokenizer(models.BPE({"a": 0, "A": 1, "aA": 2, ".": 3}, [("a", "A")]))
    pairs.normalizer = normalizers.NFD()
    pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits()]
    )
    return {"bert": bert, "cased": cased, "plain": plain, "marked": marked, "pairs": pairs}


@pytest.mark.parametrize("kind", list(local_tokenizers()))
@given(texts=st.lists(ODD_TEXT, max_size=6))
@settings(max_examples=150, deadline=None)
def test_remembered_words_give_the_tokenizers_own_ids(kind, texts):
    tokenizer = local_tokenizers()[kind]
    bagger = Bagger(tokenizer)
    assert bagger.remembers
    for _ in range(2):  # new words, then remembered ones
        ours, whole = bagger(texts), tokenize(tokenizer, texts)
        assert ours.ids.tolist() == whole.ids.tolist()
        assert ours.offsets.tolist() == whole.offsets.tolist()


def test_context_dependent_tokenizers_are_run_on_whole_texts():
    tokenizers = {}
    for scheme in ("first", "never"):
        tokenizers[f"metaspace {scheme}"] = word_pieces()
        tokenizers[f"metaspace {scheme}"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizers["mark before split"] = word_pieces()
    tokenizers["mark before split"].pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always", split=False), pre_tokenizers.WhitespaceSplit()]
    )
    tokenizers["bytes"] = word_pieces()
    tokenizers["bytes"].pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizers["replace"] = word_pieces()
    tokenizers["replace"].normalizer = normalizers.Replace(" ", "_")
    tokenizers["none"] = word_pieces()
    tokenizers["none"].pre_tokenizer = None
    tokenizers["two words"] = word_pieces()
    tokenizers["two words"].add_tokens(["the cat"])
    remembering = [name for name, tokenizer in tokenizers.items() if splits_at_spaces(json.loads(tokenizer.to_str()))]
    assert remembering == []


def test_a_context_dependent_tokenizer_encodes_too():
    tokenizer = word_pieces(["the cat"])
    tokenizer.add_tokens(["the cat"])
    encoder = StaticEncoder(table(len(WORDS) + 1), tokenizer)
    assert encoder.encode(["the cat"], normalize=False)[0] == pytest.approx(table(len(WORDS) + 1)[-1])
    check_encoder(encoder)


def test_forgetting_words_changes_nothing(monkeypatch):
    monkeypatch.setattr(token_bags, "MOST_WORDS", 2)
    texts = ["the cat sat", "a dog", "unhappy cat.", "the dog sat"]
    bagger = Bagger(word_pieces())
    for text in texts * 2:
        assert bagger([text]).ids.tolist() == word_pieces().encode(text).ids


def test_an_interrupt_between_noting_and_tokenising_is_repaired(monkeypatch):
    bagger = Bagger(word_pieces())

    def interrupted(*_: object) -> Bags:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(token_bags, "tokenize", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bagger(["the cat"])
    assert bagger(["cat the"]).ids.tolist() == word_pieces().encode("cat the").ids


def test_threads_share_an_encoder(encoder):
    texts = [" ".join(["cat", "dog", "sat", "the", "." * (i % 7)] * (1 + i % 3)) + str(i) for i in range(600)]
    expected = StaticEncoder(table(), word_pieces()).encode(texts)
    found = [np.empty(0)] * 4
    threads = [threading.Thread(target=lambda i=i: found.__setitem__(i, encoder.encode(texts))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(vectors, expected) for vectors in found)


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=6), st.integers(1, 4), st.integers(0, 3))
def test_bags_cut_and_drop_like_lists(rows, most, token):
    bags = Bags(np.array([item for row in rows for item in row], np.int32), np.cumsum([0, *map(len, rows)]))
    cut = bags.first(most).without(token)
    expected = [[item for item in row[:most] if item != token] for row in rows]
    assert [cut.ids[a:b].tolist() for a, b in zip(cut.offsets, cut.offsets[1:], strict=False)] == expected


def test_importing_loads_no_heavy_library():
    code = (
        "import sys\nfrom vecloom.encoders import static, distill, lexical, remote\n"
        "print({'torch', 'sklearn', 'scipy', 'httpx', 'tokenizers', 'safetensors'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# Formats

SENTENCES = ["The cat sat.", "unhappy dog zebra", "a a a cat", "日 é the", "Zebra the", "the " * 600 + "dog"]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("max_length", [3, 2**31 - 1])
def test_a_saved_model_is_the_same_in_sentence_transformers(tmp_path, normalize, max_length):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    encoder = StaticEncoder(table(), word_pieces(), normalize_default=normalize, max_length=max_length)
    encoder.save(tmp_path)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu").encode(SENTENCES)
    # 600 equal summands show float32's rounding
    assert np.allclose(theirs, encoder.encode(SENTENCES, normalize=normalize), rtol=2e-5, atol=1e-6)


def test_a_model_that_skips_unknown_tokens_has_the_same_directions_elsewhere(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model2vec = pytest.importorskip("model2vec")
    weights = np.linspace(0.5, 2, len(WORDS), dtype=np.float32)
    encoder = StaticEncoder(table(), word_pieces(), weights=weights, skip_unknown=True, max_length=512)
    encoder.save(tmp_path)
    ours = encoder.encode(SENTENCES)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu").encode(SENTENCES)
    assert (ours * theirs).sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.abs(model2vec.StaticModel.from_pretrained(tmp_path).encode(SENTENCES) - ours).max() < 1e-5


def test_what_is_saved_loads_to_the_same_encoder(tmp_path):
    encoder = StaticEncoder(
        table(),
        word_pieces(),
        weights=np.linspace(0.5, 2, len(WORDS), dtype=np.float32),
        skip_unknown=True,
        max_length=5,
        character_limit=40,
        prompts={"query": "the cat ", "document": ""},
    )
    encoder.save(tmp_path)
    loaded = StaticEncoder.load(tmp_path)
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.max_length == 5
    assert loaded.tokenizer.truncation is None
    for kind in ("query", "document"):
        assert np.abs(loaded.encode(SENTENCES, kind=kind) - encoder.encode(SENTENCES, kind=kind)).max() < 1e-6
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_fingerprint_survives_saving_and_tells_models_apart(tmp_path, encoder):
    encoder.save(tmp_path)
    assert StaticEncoder.load(tmp_path).fingerprint == encoder.fingerprint
    other = table()
    other[3, 0] += 1
    assert StaticEncoder(other, word_pieces()).fingerprint != encoder.fingerprint
    assert StaticEncoder(table(), word_pieces(), max_length=3).fingerprint != encoder.fingerprint
    assert StaticEncoder(table(), word_pieces(), prompts={"query": "cat "}).fingerprint != encoder.fingerprint


def test_sentence_transformers_own_directory_loads(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    modules = [StaticEmbedding(word_pieces(), embedding_weights=table()), Normalize()]
    model = sentence_transformers.SentenceTransformer(modules=modules, prompts={"query": "the "}, device="cpu")
    model.save(str(tmp_path), create_model_card=False)
    encoder = StaticEncoder.load(tmp_path)
    assert np.abs(model.encode(SENTENCES) - encoder.encode(SENTENCES)).max() < 1e-5
    query = model.encode_query(SENTENCES)
    assert np.abs(query - encoder.encode(SENTENCES, kind="query")).max() < 1e-5


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
@pytest.mark.parametrize("max_length", [512, 4, None])
def test_model2vec_directories_load_to_their_vectors(tmp_path, dtype, max_length, old):
    model2vec = pytest.importorskip("model2vec")
    values = (table() * 30).astype(dtype)
    model = model2vec.StaticModel(
        values, word_pieces(), {"model_type": "model2vec"}, normalize=True, max_length=max_length
    )
    model.save_pretrained(tmp_path)
    if old:  # written before model2vec added modules.json
        (tmp_path / "modules.json").unlink()
    encoder = StaticEncoder.load(tmp_path)
    texts = [*SENTENCES, "", "unhappyunhappy " * 40]
    expected = model.encode(texts)
    assert encoder.settings.normalized
    # model2vec rounds its result to the table's number type
    assert np.abs(encoder.encode(texts) - expected).max() < (2e-3 if dtype == np.float16 else 1e-5)


def test_a_quantised_vocabulary_loads_to_model2vecs_vectors(tmp_path):
    model2vec = pytest.importorskip("model2vec")
    mapping = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    weights = np.linspace(0.1, 3, len(WORDS))
    model = model2vec.StaticModel(table(3), word_pieces(), weights=weights, token_mapping=mapping)
    model.save_pretrained(tmp_path)
    encoder = StaticEncoder.load(tmp_path)
    assert not encoder.settings.normalized
    assert np.abs(encoder.encode(SENTENCES, normalize=False) - model.encode(SENTENCES)).max() < 1e-5


# Faults


BREAK = {
    "no table": lambda folder: (folder / "model.safetensors").unlink(),
    "torn table": lambda folder: os.truncate(folder / "model.safetensors", 100),
    "other tensors": lambda folder: save_file({"x": table()}, folder / "model.safetensors"),
    "small table": lambda folder: save_file({"embedding.weight": table(3)}, folder / "model.safetensors"),
    "flat table": lambda folder: save_file({"embedding.weight": table()[0]}, folder / "model.safetensors"),
    "nan": lambda folder: save_file({"embedding.weight": table() * np.nan}, folder / "model.safetensors"),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "bad tokenizer": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "bad modules": lambda folder: (folder / "modules.json").write_text('{"a": 1}'),
    "torn modules": lambda folder: (folder / "modules.json").write_text('[{"idx'),
    "other modules": lambda folder: (folder / "modules.json").write_text('[{"type": "x.Transformer", "path": ""}]'),
    "no modules": lambda folder: (folder / "modules.json").unlink(),
}


@pytest.mark.parametrize("name", list(BREAK))
def test_a_broken_directory_is_named(tmp_path, encoder, name):
    encoder.save(tmp_path)
    BREAK[name](tmp_path)
    with pytest.raises(ModelError) as caught:
        StaticEncoder.load(tmp_path)
    assert caught.value.what


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="weights"):
        StaticEncoder(table(), word_pieces(), weights=np.ones(3))
    with pytest.raises(ModelError, match="outside"):
        StaticEncoder(table(), word_pieces(), mapping=np.full(len(WORDS), 99))
    with pytest.raises(UsageError, match="max_length"):
        StaticEncoder(table(), word_pieces(), max_length=0)


def test_a_place_that_cannot_be_written_is_named(tmp_path, encoder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        encoder.save(tmp_path / "file" / "model")


def test_items_that_are_not_text_are_named(encoder):
    with pytest.raises(UsageError, match="Text 1 is int"):
        encoder.encode(["a", 3])
