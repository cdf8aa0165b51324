import pytest

from vecloom.search.schema import as_text, join, kind_of, kinds_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"),
        (3, "int"),
        (2**53 + 1, "big int"),
        (2**63, "string"),
        (0.5, "double"),
        ("x", "string"),
        (None, None),
    ],
)
def test_the_narrowest_kind_that_holds_a_value(value, kind):
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("int", "double", "double"),
        ("big int", "double", "string"),  # 2**53 + 1 is not a double
        ("int", "big int", "big int"),
        ("bool", "int", "string"),
        ("string", "int", "string"),
        (None, "int", "int"),
    ],
)
def test_joining_loses_nothing(left, right, joined):
    assert join(left, right) == joined
    assert join(right, left) == joined


def test_a_field_that_is_always_none_has_no_kind():
    assert kinds_of([{"a": None, "b": 1}, {"b": 2.5}]) == {"b": "double"}


def test_values_become_text_as_the_engine_casts_them():
    assert [as_text(value) for value in (True, 1, 1.0, "x", None)] == ["true", "1", "1.0", "x", None]
