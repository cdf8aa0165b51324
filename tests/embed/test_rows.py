import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.records import Document
from vecloom.embed.rows import Limits, ahead, as_row, buffers, digest


def texts(*all_of_them):
    return [Document(id=str(i), text=text) for i, text in enumerate(all_of_them)]


def sizes(documents, limits):
    return [[row.text for row in rows] for rows in buffers(documents, limits)]


def test_a_buffer_ends_at_its_number_of_texts():
    assert sizes(texts("a", "b", "c", "d", "e"), Limits(2, 100)) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_buffer_ends_before_it_has_too_many_characters():
    # 3+2 = 5 fits, +1 does not; a text that is too long by itself stands alone
    assert sizes(texts("aaa", "bb", "c", "dddddddd", "e"), Limits(9, 5)) == [["aaa", "bb"], ["c"], ["dddddddd"], ["e"]]


@given(st.lists(st.text(max_size=6), max_size=30), st.integers(1, 5), st.integers(1, 12))
def test_buffers_keep_every_text_in_order_and_respect_both_limits(words, number, characters):
    gathered = sizes(texts(*words), Limits(number, characters))
    assert [text for rows in gathered for text in rows] == [as_row(d, with_fields=False).text for d in texts(*words)]
    assert all(0 < len(rows) <= number for rows in gathered)
    assert all(sum(map(len, rows)) <= characters for rows in gathered if len(rows) > 1)


def test_the_title_stands_before_the_text():
    assert as_row(Document(id="1", title="Head", text="body"), with_fields=False).text == "Head body"


@pytest.mark.parametrize("text", ["# Head\nbody", "Head\n====\nbody", "====\nHead\n====\nbody", "\n\nHead"])
def test_a_title_that_is_the_first_line_is_not_said_twice(text):
    assert as_row(Document(id="1", title="Head", text=text), with_fields=False).text == text


def test_a_text_that_only_begins_like_the_title_keeps_both():
    row = as_row(Document(id="1", title="Head", text="Headlong he ran"), with_fields=False)
    assert row.text == "Head Headlong he ran"


def test_lone_surrogates_become_replacement_characters_and_emoji_stay():
    row = as_row(Document(id="x\udc80", text="a\ud800b 😀", fields={"f": "\udfff"}), with_fields=True)
    assert (row.id, row.text, row.fields) == ("x�", "a�b 😀", '{"f": "�"}')


def test_fields_without_a_json_number_become_null():
    row = as_row(Document(id="1", text="", fields={"a": float("nan"), "b": float("inf"), "c": 1.5}), with_fields=True)
    assert row.record(with_text=False, with_fields=True)["fields"] == {"a": None, "b": None, "c": 1.5}


@pytest.mark.parametrize("change", [{"id": "z"}, {"text": "z"}, {"source": "z"}, {"position": 9}, {"fields": {"z": 1}}])
def test_the_digest_sees_every_column(change):
    base = {"id": "a", "text": "b", "source": "c", "position": 1, "fields": {"d": 2}}
    rows = [[as_row(Document(**{**base, **more}), with_fields=True)] for more in ({}, change)]
    assert digest(rows[0]) != digest(rows[1])


def test_ahead_gives_the_items_in_order():
    assert list(ahead(range(50))) == list(range(50))


def test_ahead_raises_the_readers_error_after_the_items_before_it():
    def items():
        yield 1
        raise LookupError("line 2")

    reader = ahead(items())
    assert next(reader) == 1
    with pytest.raises(LookupError, match="line 2"):
        next(reader)


def test_ahead_reads_no_more_than_its_depth_and_stops_when_closed():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    reader = ahead(items(), depth=1)
    next(reader)
    time.sleep(0.3)
    assert len(taken) <= 3  # one given out, one waiting, one in the reader's hand
    reader.close()
    for thread in threading.enumerate():
        if thread.name == "vecloom-read":
            thread.join(5)
            assert not thread.is_alive()


def test_a_title_alone_is_what_is_encoded():
    assert as_row(Document(id="1", title="Head", text=""), with_fields=False).text == "Head"
    assert as_row(Document(id="1", title="Head", text=" \n"), with_fields=False).text == "Head"


def test_a_title_is_shortened_before_a_text_and_whole_without_one():
    def shorten(title):
        return title[:4]

    assert (
        as_row(Document(id="1", title="Headline", text="body"), with_fields=False, shorten=shorten).text == "Head body"
    )
    assert as_row(Document(id="1", title="Headline", text=""), with_fields=False, shorten=shorten).text == "Headline"
