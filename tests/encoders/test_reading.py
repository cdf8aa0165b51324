import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer

from vecloom.encoders.reading import Reading, reading
from vecloom.text import word_count


@pytest.fixture
def tokenizer():
    pieces = ["[UNK]", "the", "cat", "s", *(f"##{letter}" for letter in "atshk"), "k"]
    tokenizer = Tokenizer(WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def test_tokens_are_counted_by_the_word(tokenizer):
    assert reading(tokenizer, ["the cats"]) == Reading(1.5, 0.0)  # the, cat, ##s
    assert reading(tokenizer, ["skat", "the"]) == Reading(2.5, 0.0)  # s, ##k, ##a, ##t, the
    assert reading(tokenizer, ["the dog"]) == Reading(1.0, 0.5)


def test_without_a_tokenizer_or_a_word_nothing_is_known(tokenizer):
    assert reading(None, ["the"]) is None
    assert reading(tokenizer, ["", "..."]) is None


def test_what_is_spelled_or_unknown_is_not_familiar():
    assert Reading(1.2, 0.0).familiar == 1
    assert Reading(1.75, 0.0).familiar == pytest.approx(0.5)
    assert Reading(4.0, 0.0).familiar == 0
    assert Reading(1.0, 0.25).familiar == pytest.approx(0.5)
    assert Reading(1.0, 0.8).familiar == 0
    assert [Reading(*one).bad for one in ((3.5, 0.0), (1.0, 0.6), (2.0, 0.4))] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("one two", 2),
        ("东京塔很高", 2.5),
        ("ภาษาไทย", 7 / 4),
        ("猫", 1),
        ("người Việt Nam", 2),
        ("हिन्दी भाषा", 2),
        ("", 0),
    ],
)
def test_words_are_counted_as_readers_count_them(text, count):
    assert word_count(text) == pytest.approx(count)
