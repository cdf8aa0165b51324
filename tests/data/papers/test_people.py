"""Names, first name first."""

import pytest

from vecloom.data.papers.people import bibtex_names, listed_names, turned


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{Bureau of Dairy and Eggs} and Roe, Jane and others", ["Bureau of Dairy and Eggs", "Jane Roe"]),
        (r"M{\"u}ller, J{\"{o}}rg AND {\'E}mile Zola", ["Jörg Müller", "Émile Zola"]),
        ("van der Berg, Jr., Ludwig and\n\tJane~Doe", ["Ludwig van der Berg Jr.", "Jane Doe"]),
        ("{Doe}, Jane and {{ATLAS Collaboration}}", ["Jane Doe", "ATLAS Collaboration"]),
        ("family=Beethoven, given=Ludwig, prefix=van, useprefix=true and Ann Lee", ["Ludwig van Beethoven", "Ann Lee"]),
        ("Doe, Jane, III and King, Jr., Martin", ["Jane Doe III", "Martin King Jr."]),
        ("Doe, J.; Roe, R.", ["J. Doe", "R. Roe"]),
        ("Doe, Jane, Roe, Richard, Poe, Ed", ["Doe, Jane, Roe, Richard, Poe, Ed"]),
        ("Anderson, Brandy and", ["Brandy Anderson"]),
        ("others", []),
        ("", []),
    ],
)
def test_names_of_a_bibtex_field(source, expected):
    assert bibtex_names(source) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Doe, Jane (57190000001); Roe, Richard (57190000002)", ["Jane Doe", "Richard Roe"]),
        ("Jane Doe|Richard Roe", ["Jane Doe", "Richard Roe"]),
        ("van Gogh, Vincent", ["Vincent van Gogh"]),
        ("Doe J., Roe R.", ["Doe J.", "Roe R."]),
        ("Doe, J., Roe, R. M.", ["J. Doe", "R. M. Roe"]),
        ("Doe, Jane and Roe, Richard", ["Jane Doe", "Richard Roe"]),
        ("Bureau of Dairy and Eggs", ["Bureau of Dairy and Eggs"]),
        ("Simon and Schuster", ["Simon and Schuster"]),
    ],
)
def test_names_of_a_cell(cell, expected):
    assert listed_names(cell) == expected


def test_a_suffix_is_last_wherever_it_stood():
    assert turned("King, Martin, Jr.") == turned("King, Jr., Martin") == "Martin King Jr."
    assert turned("Example, Inc.") == "Example, Inc."
