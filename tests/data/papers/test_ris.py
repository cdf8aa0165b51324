"""RIS, MEDLINE and Web of Science's plain text; every record here was made up."""


def test_values_of_ris(take):
    (paper,), report = take(
        "ris",
        """
        TY  - JOUR
        AU  - Doe, Jane
        AU  - King, Martin, Jr.
        TI  - A title
        AB  - An abstract
        over two lines,
          and three.
        AB  - A second part.
        DA  - May 3
        PY  - 2020
        KW  - one
        two
        KW  - three; four
        JO  - J. T.
        JF  - Journal of Tests
        UR  - https://a.example/x;y;https://b.example
        M3  - doi:10.1000/m3
        XX  - unknown
        ER  -
        """,
    )
    assert (paper.id, paper.text) == ("doi:10.1000/m3", "An abstract over two lines, and three. A second part.")
    assert paper.fields["authors"] == "Jane Doe; Martin King Jr."
    assert paper.fields["date"] == "2020-05-03"
    assert paper.fields["categories"] == "one; two; three; four"
    assert (paper.fields["journal"], paper.fields["url"]) == ("Journal of Tests", "https://a.example/x;y")
    assert report.bad_records == 0


def test_dates_of_ris(take):
    forms = [
        "PY  - 2020",
        "Y1  - 2020/05//",
        "PY  - 2020\nDA  - 2020/05/03/Spring",
        "DA  - 03/04/2020",
        "PY  - c. 1987",
    ]
    records = "\n".join(f"TY  - JOUR\nTI  - T{number}\n{form}\nER  - \n" for number, form in enumerate(forms))
    found, _ = take("ris", "\ufeff" + records)
    assert [paper.fields["date"] for paper in found] == ["2020", "2020-05", "2020-05-03", "2020", "1987"]


def test_tags_with_one_space_and_records_without_an_end(take):
    found, report = take("ris", "TY - JOUR\nTI - One\nER -\nTY  - JOUR\nTI  - Two\nTY  - JOUR\nTI  - Three")
    assert [paper.title for paper in found] == ["One", "Two", "Three"]
    assert [note.split(": ")[0].split(", ")[1] for note in report.notes] == ["line 4", "line 6"]


def test_medline(take):
    found, report = take(
        "ris",
        """

        PMID- 12345678
        DP  - 2020 May 3
        TI  - A title that goes
              over two lines.
        LID - S0000-0000(20)30001-1 [pii]
        LID - 10.1000/nb1 [doi]
        AB  - BACKGROUND: Milk.
              METHODS: Cheese.
        FAU - Doe, Jane A
        AU  - Doe JA
        JT  - Journal of milk
        OT  - curd
        MH  - Milk/*analysis

        PMID- 2
        DP  - 1999 Winter
        TI  - Second.
        """,
    )
    first, second = found
    assert (first.id, first.title) == ("doi:10.1000/nb1", "A title that goes over two lines.")
    assert (first.text, first.fields["authors"]) == ("BACKGROUND: Milk. METHODS: Cheese.", "Jane A Doe")
    assert (first.fields["date"], first.fields["categories"]) == ("2020-05-03", "curd; Milk/*analysis")
    assert (second.id, second.fields["date"]) == ("2", "1999")
    assert second.fields["url"] == "https://pubmed.ncbi.nlm.nih.gov/2/"
    assert not report.notes


def test_web_of_science(take):
    (paper,), report = take(
        "ris",
        """
        FN Clarivate Analytics Web of Science
        VR 1.0
        PT J
        AU Doe, J
           Roe, R
        AF Doe, Jane
           Roe, Richard
        TI Title over
           two lines
        DE curd; whey
        PD MAY 20
        PY 2020
        UT WOS:000000000000001
        ER

        EF
        """,
    )
    assert (paper.id, paper.title) == ("WOS:000000000000001", "Title over two lines")
    assert (paper.fields["authors"], paper.fields["date"]) == ("Jane Doe; Richard Roe", "2020-05-20")
    assert paper.fields["categories"] == "curd; whey"
    assert not report.notes


def test_old_encodings(take):
    (paper,), _ = take("ris", "TY  - JOUR\nTI  - Über Käse\nER  - \n".encode("cp1252"))
    assert paper.title == "Über Käse"


def test_a_file_of_another_kind_is_told(take):
    found, report = take("ris", "@misc{a, title = {T}}")
    assert found == []
    assert "it holds no record: no line begins with 'TY  -'" in report.notes[0]


def test_medline_of_eric(take):
    found, _ = take(
        "ris",
        """

        OWN - ERIC
        TI  - Milk in schools
        AU  - Doe, Jane
        SO  - v10 n1 p1-10 2000
        AID - http://dx.doi.org/10.1000/1
        OID - EJ1

        OWN - ERIC
        TI  - Cheese in schools
        OID - EJ2
        """,
    )
    assert [paper.id for paper in found] == ["doi:10.1000/1", "EJ2"]
    assert (found[0].fields["date"], found[0].fields["authors"]) == ("2000", "Jane Doe")


def test_refer(take):
    found, report = take(
        "ris",
        """
        %0 Journal Article
        %T A title
        %A Doe, Jane
        %A Roe, Richard
        %J Journal of Milk
        %D 2021
        %8 September  1, 2021
        %K milk
        cheese
        %X An abstract
        over two lines.
        %U https://x.example/1


        %T Second
        %D 2020
        """,
    )
    first, second = found
    assert (first.title, first.text, first.id) == ("A title", "An abstract over two lines.", "https://x.example/1")
    assert (first.fields["authors"], first.fields["date"]) == ("Jane Doe; Richard Roe", "2021-09-01")
    assert (first.fields["categories"], first.fields["journal"]) == ("milk; cheese", "Journal of Milk")
    assert (second.title, second.fields["date"]) == ("Second", "2020")
    assert not report.notes


def test_two_works_of_one_title_are_two_papers(take):
    records = "".join(f"TY  - JOUR\nTI  - Editorial\nPY  - 2020\nJO  - {name}\nER  - \n" for name in ("Milk", "Cheese"))
    found, _ = take("ris", records)
    assert len({paper.id for paper in found}) == 2
