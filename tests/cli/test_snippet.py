import click
from hypothesis import given
from hypothesis import strategies as st

from vecloom.cli import snippet


def test_a_short_text_is_shown_whole_on_one_line():
    assert snippet.cut("one\n  two\tthree", "two", 40) == "one two three"


def test_a_long_text_is_cut_around_the_words_that_were_asked():
    text = "filler " * 40 + "csv " + "filler " * 40 + "read the csv row" + " filler" * 40
    shown = snippet.cut(text, "read a csv row", 80)
    assert "read the csv row" in shown
    assert shown.startswith("…filler")
    assert shown.endswith("filler…")


def test_words_are_marked_with_their_endings():
    bold = click.style("Reading", bold=True)
    assert snippet.mark("Reading thread", "read") == f"{bold} thread"


@given(st.text(max_size=300), st.text(max_size=20), st.integers(20, 120))
def test_no_more_than_the_width_is_shown(text, query, width):
    assert len(snippet.cut(text, query, width)) <= width


def test_a_chinese_text_is_cut_around_the_words_that_were_asked():
    text = "填" * 200 + "东京塔" + "充" * 200
    shown = snippet.cut(text, "东京", 60)
    assert "东京塔" in shown
    assert snippet.mark("看东京塔", "东京") == f"看{click.style('东京', bold=True)}塔"
