"""BibTeX as people write it and programs export it; every entry here was made up."""

import pytest


def one(take, source):
    (paper,), report = take("bibtex", source)
    assert report.bad_records == 0
    return paper


def test_strings_are_joined_and_macros_expanded(take):
    paper = one(
        take,
        """
        @string{first = "Whey"}
        @STRING(ven = {Journal of } # milk # {, Series B})
        @string{milk = "Milk"}
        @article{c1, title = First # { and curd}, author = {Ann Lee}, journal = ven, year = {2020}, month = "10~" # jan}
        """,
    )
    assert paper.title == "Whey and curd"
    assert paper.fields["date"] == "2020-01-10"
    assert (
        paper.fields["journal"] == "Journal of milk, Series B"
    )  # a macro that is defined below its use is not known yet


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("year = 2020, month = jan", "2020-01"),
        ("year = {2020}, month = {January}", "2020-01"),
        ("year = 2020, month = 03", "2020-03"),
        ("year = 2020, month = {3}, day = 7", "2020-03-07"),
        ('year = "2020", month = dec # "~24"', "2020-12-24"),
        ('year = 2020, month = may # "/" # jun', "2020-05"),
        ("year = 2020, month = {May--June}", "2020-05"),
        ("year = 2020, month = {}", "2020"),
        ("year = 2020, month = {3rd Quarter}", "2020"),
        ("date = {2020-05/2021}", "2020-05"),
        ("date = {2020-05-03}", "2020-05-03"),
        ("date = {2020}, month = may", "2020-05"),
        ("year = {c. 1987}", "1987"),
        ("year = {2020}, issue_date = {March 2020}", "2020-03"),
        ("year = {in press}", ""),
    ],
)
def test_dates(take, fields, expected):
    assert one(take, f"@misc{{a, title = {{T}}, {fields}}}").fields.get("date", "") == expected


def test_fields_are_decoded_one_by_one_and_addresses_never(take):
    paper = one(
        take,
        r"""
        @Article{mueller:2019/b+c,
          TITLE = {{On {BERT}: $x^2$ and 50% of \emph{all} \& more}},
          Author = {M{\"u}ller, J{\"{o}}rg},
          doi = {10.1007/978-3-030-1{\_}12},
          url = {https://x.example/a%20b_c~d?x=1&y=2},
          keywords = {alpha; beta, gamma; $\delta$},
          abstract = {We \href{https://x.example/50%}{show} R&D at \texttt{a\_b}.}}
        """,
    )
    assert (paper.id, paper.title) == ("doi:10.1007/978-3-030-1_12", "On BERT: $x^2$ and 50% of all & more")
    assert paper.text == "We show R&D at a_b."
    assert paper.fields["url"] == "https://x.example/a%20b_c~d?x=1&y=2"
    assert paper.fields["categories"] == r"alpha; beta, gamma; $\delta$"
    assert paper.fields["key"] == "mueller:2019/b+c"


def test_a_part_takes_over_from_its_volume(take):
    source = """
        @inproceedings{Kid, title = {Kid}, author = {Bo Li}, crossref = {CONF}}
        @proceedings{conf, title = {Proceedings of the Meeting}, year = 2005, booktitle = {Meeting}, doi = {10.1/conf}}
        @inproceedings{plain, title = {Plain}, crossref = {untitled}, year = 2004}
        @proceedings{untitled, title = {Only a title}, date = {2005-06}}
        @inbook{chapter, chapter = 3, crossref = {book}}
        @book{book, title = {The Book}, author = {Bo Ok}, year = 2014}
        @article{art, title = {Art}, crossref = {periodical}}
        @periodical{periodical, title = {Periodical of Milk}, date = {2015-02}}
        @misc{contained, title = {Contained}, xdata = {shared}}
        @xdata{shared, year = 2016, author = {X Data}}
        @misc{loop, title = {Loop}, crossref = {loop}}
        @misc{orphan, title = {Orphan}, crossref = {nowhere}}
        """
    found, report = take("bibtex", source)
    papers = {paper.id: paper for paper in found}
    assert (papers["Kid"].fields["date"], papers["Kid"].fields["journal"]) == ("2005", "Meeting")
    assert "doi" not in papers["Kid"].fields
    assert (papers["plain"].fields["date"], papers["plain"].fields["journal"]) == ("2004", "Only a title")
    assert (papers["chapter"].title, papers["chapter"].fields["authors"]) == ("The Book", "Bo Ok")
    assert (papers["art"].fields["date"], papers["art"].fields["journal"]) == ("2015-02", "Periodical of Milk")
    assert (papers["contained"].fields["date"], papers["contained"].fields["authors"]) == ("2016", "X Data")
    assert "shared" not in papers
    assert {"loop", "orphan"} <= papers.keys()
    assert report.bad_records == 0


