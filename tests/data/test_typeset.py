import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.formats import typeset
from vecloom.data.formats.typeset import CUT, Line


def whole(text, elsewhere=""):
    return typeset.whole_words(text, typeset.words([elsewhere, text]))


@pytest.mark.parametrize(
    ("cut", "elsewhere", "expected"),
    [
        (f"tempera{CUT}ture", "", "temperature"),
        (f"low{CUT}level", "a low-level thing", "low-level"),
        (f"low{CUT}level", "low-level, lowlevel and lowlevel", "lowlevel"),
        (f"over{CUT}flow", "to flow over", "over-flow"),  # both are words here, and the joined one is not
        (f"over{CUT}flow", "to flow over; an overflow", "overflow"),
        (f"in{CUT}put", "put it in", "input"),  # too short to be told from syllables
        (f"e{CUT}mail", "", "e-mail"),
        (f"Lotka{CUT}Volterra", "", "Lotka-Volterra"),
        (f"NA{CUT}TO", "", "NATO"),
        (f"COVID{CUT}19", "", "COVID-19"),
        (f"state-of{CUT}the-art", "", "state-of-the-art"),
        (f"two-dimen{CUT}sional", "a dimensional thing", "two-dimensional"),
        (f"Ge{CUT}schwindigkeit", "", "Geschwindigkeit"),
        (f"использо{CUT}вании", "", "использовании"),
        (f"end{CUT}", "", "end-"),
    ],
)
def test_a_hyphen_at_a_line_end_is_kept_in_compounds_only(cut, elsewhere, expected):
    assert whole(cut, elsewhere) == expected


def test_words_that_are_cut_say_nothing_of_other_words():
    # "repre" and "sentation" are not words of this document, however often they are cut
    assert whole(f"repre{CUT}sentation sentation{CUT}al repre{CUT}senting").startswith("representation ")


@given(st.text(alphabet="abC1 -\n.é" + CUT))
def test_no_mark_is_left_and_nothing_else_is_lost(text):
    made = whole(text)
    assert CUT not in made
    assert [c for c in made if c.isalnum()] == [c for c in text if c.isalnum()]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("e\ufb03cient \ufb02ow", "efficient flow"),
        ("tempera\u00adture", "temperature"),
        ("a\u00a0b\u2028c", "a b\nc"),
        ("x\x03\u200by", "xy"),
        ("½ ﷲ Å", "½ ﷲ Å"),  # these are letters and signs, not ligatures of a font
    ],
)
def test_ligatures_become_letters_and_fillers_go(printed, expected):
    assert typeset.letters(printed) == expected


@pytest.mark.parametrize(("accent", "letter", "expected"), [("¨", "u", "ü"), ("´", "ı", "í"), ("¨", "q", None)])
def test_an_accent_and_its_letter_are_one(accent, letter, expected):
    assert typeset.composed(accent, letter) == expected


def lines(*texts, left=72.0, right=300.0):
    return [Line(text, left, right, 700 - 12 * n, 700 - 12 * n, 10) for n, text in enumerate(texts)]


def test_ideographs_are_joined_without_a_space():
    assert typeset.paragraphs(lines("東京は日", "本の首都")) == "東京は日本の首都"
    assert typeset.paragraphs(lines("서울은", "수도다")) == "서울은 수도다"


def test_an_exponent_does_not_start_a_line():
    page = [Line("E = mc", 72, 110, 700, 700, 10), Line("2", 110, 114, 703, 703, 7), *lines("x", "y")[1:]]
    assert typeset.paragraphs(page).startswith("E = mc 2")


def test_turned_text_keeps_its_lines():
    page = [Line(text, 72 + 12 * n, 72 + 12 * n, 100, 300, 10) for n, text in enumerate("abc")]
    assert typeset.paragraphs(page) == "a\nb\nc"
