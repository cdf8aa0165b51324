import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.text import fold
from vecloom.text.folding import fold_long


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Poincaré", "poincare"),
        ("Poincare\u0301", "poincare"),  # decomposed
        ("STRASSE", "Straße"),
        ("İstanbul", "istanbul"),
        ("ISTANBUL", "ıstanbul"),
        ("Øre", "ore"),
        ("Łódź", "lodz"),
        ("ﬁne", "fine"),
        ("ＡＢＣ１", "abc1"),
        ("Ἀθῆναι", "αθηναι"),
        ("ΟΔΟΣ", "οδός"),
        ("ёлка", "ЕЛКА"),
        ("за\u0301мок", "замок"),  # a stress mark
        ("שָׁלוֹם", "שלום"),
        ('צה"ל', "צהל"),
        ("مُحَمَّد", "محمد"),
        ("مـحـمـد", "محمد"),
        ("أحمد", "احمد"),
        ("کتاب", "كتاب"),  # Persian kaf
        ("क़लम", "कलम"),
        ("२०२४", "2024"),
        ("٢٠٢٤", "2024"),
        ("ｶﾞ", "ガ"),
        ("か\u3099", "が"),
        ("각", "\u1100\u1161\u11a8"),
        ("exam\u00adple", "example"),
        ("می\u200cخواهم", "ميخواهم"),
        ("漢\ufe00字", "漢字"),
        ("1\ufe0f\u20e3", "1"),
    ],
)
def test_spellings_of_one_word_are_one(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("бойни", "боини"),  # й is a letter, not an accent
        ("її", "іі"),
        ("कि", "क"),  # a vowel sign
        ("क्", "क"),  # a virama
        ("か", "が"),
        ("กา", "ก"),
        ("য়", "য"),  # in Bengali the dot makes another letter
        ("ќ", "к"),
    ],
)
def test_what_tells_words_apart_stays(one, other):
    assert fold(one) != fold(other)


def test_a_character_has_one_form_composed_or_not_and_once_or_twice():
    for code in [*range(0xD800), *range(0xE000, 0x30000)]:
        letter = chr(code)
        form = fold_long(letter)
        assert fold_long(form) == form, hex(code)
        assert fold_long(unicodedata.normalize("NFD", letter)) == form, hex(code)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_the_normal_form_is_idempotent_and_blind_to_composition_and_case(text):
    form = fold(text)
    assert fold(form) == form
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(text.casefold()) == form