def test_two_works_with_one_key_are_two_papers(take):
    found, report = take(
        "bibtex",
        """
        @article{smith2020, title = {Dense}, doi = {10.1000/one}}
        @article{smith2020, title = {Sparse}, doi = {10.1000/two}}
        """,
    )
    assert [paper.id for paper in found] == ["doi:10.1000/one", "doi:10.1000/two"]
    assert report.bad_records == 0


def test_what_is_slightly_wrong_is_read_all_the_same(take):
    found, report = take(
        "bibtex",
        """
        Written by jane@example.org (Jane).
        @comment{jabref-meta: databaseType:bibtex;}
        @preamble{ "\\newcommand{\\x}{y}" }
        @article(round, title = "In parentheses (really)", year = 2020)
        @misc{comma, title = {No comma} author = {Ann Lee} year = 2001, note = {x}}
        @misc{key
          title = {No comma after the key}, year = 2002}
        @misc{twice, title = {First}, title = {Second}, author = {A One}, author = {B Two}}
        @misc{, title = {No key}}
        @misc{words, abstract = {Only an abstract. And more.}}
        %@misc{old, title = {Commented out}}
        @misc{inner,
          % a comment
          title = {Comment inside},
          % year = 1999
          year = 2012}
        """,
    )
    assert report.bad_records == 0
    papers = {paper.title: paper for paper in found}
    assert list(papers) == [
        *("In parentheses (really)", "No comma", "No comma after the key", "First", "No key", "Only an abstract."),
        "Comment inside",
    ]
    assert (papers["No comma"].fields["authors"], papers["No comma"].fields["date"]) == ("Ann Lee", "2001")
    assert papers["First"].fields["authors"] == "A One; B Two"
    assert papers["No key"].id.startswith("bibtex-")
    assert papers["Comment inside"].fields["date"] == "2012"


def test_a_broken_entry_is_named_and_the_others_stay(take):
    found, report = take(
        "bibtex",
        """
        @misc{before, title = {Before}}
        @misc{open, title = {Unbalanced {brace}, year = 2004}
        @misc{between, title = {Between}}
        @misc{quoted, title = "Unbalanced quote, year = 2008}
        @misc{extra, title = {Extra}}, year = 2006}
        @misc{after, title = {After}}
        @misc{cut, title = {Cut o""",
    )
    assert [paper.id for paper in found] == ["before", "between", "extra", "after"]
    assert report.bad_records == 3
    told = "\n".join(report.notes)
    for place in ("line 2: open cannot", "line 4: quoted cannot", "line 7: cut cannot"):
        assert place in told
    assert "line 5: extra ends here, and what follows is not read" in told


