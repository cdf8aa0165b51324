"""Dates as they are written, and how exact they may become."""

import pytest

from vecloom.data.papers.dates import iso_date, moment, month_of, most_exact


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2020-05-03", "2020-05-03"),
        ("2020/5/3//", "2020-05-03"),
        ("2020/05/03/Spring", "2020-05-03"),
        ("2020///", "2020"),
        ("20200503", "2020-05-03"),
        ("Start date: 20200503", "2020-05-03"),
        ("2020-05/2021", "2020-05"),
        ("2020-05~", "2020-05"),
        ("2020-05-00", "2020-05"),
        ("2020-00-00", "2020"),
        ("2020-02-30", "2020-02"),
        ("2020-21", "2020"),  # a season in EDTF
        ("1987/1988", "1987"),
        ("2020-2021", "2020"),
        ("05/2020", "2020-05"),
        ("June 12, 2011", "2011-06-12"),
        ("12 June 2011", "2011-06-12"),
        ("3rd May, 2020", "2020-05-03"),
        ("2020 May 3", "2020-05-03"),
        ("2020 May-Jun", "2020-05"),
        ("3-5 May 2020", "2020-05-03"),
        ("May 30 - June 2, 2020", "2020-05-30"),
        ("Spring 2020", "2020"),
        ("12. März 2020", "2020-03-12"),
        ("1er janvier 2020", "2020-01-01"),
        ("3 de mayo de 2020", "2020-05-03"),
        ("2020年5月3日", "2020-05-03"),
        ("c. 1987", "1987"),
        ("[1987]", "1987"),
        ("©1987", "1987"),
        ("1987?", "1987"),
        ("2024-10-19T08:34:12+02:00", "2024-10-19T06:34:12Z"),
        ("2020-05-03 10:22:33", "2020-05-03"),
    ],
)
def test_a_date_is_as_exact_as_it_is_written(written, expected):
    assert iso_date(written) == expected


@pytest.mark.parametrize("written", ["", "n.d.", "in press", "1980s", "198X", "-0044", "12345", "12-May-99", "5/13/20"])
def test_what_names_no_year_is_not_a_date(written):
    assert iso_date(written) == ""


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("12/31/2020", "2020-12-31"),
        ("31/12/2020", "2020-12-31"),
        ("05/05/2020", "2020-05-05"),
        ("03/04/2020", "2020"),  # March or April
        ("03-04-2020", "2020"),
        ("03.04.2020", "2020-04-03"),  # dots are European
    ],
)
def test_a_month_is_left_out_rather_than_guessed(written, expected):
    assert iso_date(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Thu, 4 May 2017 19:40:17", "2017-05-04T19:40:17Z"),
        ("Thu, 4 May 2017 19:40:17 CEST", "2017-05-04T17:40:17Z"),
        ("Thu, 4 May 2017 19:40:17 +02:00", "2017-05-04T17:40:17Z"),
        ("Thu, 4 May 2017 19:40 GMT+2", "2017-05-04T17:40:00Z"),
        ("2017-05-04 19:40:17", "2017-05-04T19:40:17Z"),
        ("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31T23:59:59Z"),
        ("Thu, 04 May 2017 24:00:00 GMT", "2017-05-05T00:00:00Z"),
        ("2017-05-04T24:00:00Z", "2017-05-05T00:00:00Z"),
        ("Thu, 04 May 2017", "2017-05-04"),
        ("Thursday, 04-May-17 19:40:17 GMT", "2017-05-04T19:40:17Z"),  # RFC 850
        ("Thu, 04 May 2017 19:40:17 XYZ", "2017-05-04"),  # a zone that nobody knows
        ("Thu, 04 May 2017 25:40:17 GMT", "2017-05-04"),
        ("soon", ""),
    ],
)
def test_a_moment_of_a_feed(written, expected):
    assert moment(written) == expected


def test_a_month_without_a_year_takes_the_year_beside_it():
    assert iso_date("MAY 20", "2019") == "2019-05-20"
    assert iso_date("May 3") == ""


def test_the_date_that_says_more_wins_unless_it_contradicts():
    assert most_exact(["2020", "2020-05-03", "2020-05"]) == "2020-05-03"
    assert most_exact(["", "2020", "2019-05-03"]) == "2020"
    assert most_exact([]) == ""


def test_months_are_known_by_what_tells_them_from_others():
    assert [month_of(word) for word in ("sept", "Août", "dic", "mai", "jui", "ma")] == [9, 8, 12, 5, 0, 0]
