"""What is wanted, what came before, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data import Document
from vecloom.data.papers.choice import Choice, Repeats, is_older


def document(name, **fields):
    return Document(name, "text", f"Title {name}", fields=fields)


@pytest.mark.parametrize(
    ("date", "since", "older"),
    [
        ("2019", "2019-01-01", False),
        ("2019", "2019-06-01", False),  # open, so it stays
        ("2018", "2019-01-01", True),
        ("2019-05", "2019-06-01", True),
        ("2019-06", "2019-06-30", False),
        ("2019-06-30T23:00:00Z", "2019-06-30", False),
        ("2019-06-29T23:00:00Z", "2019-06-30", True),
        ("2019-02-01", "2019", False),
    ],
)
def test_only_what_is_older_for_certain_is_older(date, since, older):
    assert is_older(date, since) == older


@given(st.dates().map(str), st.dates().map(str), st.sampled_from([4, 7, 10]))
def test_a_coarser_date_is_never_older_than_the_day_it_stands_for(date, since, length):
    if date >= since:
        assert not is_older(date[:length], since)


def test_what_is_left_out_is_counted_and_the_first_are_named():
    papers = [document(f"p{year}", date=str(year), categories="cs.CL") for year in range(2010, 2021)]
    papers += [document("none", categories="cs.CL"), document("other", date="2020", categories="csx; math.GT")]
    choice = Choice(("cs",), "2015-02-01")
    assert [paper.id for paper in choice.of(papers)] == [f"p{year}" for year in range(2015, 2021)]
    assert choice.sentences() == [
        "1 of other categories left out: other (Title other)",
        "5 older than 2015-02-01 left out: p2010 (Title p2010); p2011 (Title p2011); p2012 (Title p2012); and 2 more",
        "1 without a date left out: none (Title none)",
    ]
    assert choice.as_dict() == {"other_categories": 1, "older": 5, "undated": 1}


def test_nothing_is_said_where_nothing_is_left_out():
    choice, repeats = Choice(), Repeats()
    assert len(list(repeats.watch(choice.of([document("a"), document("b")])))) == 2
    assert choice.sentences() + repeats.sentences() == []


def test_of_papers_with_one_id_the_earlier_ones_are_lost():
    repeats = Repeats()
    list(repeats.watch(map(document, "abacab")))
    assert repeats.lost == {0, 1, 2}
    assert repeats.sentences() == ["3 repeated ids, the later record stays: a (Title a); a (Title a); b (Title b)"]
