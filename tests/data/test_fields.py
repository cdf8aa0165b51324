import datetime
import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.fields import (
    BadRecordError,
    FieldMap,
    boolean,
    clean,
    clean_value,
    find_columns,
    is_vector,
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


def test_nan_is_no_text_no_title_and_no_id():
    nan = float("nan")
    document = to_document({"id": nan, "title": nan, "text": nan}, FieldMap(), "f.jsonl", 4)
    assert (document.id, document.title, document.text) == ("f.jsonl:4", "", "")


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
    [("2021", 2021), ("-3", -3), ("0", 0), ("-0.5", -0.5), ("12.0", 12.0), ("0.1", 0.1)]
    + [(kept, kept) for kept in ("007", "1e5", "+1", "1,000", "-0", "1.", ".5", "", " 1", "٣", "9" * 19, "nan", "inf")]
    + [
        (kept, kept)
        for kept in ("1.10", "-0.50", "2301.00010", "1_000", "0x1f", "1e16", "0.30000000000000001", "1.2.3")
    ],
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
        ([1.0, float("nan")], "[1.0, null]"),
        ({"a": [{"b": float("-inf")}, (1, float("nan"))]}, '{"a": [{"b": null}, [1, null]]}'),
        ([Decimal("1.50"), Decimal("NaN"), datetime.date(2024, 5, 1), b"x"], '[1.5, null, "2024-05-01", "x"]'),
        ({1: "a", None: "b", (2, 3): "c"}, '{"1": "a", "null": "b", "[2, 3]": "c"}'),
        ([2**70], str([2**70])),
        (np.float32("nan"), None),
        (np.bool_(True), True),
        ([np.float32("nan"), np.int64(3), np.bool_(True)], "[null, 3, true]"),
        (np.array([np.nan, np.inf, 1]), "[null, null, 1.0]"),
        ({"a": np.array([[1.0, np.nan]])}, '{"a": [[1.0, null]]}'),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.datetime64("2024-05-01T12:00:00.123456789"), "2024-05-01T12:00:00.123456"),
        ([np.datetime64("2024-05-01"), np.datetime64("NaT")], '["2024-05-01", null]'),
    ],
)
def test_values_become_storable_scalars(value, expected):
    assert scalar(value) == expected


def test_nul_and_lone_surrogates_do_not_get_past_cleaning():
    assert clean("a\0b\ud800c") == "ab\ufffdc"
    assert clean_value({"k\udfff": ["\0", {"x": "\ud83d"}], "n": 1}) == {"k\ufffd": ["", {"x": "\ufffd"}], "n": 1}
    assert clean("שלום 👩‍👩‍👧 é") == "שלום 👩‍👩‍👧 é"


_NESTED = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(_NESTED)
def test_every_list_and_object_becomes_json_but_a_list_of_texts(value):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    def like_json(part):
        if isinstance(part, float):
            return part if math.isfinite(part) else None
        if isinstance(part, dict):
            return {key: like_json(item) for key, item in part.items()}
        return [like_json(item) for item in part] if isinstance(part, list) else part

    made = scalar([value])
    assert made == [value] if isinstance(value, str) else json.loads(made, parse_constant=refuse) == like_json([value])


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_what_becomes_a_number_prints_back(value):
    read = number(str(value))
    assert str(read) == str(value)


@pytest.mark.parametrize(("cell", "expected"), [("true", True), ("False", False), ("TRUE", True)])
def test_true_and_false_are_booleans(cell, expected):
    assert boolean(cell) is expected


@pytest.mark.parametrize("cell", ["yes", "no", "0", "1", "t", "tRUE", "on", ""])
def test_other_words_are_not_booleans(cell):
    assert boolean(cell) == cell


@pytest.mark.parametrize("value", [[0.5] * 16, tuple(range(16)), str([0.25] * 20), "[" + " 1.0e-05" * 16 + "]"])
def test_sixteen_numbers_are_a_vector(value):
    assert is_vector(value)


@pytest.mark.parametrize(
    "value",
    [
        [0.5] * 15,
        [0.5] * 15 + [math.nan],
        [True] * 16,
        ["a"] * 16,
        [0.5] * 15 + [None],
        "[1, 2]",
        "[" + "a, " * 20 + "]",
        "x" * 99,
    ],
)
def test_other_lists_are_not_vectors(value):
    assert not is_vector(value)
