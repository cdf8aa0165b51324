import json

import pytest

from vecloom.data import Chunker
from vecloom.errors import DataError


def notebook(*cells, **metadata):
    return json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def markdown(*lines):
    return {"cell_type": "markdown", "source": [f"{line}\n" for line in lines], "metadata": {}}


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "execution_count": 1, "metadata": {}}


def test_prose_and_code_come_in_order_with_the_first_heading_as_title(inputs):
    cells = [markdown("# Tea", "Boil *water*."), code("brew(3)\n"), {"cell_type": "raw", "source": "raw"}]
    (document,) = inputs.read("a.ipynb", notebook(*cells, language_info={"name": "python"}))
    assert document.text == "# Tea\nBoil *water*.\n\n```python\nbrew(3)\n```\n\nraw"
    assert document.title == "Tea"
    assert document.fields == {"language": "python"}


def test_short_text_that_a_cell_gave_is_kept_and_the_rest_left_out(inputs):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mhot\x1b[0m\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "90", "text/html": "<b>90</b>"}},
        {"output_type": "display_data", "data": {"image/png": "iVBO", "text/plain": "x" * 600}},
        {"output_type": "error", "ename": "ValueError", "evalue": "too hot", "traceback": ["..."]},
    ]
    (document,) = inputs.read("a.ipynb", notebook(code("brew()", *outputs)))
    assert document.text == "```\nbrew()\n```\n\n```\nhot\n90\nValueError: too hot\n```"


def test_a_comment_in_code_is_not_a_heading(inputs):
    (document,) = inputs.read("a.ipynb", notebook(code("# boil\n```\n# stir"), markdown("x")))
    assert {chunk.heading for chunk in Chunker(None).chunk(document)} == {""}
    assert document.title == ""


def test_the_third_format_is_read(inputs):
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Tea"},
        {
            "cell_type": "code",
            "language": "python",
            "input": ["brew()"],
            "outputs": [{"output_type": "pyout", "text": ["3"]}],
        },
    ]
    old = {"worksheets": [{"cells": cells}], "metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0}
    (document,) = inputs.read("a.ipynb", json.dumps(old))
    assert document.text == "## Tea\n\n```python\nbrew()\n```\n\n```\n3\n```"


@pytest.mark.parametrize("data", ["{}", "[1]", "not JSON", '{"cells": [{"source": "no type"}]}', '{"cells": 3}'])
def test_what_is_not_a_notebook_is_said(inputs, data):
    with pytest.raises(DataError, match="this is not a notebook"):
        inputs.read("a.ipynb", data)
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


def test_a_notebook_without_text_is_empty(inputs):
    assert inputs.read("a.ipynb", notebook(code(""))) == []
    assert inputs.report.empty_files == 1
