"""Tables in the forms of the programs that export them; every row here was made up."""

import pytest


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Publication Year,Date", "2020,05/2020", "2020-05"),
        ("Date,Publication Year", "05/2020,2020", "2020-05"),
        ("Date,Publication Year", '"June 12, 2011",2011', "2011-06-12"),
        ("Date,Publication Year", "c. 1987,1987", "1987"),
        ("Date,Publication Year", "n.d.,1987", "1987"),
        ("Date,Publication Year", "03/04/2020,2020", "2020"),
        ("Date,Year", "31/12/2020,2020", "2020-12-31"),
        ("PubYear,Publication date", "2020,2020-05-03", "2020-05-03"),
        ("Year,Month,Day", "2020,5,3", "2020-05-03"),
        ("Published Year,Published Month", "2020,May", "2020-05"),
        ("PD,PY", "MAY 20,2019", "2019-05-20"),
        ("Year", "forthcoming", ""),
    ],
)
def test_the_column_that_says_most_gives_the_date(take, header, row, expected):
    (paper,), _ = take("csv", f"Title,{header}\nT,{row}\n")
    assert paper.fields.get("date", "") == expected


def test_zotero(take):
    (paper,), _ = take(
        "csv",
        """
        "Key","Item Type","Publication Year","Author","Title","Publication Title","DOI","Url","Abstract Note","Date","Manual Tags"
        "AB1","book","2019","van Gogh, Vincent","On milk","J. Milk","","https://x.example","We say, ""milk"".","2019-05-00","a; b"
        """,
    )
    assert (paper.id, paper.text) == ("AB1", 'We say, "milk".')
    assert (paper.fields["authors"], paper.fields["date"]) == ("Vincent van Gogh", "2019-05")
    assert paper.fields["categories"] == "a; b"


def test_scopus(take):
    found, _ = take(
        "csv",
        """
        \ufeff"Authors","Author full names","Title","Year","Link","Abstract","Author Keywords","Index Keywords"
        "Doe J.; Roe R.","Doe, Jane (57190000001); Roe, R. (57190000002)","New","2021","u","[No abstract available]","a; b",""
        "Doe J., Roe R.","","Old","1999","https://s.example","Abs","","c"
        """,
    )
    assert [paper.fields["authors"] for paper in found] == ["Jane Doe; R. Roe", "Doe J.; Roe R."]
    assert found[0].text == ""
    assert [paper.fields["categories"] for paper in found] == ["a; b", "c"]


def test_web_of_science_is_read_by_tabs_whatever_its_name(take):
    (paper,), report = take(
        "csv",
        'PT\tAU\tAF\tTI\tSO\tAB\tPD\tPY\tUT\t\nJ\tDoe, J\tDoe, Jane\tA, title\tJ\tAn "odd\tMAY\t2020\tWOS:1\t\n',
        name="savedrecs.txt",
    )
    assert (paper.id, paper.title, paper.text) == ("WOS:1", "A, title", 'An "odd')
    assert (paper.fields["authors"], paper.fields["date"]) == ("Jane Doe", "2020-05")
    assert report.bad_records == 0


def test_a_header_below_a_preface_and_a_line_for_spreadsheets(take):
    (paper,), _ = take(
        "csv",
        '"About the data: Exported on May 03, 2020."\nRank,Publication ID,Title,PubYear,Authors\n1,pub.1,T,2020,"Doe, Jane"\n',
    )
    assert (paper.id, paper.fields["authors"]) == ("pub.1", "Jane Doe")
    (paper,), _ = take("csv", "sep=;\r\nTitle;Authors;Year\r\nÜber;Müller, Jörg;2020\r\n".encode("cp1252"))
    assert (paper.title, paper.fields["authors"]) == ("Über", "Jörg Müller")


def test_a_row_without_a_title_has_its_first_words(take):
    (paper,), report = take("csv", "Title,Abstract,DOI\n,Milk is white. It is wet.,10.1/a\n")
    assert (paper.title, paper.text) == ("Milk is white.", "Milk is white. It is wet.")
    assert report.bad_records == 0


def test_embase(take):
    source = "Milk (2004) 102:4 (253-258). Date of Publication: 25 Aug 2004"
    (paper,), _ = take("csv", f'Title,Author Names,Source,Abstract\nT,"Doe J., Roe R.R.",{source},A\n')
    assert (paper.fields["authors"], paper.fields["date"]) == ("Doe J.; Roe R.R.", "2004-08-25")


def test_lists_of_data_frames(take):
    (paper,), _ = take("csv", "Title,Authors,Keywords\n[A title],\"['Doe, Jane', 'Roe, R.']\",\"['a', 'b, c']\"\n")
    assert (paper.title, paper.fields["authors"], paper.fields["categories"]) == (
        "[A title]",
        "Jane Doe; R. Roe",
        "a; b, c",
    )


def test_two_works_of_one_title_are_two_papers(take):
    found, _ = take("csv", 'Title,Year,Authors\nEditorial,2020,"Doe, Jane"\nEditorial,2020,"Roe, R."\n')
    assert len({paper.id for paper in found}) == 2
