from decimal import Decimal

import pytest

from vecloom.data.fields import (
    BadRecordError,
    FieldMap,
    clean,
    clean_value,
    find_columns,
    number,
    scalar,
    to_document,
)
from vecloom.errors import UsageError


def test_field_options_name_the_columns():
    fields = FieldMap.parse(["text=body", "title=headline", "text=abstract"])
    assert fields.text == ("body", "abstract")
    assert fields.title == ("headline",)
    assert fields.id == FieldMap().id


@pytest.mark.parametrize("option", ["text", "text=", "author=name", "=body"])
def test_wrong_field_option_is_a_usage_error(option):
    with pytest.raises(UsageError, match="--field"):
        FieldMap.parse([option])


def test_column_names_match_exactly_first_then_without_case():
    assert find_columns(FieldMap(), ("TEXT", "body", "Headline", "ID")) == ("body", "Headline", "ID")
    assert find_columns(FieldMap(), ("x", "Text", "TEXT")).text == "Text"
    assert find_columns(FieldMap(text=("missing",)), ("text",)).text is None


def test_record_becomes_a_document_with_its_other_fields():
    record = {"_id": 7, "text": "Tea.", "title": None, "year": 1999, "tags": ["a", {"b": 1}], "ok": True}
    document = to_document(record, FieldMap(), "f.jsonl", 3)
    assert (document.id, document.text, document.title, document.source, document.position) == (
        "7",
        "Tea.",
        "",
        "f.jsonl",
        3,
    )
    assert document.fields == {"year": 1999, "tags": '["a", {"b": 1}]', "ok": True}


@pytest.mark.parametrize("given", [None, ""])
def test_record_without_id_is_named_by_its_place(given):
    assert to_document({"id": given, "text": "a"}, FieldMap(), "f.csv", 12).id == "f.csv:12"


def test_null_text_is_an_empty_text_and_a_number_is_its_digits():
    assert to_document({"text": None}, FieldMap(), "f", 1).text == ""
    assert to_document({"text": 12}, FieldMap(), "f", 1).text == "12"


def test_missing_text_names_the_fields_found_and_the_way_out():
    with pytest.raises(BadRecordError, match="'heading', 'year'") as caught:
        to_document({"heading": "x", "year": 1}, FieldMap(), "f", 1)
    assert "--field text=" in caught.value.todo


def test_text_that_is_a_list_is_a_bad_record():
    with pytest.raises(BadRecordError, match="'text' is a list"):
        to_document({"text": ["a"]}, FieldMap(), "f", 1)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("2021", 2021), ("-3", -3), ("0", 0), ("-0.50", -0.5), ("12.0", 12.0)]
    + [(kept, kept) for kept in ("007", "1e5", "+1", "1,000", "-0", "1.", ".5", "", " 1", "٣", "9" * 19, "nan", "inf")],
)
def test_only_plain_numbers_are_read_as_numbers(cell, expected):
    assert number(cell) == expected
    assert type(number(cell)) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (float("nan"), None),
        (Decimal("1.5"), 1.5),
        ({"a": "é"}, '{"a": "é"}'),
        (b"\xff", "\ufffd"),
    ],
)
def test_values_become_storable_scalars(value, expected):
    assert scalar(value) == expected


def test_nul_and_lone_surrogates_do_not_get_past_cleaning():
    assert clean("a\0b\ud800c") == "ab\ufffdc"
    assert clean_value({"k\udfff": ["\0", {"x": "\ud83d"}], "n": 1}) == {"k\ufffd": ["", {"x": "\ufffd"}], "n": 1}
    assert clean("שלום 👩‍👩‍👧 é") == "שלום 👩‍👩‍👧 é"
