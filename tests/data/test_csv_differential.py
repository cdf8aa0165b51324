"""Well-formed tables are read as Python's csv module and pandas read them."""

import csv

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecloom.data import read

NAMES = ("text", "one", "two", "three")
# a byte order mark at the start of a line is dropped, "\r" ends no line of ours within a cell, and NULs go
LETTERS = st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="\0\r\ufeff")
CELLS = st.text(st.sampled_from("ab\",;\n\t '|é漢🙂-=\\") | LETTERS, max_size=12)


@st.composite
def tables(draw):
    width = draw(st.integers(2, len(NAMES)))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6))
    return [list(NAMES[:width]), *rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def our_cells(path, names):
    for document in read([str(path)]):
        fields = {"text": document.text, **document.fields}
        yield ["" if fields[name] is None else fields[name] for name in names]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=tables(),
    ends=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    final=st.booleans(),
)
def test_a_csv_is_read_as_others_read_it(folder, table, ends, delimiter, quoting, final):
    path = folder / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=ends).writerows(table)
    if not final:
        path.write_bytes(path.read_bytes().removesuffix(ends.encode()))
    ours = list(our_cells(path, table[0]))
    with path.open(encoding="utf-8", newline="") as file:
        assert ours == list(csv.reader(file, delimiter=delimiter, strict=True))[1:]
    frame = pandas.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False, encoding="utf-8")
    assert ours == frame.to_numpy().tolist()
    assert ours == table[1:]
