import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import FilterError
from vecloom.search.schema import column_of, field_of
from vecloom.search.where import nameable, translate

FIELDS = {"year": "year", "a.b": "field_a_2e_b", "Publication Year": "field_x", "date": "date", "text": "field_text"}
COLUMNS = nameable(("id", "text"), FIELDS)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("year > 2020 AND id = 'x'", "`year` > 2020 AND `id` = 'x'"),
        ("a.b=1", "`field_a_2e_b`=1"),
        ('"Publication Year" IN (1, 2)', "`field_x` IN (1, 2)"),
        ("`a.b` is not null", "`field_a_2e_b` is not null"),
        ("id = 'year'", "`id` = 'year'"),  # text is left alone
        ("id = 'it''s year'", "`id` = 'it''s year'"),
        ("lower(id) LIKE 'a%'", "lower(`id`) LIKE 'a%'"),
        ("date > date '2020-01-01'", "`date` > date '2020-01-01'"),
        ("text = 'a' OR fields.text = 'b'", "`text` = 'a' OR `field_text` = 'b'"),
        ("NOT (year in (1))", "NOT (`year` in (1))"),
    ],
)
def test_names_become_columns(where, expected):
    assert translate(where, COLUMNS) == expected


@pytest.mark.parametrize("where", ["jahr > 2020", "Year > 1", '"en" = id', "id = 'x", "true; drop table", "  "])
def test_what_cannot_be_read_is_refused(where):
    with pytest.raises(FilterError):
        translate(where, COLUMNS)


def test_an_unknown_name_lists_the_fields():
    with pytest.raises(FilterError, match=r"'jahr'.*a\.b, date, fields\.text, id, Publication Year, text, year"):
        translate("jahr = 1", COLUMNS)


def test_double_quoted_text_is_explained():
    with pytest.raises(FilterError, match="single quotes"):
        translate('id = "en"', COLUMNS)


@given(st.text(max_size=12))
def test_columns_are_plain_words_and_can_be_turned_back(field):
    column = column_of(field)
    assert field_of(column) == field
    assert column.isascii()
    assert column.replace("_", "").isalnum()


@given(st.sampled_from(["year", "a.b"]), st.sampled_from(["__string", "__double"]))
def test_a_column_that_is_being_widened_is_still_that_field(field, ending):
    assert field_of(column_of(field) + ending) == field