@pytest.mark.parametrize(
    ("source", "expected"),
    [  # the forms of Google Scholar, DBLP, Zotero's Better BibTeX, the Astrophysics Data System and INSPIRE
        ("journal = {arXiv preprint arXiv:1706.00001}, year = {2017}", ("1706.00001", None)),
        ("journal = {CoRR}, volume = {abs/1706.00002}, eprinttype = {arXiv}, eprint = {1706.00002}", ("1706.00002", None)),
        ("eprint = {1904.00001}, eprinttype = {arxiv}, eprintclass = {cs.CL}, keywords = {a,b}", ("1904.00001", "cs.CL; a; b")),
        ("archivePrefix = {arXiv}, eprint = {1708.00001}, primaryClass = {astro-ph.GA}", ("1708.00001", "astro-ph.GA")),
        ('eprint = "hep-th/9901001", archivePrefix = "arXiv"', ("hep-th/9901001", None)),
        ("eprint = {https://journal.example/pdf/10.1002/x}", ("a", None)),
    ],
)  # fmt: skip
def test_papers_of_arxiv_are_known_in_every_form(take, source, expected):
    paper = one(take, f"@article{{a, title = {{T}}, {source}}}")
    assert (paper.id, paper.fields.get("categories")) == expected


def test_other_fields_of_exporters(take):
    assert one(take, "@article{a, title={T}, journaltitle={J. {{Test}}}}").fields["journal"] == "J. Test"
    assert one(take, r"@article{a, title={T}, journal={\mnras}}").fields["journal"].startswith("Monthly Notices")
    assert (
        one(take, r"@misc{a, title={T}, howpublished={\url{https://x.example/~me}}}").fields["url"]
        == "https://x.example/~me"
    )
    assert one(take, "@article{a, title={T}, collaboration={ATLAS}}").fields["authors"] == "ATLAS"
    assert one(take, "@book{a, title={T}, subtitle={The rest}}").title == "T: The rest"
    assert one(take, "@misc{a, title={T}, url={https://doi.org/10.1000/AbC}}").id == "doi:10.1000/abc"
    assert one(take, "@misc{a, title={T}, doi={https://doi.org/10.1000%2FAbC}}").id == "doi:10.1000/abc"


@pytest.mark.parametrize(
    "data",
    [
        "@misc{a, author = {Müller, Jörg}, title = {Über Käse}}".encode("latin-1"),
        "% Encoding: ISO8859_1\n@misc{a, author = {Müller, Jörg}, title = {Über Käse}}".encode("latin-1"),
        b"\xef\xbb\xbf" + "@misc{a, author = {Müller, Jörg}, title = {Über Käse}}".encode(),
        "@misc{a, author = {Müller, Jörg}, title = {Über Käse}}".encode("utf-16"),
        "% Encoding: UTF-8\r\n@misc{a,\r\n author = {Müller, Jörg},\r\n title = {Über Käse}}\r\n".encode(),
    ],
)
def test_encodings(take, data):
    paper = one(take, data)
    assert (paper.title, paper.fields["authors"]) == ("Über Käse", "Jörg Müller")


def test_one_broken_byte_does_not_turn_the_other_letters(take):
    (paper,), report = take("bibtex", "@misc{a, title = {Über Käse, größer ".encode() + b"\xe4}}")
    assert paper.title == "Über Käse, größer \ufffd"
    assert report.invalid_utf8 == 1


def test_a_file_without_entries_is_not_bibtex(take):
    found, report = take("bibtex", "TY  - JOUR\nTI  - A title\nER  -\n")
    assert found == []
    assert "it holds no BibTeX entry" in report.notes[0]


def test_tags_that_publishers_leave_in_abstracts_are_taken_out(take):
    paper = one(
        take,
        "@misc{a, title = {CO<sub>2</sub> and <b> in HTML}, abstract = {<jats:p>Aim. <i>P</i> &lt; 0.05%</jats:p>}}",
    )
    assert (paper.title, paper.text) == ("CO2 and <b> in HTML", "Aim. P < 0.05%")


def test_a_set_of_entries_is_not_a_work(take):
    found, report = take("bibtex", "@set{s, entryset = {a, b}}\n@misc{a, title = {A}}\n@misc{b, title = {B}}\n")
    assert [paper.id for paper in found] == ["a", "b"]
    assert report.bad_records == 0
