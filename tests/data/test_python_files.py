import textwrap
import warnings

import pytest

from vecloom.errors import DataError

SOURCE = '''
"""Tea and its making.

More about it.
"""
import os


class Pot(object, metaclass=type):
    """Holds tea."""

    def pour(self, cups: int = 1, *, hot=True) -> str:
        """Fill cups."""

    def _wash(self):
        return 1  # no docstring

    @property
    def size(self):
        """How much it holds."""

    @size.setter
    def size(self, value):
        """Set how much it holds."""

    class Lid:
        """Its lid."""


if os.name:
    async def boil(water):
        """Make hot."""
        def inner():
            """Documented inside."""
        def other():
            return 0


class Undocumented:
    pass
'''


def test_documented_objects_and_functions_are_documents(inputs):
    documents = inputs.read("tea.py", SOURCE)
    path = f"{inputs.folder}/tea.py"
    assert {document.id.removeprefix(path): document.fields["kind"] for document in documents} == {
        "": "module",
        "::Pot": "class",
        "::Pot.pour": "method",
        "::Pot._wash": "method",
        "::Pot.size": "method",
        "::Pot.size~2": "method",
        "::Pot.Lid": "class",
        "::boil": "function",
        "::boil.<locals>.inner": "function",
    }
    by_name = {document.id.removeprefix(path): document for document in documents}
    assert by_name[""].text == "Tea and its making.\n\nMore about it."
    assert by_name[""].title == "tea"
    assert by_name["::Pot"].text == "class Pot(object, metaclass=type)\nHolds tea."
    assert by_name["::Pot.pour"].text == "def pour(self, cups: int=1, *, hot=True) -> str\nFill cups."
    assert by_name["::Pot.pour"].title == "tea.Pot.pour"
    assert by_name["::Pot.pour"].fields == {"kind": "method", "name": "Pot.pour", "lineno": 12, "documented": True}
    assert by_name["::boil"].text == "async def boil(water)\nMake hot."


def test_function_without_docstring_gives_its_source(inputs):
    wash = next(document for document in inputs.read("tea.py", SOURCE) if document.id.endswith("_wash"))
    assert wash.text == "def _wash(self):\n    return 1  # no docstring"
    assert wash.fields["documented"] is False


def test_title_is_the_dotted_name_within_packages(inputs):
    inputs.write("kitchen/__init__.py", '"""All of it."""')
    inputs.write("kitchen/hot/__init__.py", "")
    inputs.write("kitchen/hot/tea.py", '"""Tea."""')
    assert [document.title for document in inputs.read_folder()] == ["kitchen", "kitchen.hot.tea"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(:\n", "line 1"),
        ("print 'old'\n", "line 1"),
        ("x = " + "(" * 500 + ")" * 500, "nested"),
        ("x = " + "-" * 100_000 + "1", "cannot|can be"),
    ],
)
def test_source_that_does_not_parse_is_counted_in_a_folder_and_named_by_itself(inputs, source, reason):
    inputs.write("bad.py", source)
    inputs.write("good.py", '"""Good."""')
    assert [document.text for document in inputs.read_folder()] == ["Good."]
    assert inputs.report.unreadable == 1
    assert "bad.py" in inputs.report.notes[0]
    with pytest.raises(DataError, match=reason):
        inputs.read("bad.py")


def test_declared_encoding_is_used(inputs):
    source = '# -*- coding: latin-1 -*-\n"""Grüße."""\n'.encode("latin-1")
    assert inputs.read("a.py", source)[0].text == "Grüße."
    assert inputs.report.invalid_utf8 == 0
    assert inputs.read("b.py", b'# coding: nonsense\n"""Gr\xfc."""')[0].text == "Gr\ufffd."


def test_warnings_of_the_source_are_not_shown(inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inputs.read("a.py", '"""Doc."""\nx = "\\d"\n')[0].text == "Doc."


def test_source_without_docstrings_and_functions_is_empty(inputs):
    assert inputs.read("a.py", "x = 1\n") == []
    assert inputs.report.empty_files == 1


def test_lone_surrogates_and_nuls_in_docstrings_become_harmless(inputs):
    source = textwrap.dedent(r"""
        def f():
            "a\ud800b\x00c"
    """)
    assert inputs.read("a.py", source)[0].text == "def f()\na\ufffdbc"
