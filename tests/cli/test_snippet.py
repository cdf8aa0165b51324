import click
from hypothesis import given
from hypothesis import strategies as st

from vecloom.cli import snippet


def test_short_words_are_not_worth_marking():
    assert snippet.words_of("read a CSV file, row by row") == ["read", "csv", "file", "row"]
    assert snippet.words_of("a b") == ["a", "b"]


def test_a_short_text_is_shown_whole_on_one_line():
    assert snippet.cut("one\n  two\tthree", ["two"], 40) == "one two three"


def test_a_long_text_is_cut_around_the_words_that_were_asked():
    text = "filler " * 40 + "csv " + "filler " * 40 + "read the csv row" + " filler" * 40
    shown = snippet.cut(text, ["read", "csv", "row"], 80)
    assert "read the csv row" in shown
    assert shown.startswith("…filler")
    assert shown.endswith("filler…")


def test_words_are_marked_also_where_they_go_on():
    bold = click.style("Reading", bold=True)
    assert snippet.mark("Reading thread", ["read"]) == f"{bold} thread"


@given(st.text(max_size=300), st.text(max_size=20), st.integers(20, 120))
def test_no_more_than_the_width_is_shown(text, query, width):
    assert len(snippet.cut(text, snippet.words_of(query), width)) <= width
