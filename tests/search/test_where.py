"""The grammar of filters: what parses, what is refused and in which words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import FilterError
from vecloom.search import where
from vecloom.search.schema import column_of, field_of
from vecloom.search.where import Node, all_of, among, any_of, nameable, parse


def name(of):
    return Node("name", of)


def literal(value):
    return Node("literal", value)


def test_and_binds_closer_than_or_and_not_closest():
    a, b, c = (Node("compare", "=", (name(one), literal(1))) for one in "abc")
    assert parse("a = 1 OR NOT b = 1 AND c = 1") == Node(
        "or", None, (a, Node("and", None, (Node("not", None, (b,)), c)))
    )
    assert parse("(a = 1 or not b = 1) and c = 1") == Node(
        "and", None, (Node("or", None, (a, Node("not", None, (b,)))), c)
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a.b = 'it''s'", Node("compare", "=", (name("a.b"), literal("it's")))),
        ('"Publication Year" != 2', Node("compare", "<>", (name("Publication Year"), literal(2)))),
        ('"say ""x""" == `t``k`', Node("compare", "=", (name('say "x"'), name("t`k")))),
        ("größe >= .5", Node("compare", ">=", (name("größe"), literal(0.5)))),
        ("n NOT IN (-1, 1e3)", Node("not", None, (Node("in", (-1, 1000.0), (name("n"),)),))),
        ("n between 1 and 2", Node("between", None, (name("n"), literal(1), literal(2)))),
        ("x LIKE 'a%'", Node("like", "a%", (name("x"),))),
        ("x is not null", Node("not", None, (Node("is", "null", (name("x"),)),))),
        ("-x * 2 - 1 = 0", None),
        (
            "order = 'x' AND date > '2020' AND select IS NULL AND case IN ('a')",
            None,
        ),  # words of SQL, not of the grammar
    ],
)
def test_what_is_read(text, tree):
    found = parse(text)
    assert tree is None or found == tree


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("year >", "ends where a value is expected"),
        ("year > )", r"has '\)' at character 8, where a value is expected"),
        ("year 5", "has '5' at character 6, where AND, OR or the end is expected"),
        ("id = 'x", "quote that is not closed at character 6"),
        ("true; drop table", "has ';' at character 5"),
        ("x = 12abc", "has '1' at character 5"),
        ("x = 0x1F", "has '0' at character 5"),
        ("x IN ()", "where a number, a text"),
        ("x IN (1, NULL)", "IS NULL"),
        ('x IN ("a")', "Text in a list stands in single quotes"),
        ("x = NULL", "IS NULL"),
        ("x IS 5", "NULL, TRUE or FALSE"),
        ("x LIKE y", "the pattern of LIKE in single quotes"),
        ("in = 5", 'stands in double quotes: "in"'),
        ("x NOT 5", "IN, LIKE or BETWEEN"),
        ("sqrt(x) = 1", r"sqrt\(...\), which is not a function here.*abs, ceil"),
        ("lower() = 'x'", "where a value is expected"),
        ("round(x, 2) = 1", r"round more than one value.*round\(x\)"),
        ("x = 1e999", "too large"),
        ("x = " + "9" * 400, "400 digits"),
        ("x = ٣", "has '٣' at character 5"),
        ("SELECT * FROM x", "where a value is expected|AND, OR or the end"),
        ("x = 1 -- comment\n", "has '--' at character 7"),
        ("x = 1 /* y */", r"has '/\*' at"),
        ("a = 1) OR (b = 2", r"has '\)' at character 6"),
    ],
)
def test_what_is_refused_is_told_with_its_place(text, told):
    with pytest.raises(FilterError, match=f"(?s){told}"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "x = '" + "a" * 10_000 + "'",
        "(" * 31 + "x = 1" + ")" * 31,
        "(" * 9000,
        "NOT " * 31 + "x",
        "NOT " * 2000 + "x",
        "x = " + "- " * 4000 + "1",
        "x = " + "abs(" * 40 + "1" + ")" * 40,
        "x = 1" + "+1" * 40,
        " AND ".join(["a=1"] * 300),
        f"x IN ({','.join(['1'] * 1001)})",
        f"x IN ({','.join(['1'] * 600)}) OR x IN ({','.join(['1'] * 600)})",
    ],
)
def test_what_is_too_much_is_refused(text):
    with pytest.raises(FilterError, match="allowed"):
        parse(text)


def test_what_is_large_but_allowed():
    parse("(" * 30 + "x = 1" + ")" * 30)
    parse(" OR ".join(["a=1"] * 150))
    parse(f"x IN ({','.join(['1'] * 1000)})")


def test_an_error_repeats_a_long_filter_only_in_part():
    with pytest.raises(FilterError) as caught:
        parse("x = 1 AND " * 500)
    assert len(str(caught.value)) < 300


def test_own_columns_win_and_fields_are_always_there():
    columns = nameable(("id", "text"), {"year": "year", "text": "field_text"})
    assert columns["text"] == "text"
    assert columns["fields.text"] == "field_text"
    assert columns["year"] == columns["fields.year"] == "year"


values = st.one_of(
    st.text(max_size=8),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.text(min_size=1, max_size=8), st.lists(values, min_size=1, max_size=4))
def test_what_is_composed_reads_back_as_it_was(field, given_values):
    assert parse(any_of(field, given_values)) == Node("in", tuple(given_values), (name(f"fields.{field}"),))


def test_filters_are_joined_without_losing_their_borders():
    assert all_of([]) is None
    assert all_of(["a = 1 OR b = 1"]) == "a = 1 OR b = 1"
    assert parse(str(all_of(["a = 1 OR b = 1", any_of("lang", ["en"])]))).kind == "and"


def test_many_ids_need_no_text():
    ids = [f"'{n}" for n in range(5000)]
    assert among("document_id", ids).value == tuple(ids)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(FilterError):
        assert parse(text).depth <= where.DEEPEST


PIECES = """x 'a' 1 - ( ) NOT AND OR IN LIKE BETWEEN IS NULL = < , + lower " ` true""".split()


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_sequence_of_tokens_is_read_or_refused(parts):
    with contextlib.suppress(FilterError):
        assert parse(" ".join(parts)).depth <= where.DEEPEST


@given(st.text(max_size=12))
def test_columns_are_plain_words_and_can_be_turned_back(field):
    column = column_of(field)
    assert field_of(column) == field
    assert column.isascii()
    assert column.replace("_", "").isalnum()


@given(st.sampled_from(["year", "a.b"]), st.sampled_from(["__string", "__double", "__list_of_string"]))
def test_a_column_that_is_being_widened_is_still_that_field(field, ending):
    assert field_of(column_of(field) + ending) == field
