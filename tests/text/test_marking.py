import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.text import marked
from vecloom.text.words import cluster_spans


@pytest.mark.parametrize(
    ("text", "query", "parts"),
    [
        ("Running the runs, not rung.", "run", ["Running", "runs"]),
        ("Zoë met Zoe\u0301", "zoe", ["Zoë", "Zoe\u0301"]),
        ("In the Café", "the cafe", ["Café"]),
        ("to be or not", "to be", ["to", "be"]),
        ("भारत में स्वतंत्रता दिवस", "स्वतंत्रता", ["स्वतंत्रता"]),
        ("தமிழ் மொழி இனிது", "மொழி", ["மொழி"]),
        ("ภาษาไทยเป็นภาษา", "ไทย", ["ไทย"]),
        ("น้ำตกไนแองการา", "น้ำตก", ["น้ำตก"]),
        ("我爱东京塔和京都", "东京", ["东京"]),
        ("一只猫", "猫", ["猫"]),
        ("黒猫と犬", "猫", ["猫"]),
        ("ｶﾞｲﾄﾞです", "ガイド", ["ｶﾞｲﾄﾞ"]),
        ("서울에서", "서울", ["서울에서"]),
        ("Die Häuser der Stadt sind nicht für das Haus", "haus", ["Häuser", "Haus"]),
        ("nothing here", "absent", []),
        ("", "x", []),
    ],
)
def test_whole_words_are_marked(text, query, parts):
    assert [text[start:end] for start, end in marked(text, query)] == parts


LETTERS = st.sampled_from(["a", "é", "e\u0301", "中", "京", "กิ่", "ข", "น้ำ", "が", "か\u3099", "가", " "])


@given(st.lists(LETTERS, max_size=30).map("".join), st.lists(LETTERS, max_size=8).map("".join))
def test_spans_are_in_order_and_cut_no_letter(text, query):
    borders = {border for span in cluster_spans(text) for border in span} | {0}
    last = 0
    for start, end in marked(text, query):
        assert last <= start < end
        assert {start, end} <= borders
        last = end
