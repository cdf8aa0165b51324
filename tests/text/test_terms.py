import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.text import query_stems, stems, terms
from vecloom.text.languages import LANGUAGES, STEMMERS, function_words


def test_a_run_without_blanks_gives_its_letters_and_each_two_neighbours():
    assert terms("東京都") == ["東", "京", "都", "東京", "京都"]
    assert terms("ภาษา") == ["ภ", "า", "ษ", "า", "ภา", "าษ", "ษา"]
    assert terms("ที่นี่") == ["ที่", "นี่", "ที่นี่"]  # marks stay with their letters
    assert terms("서울에서") == ["서", "울", "에", "서", "서울", "울에", "에서"]


def test_every_part_of_a_run_is_among_its_terms():
    long = set(terms("自然語言處理與機器學習"))
    assert set(terms("機器")) <= long
    assert set(terms("語")) <= long
    assert "與器" not in long


def test_words_keep_their_vowel_signs_and_viramas():
    assert terms("क्षत्रिय हिन्दी में") == ["क्षत्रिय", "हिन्दी", "में"]
    assert "तरिय" not in terms("क्षत्रिय")


def test_a_word_of_any_length_is_one_term():
    assert terms("превысокомногорассмотрительствующий") == ["превысокомногорассмотрительствующий"]
    assert terms("ა" * 200) == ["ა" * 200]


@pytest.mark.parametrize("border", ["-\n", "-\r\n", "\u2010\n  ", "- \n", "\u00ad\n"])
def test_a_word_cut_at_the_end_of_a_line_is_found_whole(border):
    assert "information" in terms(f"the infor{border}mation age")


def test_a_hyphen_before_a_capital_or_within_a_line_joins_nothing():
    assert "angloamerican" not in terms("Anglo-\nAmerican")
    assert terms("well-known") == ["well", "known"]


def test_ligatures_and_fractions_fall_into_the_terms_of_what_they_stand_for():
    assert terms("½ ﬁne ﷲ") == ["1", "2", "fine", "الله"]


@pytest.mark.parametrize(
    ("text", "language", "stem"),
    [
        ("cliché clichés cliches", "en", ["clich"] * 3),
        ("Häuser Hauser", "de", ["haus"] * 2),
        ("canciones cancion", "es", ["cancion"] * 2),
        ("книгами книга", "en", ["книг"] * 2),
        ("running", "vi", ["running"]),
        ("running", "", ["running"]),
    ],
)
def test_endings_go_by_language_or_script_after_accents(text, language, stem):
    assert stems(text, language) == stem


def test_a_query_looks_for_the_stems_of_all_languages_of_the_index():
    assert query_stems("Kinder", ["en", "de"]) == ["kinder", "kind"]
    assert query_stems("book", ["en", "de"]) == ["book"]


def test_stop_words_are_left_out_of_a_query_only_beside_other_words():
    assert query_stems("what is the price of it", ["en"]) == ["what", "price"]
    assert query_stems("to be or not to be", ["en"]) == ["to", "be", "or", "not", "to", "be"]
    assert query_stems("IT", ["en"]) == ["it"]
    assert query_stems("it budget", ["en"]) == ["budget"]
    assert query_stems("IT budget", ["en"]) == ["it", "budget"]
    assert query_stems("THE IT BUDGET", ["en"]) == ["budget"]
    assert query_stems("...", ["en"]) == []


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_terms_hold_no_blank_and_are_the_same_for_both_normal_forms(text):
    found = terms(text)
    assert not any(" " in term or not term for term in found)
    assert terms(unicodedata.normalize("NFD", text)) == terms(unicodedata.normalize("NFC", text))


def test_languages_that_can_be_stemmed_have_function_words():
    assert set(STEMMERS) <= set(LANGUAGES)
    assert all(len(function_words(name)) >= 25 for name in LANGUAGES)
