from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer

from vecloom.cli import unread
from vecloom.data import Document


@pytest.fixture
def encoder():
    pieces = ["[UNK]", "the", "cat", "sat", *"абв", *(f"##{letter}" for letter in "абв")]
    tokenizer = Tokenizer(WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return SimpleNamespace(name="small", tokenizer=tokenizer)


def test_a_model_that_reads_the_texts_is_not_mentioned(encoder):
    assert unread.told(encoder, ["the cat sat"]) == ""
    assert unread.told(SimpleNamespace(name="remote", tokenizer=None), ["абвабв абвабв абвабв"]) == ""


def test_a_model_that_spells_the_texts_is_named_with_what_would_help(encoder):
    note = unread.told(encoder, ["абвабв бабваб вабваб"])
    assert note.startswith("small can hardly read this language: it needs 6.0 tokens a word.")
    assert "multilingual model (-m)" in note
    assert "--mode keyword" in note


def test_a_model_that_knows_no_letter_is_named(encoder):
    assert "100% of its tokens are unknown to it" in unread.told(encoder, ["ไทย ไทย ไทย ภาษาไทยภาษาไทย"])


def test_a_lone_name_proves_nothing(encoder):
    assert unread.told(encoder, ["абвабв"]) == ""


def test_documents_pass_by_as_they_are():
    documents = [Document(id=str(n), text=f"text {n}") for n in range(150)]
    noted = unread.Noted(documents)
    assert list(noted) == documents
    assert noted.texts == [f"text {n}" for n in range(100)]
