"""Front matter of Markdown, in YAML and TOML."""

from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.formats.front_matter import MAX_CHARS, front_matter, title_of


def fields(block):
    found = front_matter(f"---\n{block}\n---\nText.")
    assert (found.text, found.wrong) == ("Text.", "")
    return found.fields


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("title: >-\n  How to sharpen\n  a knife", {"title": "How to sharpen a knife"}),
        ("about: |\n  Angles\n  and stones.", {"about": "Angles\nand stones.\n"}),
        ("date: 2024-05-01 # written", {"date": "2024-05-01"}),
        ("# by hand\ntitle: Tea", {"title": "Tea"}),
        ("\"title\": 'It''s: tea'", {"title": "It's: tea"}),
        ('title: "a\\tb \\u00e9"', {"title": "a\tb é"}),
        ("a: 'x # y'\nb: x#y", {"a": "x # y", "b": "x#y"}),
        ("url: https://example.org/a:b", {"url": "https://example.org/a:b"}),
        ("a:\nb: ~\nc: null\nd: ''", {"a": None, "b": None, "c": None, "d": ""}),
        ("a: true\nb: False\nc: 'true'\nd: yes\ne: off", {"a": True, "b": False, "c": "true", "d": "yes", "e": "off"}),
        ("n: 2021\nx: 0.5\ny: -3", {"n": 2021, "x": 0.5, "y": -3}),
        (
            "a: 1.10\nb: 012\nc: 1_000\nd: 1e5\ne: 12:30",
            {"a": "1.10", "b": "012", "c": "1_000", "d": "1e5", "e": "12:30"},
        ),
        ("a: .nan\nb: .inf\nc: +1\nd: 0x1F", {"a": ".nan", "b": ".inf", "c": "+1", "d": "0x1F"}),
        ("when: 2024-05-01T12:00:00Z", {"when": "2024-05-01T12:00:00Z"}),
        ("a: 1\na: 2", {"a": 2}),
        ("2024: x\ntrue: y", {"2024": "x", "true": "y"}),
        ("base: &b {x: 1}\nown:\n  <<: *b\n  y: 2", {"base": '{"x": 1}', "own": '{"x": 1, "y": 2}'}),
        ("authors:\n  - name: Ann\n    since: 2020-01-01", {"authors": '[{"name": "Ann", "since": "2020-01-01"}]'}),
        ("a: |\n  ---\n  b: c", {"a": "---\nb: c\n"}),
        ("a: [1.10, .nan, true]", {"a": '["1.10", ".nan", true]'}),
    ],
)
def test_yaml_gives_the_values_as_they_were_written(block, expected):
    assert fields(block) == expected


@pytest.mark.parametrize("text", ["---\n---\nText.", "---\n# only a comment\n---\nText.", "---\na: 1\n...\nText."])
def test_a_block_may_be_empty_and_end_with_dots(text):
    assert front_matter(text).text == "Text."


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nBetween rules: text\n\n---\n",
        "---\nJust a sentence between rules.\n---\nText.",
        "---\n- a\n- list\n---\nText.",
        "---\na: 1\nand no end",
        "----\na: 1\n----\n",
        "Text.\n---\na: 1\n---\n",
        "--- a: 1\n---\n",
        "+++ more\n+++\n",
        "",
    ],
)
def test_what_is_not_front_matter_stays_text(text):
    assert front_matter(text) == ({}, text, "")


@pytest.mark.parametrize(
    "block",
    [
        "a: [1, 2",
        "a: b: c",
        "a: 'x",
        "a:\n\t- x",
        "a: *missing",
        "a: !unknown x",
        "a: " + "[" * 5000,
        "a: &a [*a, *a]\nb: 1\n c: 2",
    ],
)
def test_broken_yaml_stays_text_and_is_said(block):
    text = f"---\n{block}\n---\nText."
    found = front_matter(text)
    assert (found.fields, found.text) == ({}, text)
    assert "so it was read as text" in found.wrong


def test_the_line_of_the_fault_is_named_in_the_notes(inputs):
    inputs.read("a.md", "---\ntitle: Tea\nbroken: 'x\n---\nText.")
    (note,) = inputs.report.notes
    assert "a.md: the front matter is not YAML (line " in note


def test_aliases_and_length_are_bounded():
    nine = [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi")]
    laughs = f"a: &a [x]\n{''.join(nine)}"
    assert "more than 16 aliases" in front_matter(f"---\n{laughs}---\nText.").wrong
    assert front_matter("---\na: " + "x" * MAX_CHARS + "\n---\nText.").fields == {}


def test_an_alias_to_itself_is_text():
    assert front_matter("---\na: &a [*a]\n---\nText.").fields == {}


def test_toml_gives_its_values():
    block = (
        'title = "Tea"\ndate = 2024-05-01\nyear = 2021\nversion = 1.10\nscore = 0.5\ntags = ["a", 1]\n[more]\nx = inf'
    )
    found = front_matter(f"+++\n{block}\n+++\nText.")
    assert found.text == "Text."
    assert found.fields == {
        "title": "Tea",
        "date": "2024-05-01",
        "year": 2021,
        "version": "1.10",
        "score": 0.5,
        "tags": '["a", 1]',
        "more": '{"x": "inf"}',
    }
    assert front_matter("+++\na = \n+++\nText.").wrong.startswith("the front matter is not TOML")


@pytest.mark.parametrize(
    ("given", "title"), [("A\n  B\n", "A B"), (2001, "2001"), (True, "true"), (0, "0"), (None, ""), ("1.10", "1.10")]
)
def test_a_title_is_one_line_as_it_was_written(given, title):
    found = {"title": given, "x": 1}
    assert (title_of(found), found) == (title, {"x": 1})
    assert title_of({"Title": "Big"}) == "Big"


def test_front_matter_with_windows_line_ends_and_a_mark_is_read(inputs):
    (document,) = inputs.read("a.md", "\ufeff---\r\ntitle: Tea\r\nyear: 2021\r\n---\r\n# Head\r\n")
    assert (document.title, document.fields, document.text) == ("Tea", {"year": 2021}, "# Head\n")


# PyYAML takes NEL and the line and paragraph separators for line ends, as YAML 1.1 did
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="\ufeff"))


@given(
    st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), _TEXT | st.booleans() | st.integers(-(10**9), 10**9))
)
def test_what_a_yaml_writer_writes_is_read_back(values):
    found = front_matter(f"---\n{yaml.safe_dump(values, allow_unicode=True) if values else ''}---\nText.")
    assert {name: str(value) for name, value in found.fields.items()} == {
        name: str(value) for name, value in values.items()
    }
