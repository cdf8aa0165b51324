import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.text import sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("See e.g. this, i.e. that. Then on.", ["See e.g. this, i.e. that.", "Then on."]),
        ('He said "go." She went.', ['He said "go."', "She went."]),
        ("Version 3.11 is out.", ["Version 3.11 is out."]),
        ("A title\n\nA text", ["A title", "A text"]),
        ("यह पहला वाक्य है। यह दूसरा वाक्य है।", ["यह पहला वाक्य है।", "यह दूसरा वाक्य है।"]),
        ("هل هذا سؤال؟ نعم. هذا جواب.", ["هل هذا سؤال؟", "نعم.", "هذا جواب."]),
        ("یہ پہلا جملہ ہے۔ یہ دوسرا ہے۔", ["یہ پہلا جملہ ہے۔", "یہ دوسرا ہے۔"]),
        ("ဒါက ပထမ။ ဒါက ဒုတိယ။", ["ဒါက ပထမ။", "ဒါက ဒုတိယ။"]),
        ("នេះជាមួយ។ នេះជាពីរ។", ["នេះជាមួយ។", "នេះជាពីរ។"]),
        ("Τι είναι αυτό; Ένα βιβλίο.", ["Τι είναι αυτό;", "Ένα βιβλίο."]),
        ("one; two; three", ["one; two; three"]),
        ("第一句。第二句！「第三句？」他说。", ["第一句。", "第二句！", "「第三句？」", "他说。"]),
        ("これはペンです。あれは本です。", ["これはペンです。", "あれは本です。"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_their_script_ends_them(text, parts):
    assert sentences(text) == parts


def test_thai_is_cut_at_blanks_into_pieces_that_are_not_too_short():
    first, second = "ก" * 70, "ข" * 30
    assert sentences(f"{first} {second} {second}") == [first, f"{second} {second}"]
    assert sentences(f"{second} {first}") == [f"{second} {first}"]


@given(st.text("aA .!?\n;。！।ก가", max_size=60))
def test_no_letter_is_lost(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
