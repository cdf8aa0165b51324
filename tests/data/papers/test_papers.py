"""Importers: small files in each format, written for this test, and what has to come out of them."""

import gzip
import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data import ReadReport
from vecloom.data.papers import read_papers
from vecloom.data.papers.dates import iso_date, moment
from vecloom.data.papers.record import arxiv_id
from vecloom.errors import DataError, UsageError


def papers(tmp_path, kind, content, name="file", **settings):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n").encode())
    report = ReadReport()
    return list(read_papers(kind, [str(path)], report=report, **settings)), report


SNAPSHOT = {
    "id": "0704.0001",
    "submitter": "Ann Example",
    "authors": "A. Example, B. Beispiel",
    "title": "A title over\n  two lines about $m_H$",
    "comments": "3 pages",
    "journal-ref": None,
    "doi": "10.1000/xyz",
    "report-no": None,
    "categories": "hep-ph cs.CL",
    "license": None,
    "abstract": "  We say\n  something.\n",
    "versions": [
        {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
        {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
    ],
    "update_date": "2008-11-26",
    "authors_parsed": [["Example", "A.", ""], ["Beispiel", "B.", "Jr"]],
}


def test_a_line_of_the_snapshot_becomes_a_record(tmp_path):
    found, report = papers(tmp_path, "arxiv", json.dumps(SNAPSHOT))
    (paper,) = found
    assert (paper.id, paper.title, paper.text) == (
        "0704.0001",
        "A title over two lines about $m_H$",
        "We say something.",
    )
    assert dict(paper.fields) == {
        "authors": "A. Example; B. Beispiel Jr",
        "date": "2007-04-02T19:18:42Z",
        "categories": "hep-ph; cs.CL",
        "category": "hep-ph",
        "url": "https://arxiv.org/abs/0704.0001",
        "updated": "2008-11-26",
        "version": 2,
        "doi": "10.1000/xyz",
        "comments": "3 pages",
    }
    assert report.documents == 1


def test_bad_lines_are_listed_with_file_and_line_and_the_rest_is_read(tmp_path):
    lines = [
        json.dumps(SNAPSHOT),
        "{broken",
        "[1]",
        json.dumps(SNAPSHOT | {"title": None, "abstract": None}),
        json.dumps({"title": "x"}),
    ]
    lines += [json.dumps(SNAPSHOT | {"versions": "v1"}), json.dumps(SNAPSHOT | {"authors_parsed": [[]]})]
    found, report = papers(tmp_path, "arxiv", "\n".join([*lines, json.dumps(SNAPSHOT | {"id": "0704.0002"})]))
    assert [paper.id for paper in found] == ["0704.0001", "0704.0002"]
    assert report.bad_records == 6
    assert [note.split("file, ")[1].split(":")[0] for note in report.notes] == [f"line {n}" for n in range(2, 8)]


def test_the_first_bad_line_stops_a_strict_import(tmp_path):
    with pytest.raises(DataError, match="line 1: this is not JSON"):
        papers(tmp_path, "arxiv", "{broken", skip_bad=False)


def test_the_snapshot_is_read_compressed_and_one_line_at_a_time(tmp_path):
    path = tmp_path / "snapshot.json.gz"
    path.write_bytes(
        gzip.compress(b"".join(json.dumps(SNAPSHOT | {"id": f"0704.{n:04}"}).encode() + b"\n" for n in range(5000)))
    )
    stream = read_papers("arxiv", [str(path)], report=(report := ReadReport()))
    assert next(stream).id == "0704.0000"
    assert report.documents == 1  # nothing was read ahead beyond the buffer
    assert sum(1 for _ in stream) == 4999


API = """
    <?xml version="1.0" encoding="UTF-8"?>
    <feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
      <title>ArXiv Query</title><id>http://arxiv.org/api/x</id>
      <entry>
        <id>http://arxiv.org/abs/2410.15035v2</id>
        <title>Vectors
          for all</title>
        <summary>  Text &lt; image, $a &lt; b$. </summary>
        <published>2024-10-19T08:34:12Z</published><updated>2024-11-01T00:00:00Z</updated>
        <author><name>Ann Example</name></author><author><name>B. Beispiel</name></author>
        <arxiv:primary_category term="cs.CL"/>
        <category term="cs.IR"/><category term="cs.CL"/>
        <link href="http://arxiv.org/abs/2410.15035v2" rel="alternate"/>
      </entry>
    </feed>"""


def test_an_entry_of_arxivs_api(tmp_path):
    (paper,), _ = papers(tmp_path, "arxiv", API)
    assert (paper.id, paper.title, paper.text) == ("2410.15035", "Vectors for all", "Text < image, $a < b$.")
    assert paper.fields["authors"] == "Ann Example; B. Beispiel"
    assert paper.fields["date"] == "2024-10-19T08:34:12Z"
    assert paper.fields["updated"] == "2024-11-01T00:00:00Z"
    assert (paper.fields["categories"], paper.fields["version"]) == ("cs.CL; cs.IR", 2)
    assert paper.fields["url"] == "https://arxiv.org/abs/2410.15035"


def test_an_item_of_arxivs_rss(tmp_path):
    (paper,), _ = papers(
        tmp_path,
        "arxiv",
        """
        <rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>cs.CL</title>
          <item><title>On words</title><link>https://arxiv.org/abs/2411.00001</link>
            <description>arXiv:2411.00001v1 Announce Type: new
              Abstract: We count words.</description>
            <guid isPermaLink="false">oai:arXiv.org:2411.00001v1</guid>
            <category>cs.CL</category><pubDate>Mon, 04 Nov 2024 00:00:00 -0500</pubDate>
            <dc:creator>Ann Example, B. Beispiel</dc:creator></item>
        </channel></rss>""",
    )
    assert (paper.id, paper.title, paper.text) == ("2411.00001", "On words", "We count words.")
    assert paper.fields["authors"] == "Ann Example; B. Beispiel"
    assert paper.fields["date"] == "2024-11-04T05:00:00Z"


OAI = """
    <?xml version="1.0" encoding="UTF-8"?>
    <OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>
      <record><header><identifier>oai:arXiv.org:0704.0001</identifier></header><metadata>
        <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>0704.0001</id>
          <version version="v1"><date>Mon, 2 Apr 2007 19:18:42 GMT</date></version>
          <version version="v2"><date>Tue, 24 Jul 2007 20:10:27 GMT</date></version>
          <title>Raw</title><authors>A. Example, C. Three and D. Four</authors>
          <categories>hep-ph cs.CL</categories><abstract>One.</abstract></arXivRaw></metadata></record>
      <record><header status="deleted"><identifier>oai:arXiv.org:0704.0002</identifier></header></record>
      <record><header><identifier>oai:arXiv.org:0704.0003</identifier></header><metadata>
        <oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/">
          <dc:title>Core</dc:title><dc:creator>Example, Ann</dc:creator><dc:subject>Physics</dc:subject>
          <dc:description>Two.</dc:description><dc:description>Comment: 2 pages</dc:description>
          <dc:date>2007-05-01</dc:date><dc:date>2007-04-01</dc:date>
          <dc:identifier>http://arxiv.org/abs/0704.0003</dc:identifier></oai_dc:dc></metadata></record>
      <record><header><identifier>oai:arXiv.org:0704.0004</identifier></header><metadata>
        <arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>0704.0004</id><created>2007-04-04</created>
          <authors><author><keyname>Example</keyname><forenames>Ann</forenames></author></authors>
          <title>Parsed</title><categories>cs.IR</categories><abstract>Three.</abstract></arXiv></metadata></record>
      <record><header><identifier>x</identifier></header><metadata><marc/></metadata></record>
      <resumptionToken cursor="0">1234|1001</resumptionToken>
    </ListRecords></OAI-PMH>"""


def test_an_oai_answer_in_three_formats(tmp_path):
    found, report = papers(tmp_path, "arxiv", OAI)
    assert [(paper.id, paper.title, paper.text) for paper in found] == [
        ("0704.0001", "Raw", "One."),
        ("0704.0003", "Core", "Two."),
        ("0704.0004", "Parsed", "Three."),
    ]
    authors = [paper.fields["authors"] for paper in found]
    assert authors == ["A. Example; C. Three; D. Four", "Ann Example", "Ann Example"]
    assert [paper.fields["date"] for paper in found] == ["2007-04-02T19:18:42Z", "2007-04-01", "2007-04-04"]
    assert (found[0].fields["version"], found[1].fields["updated"]) == (2, "2007-05-01")
    assert report.bad_records == 1
    assert "record 5: metadata in 'marc' is not read" in report.notes[0]
    assert "resumption token" in report.notes[1]


def test_a_refusal_of_the_server_is_told(tmp_path):
    with pytest.raises(DataError, match="the server answered noRecordsMatch: none"):
        papers(tmp_path, "arxiv", "<OAI-PMH><error code='noRecordsMatch'>none</error></OAI-PMH>", skip_bad=False)


def test_xml_that_breaks_off_gives_what_came_before(tmp_path):
    found, report = papers(tmp_path, "arxiv", OAI.split("<record><header><identifier>x<")[0])
    assert len(found) == 3
    assert report.unreadable == 1
    assert "after record 4 it is not XML" in report.notes[0]


def test_any_feed(tmp_path):
    found, report = papers(
        tmp_path,
        "feed",
        """
        <feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><id>urn:x</id>
          <entry><id>urn:post:1</id><title type="html">A &lt;b&gt;bold&lt;/b&gt; title</title>
            <link href="https://blog.example/1"/><updated>2024-05-01T10:00:00+02:00</updated>
            <author><name>Ann</name></author><category term="notes"/>
            <summary>short</summary>
            <content type="html">&lt;p&gt;The whole &amp;amp; long text&lt;/p&gt;</content></entry>
          <entry><id>urn:post:2</id><summary>no title</summary></entry>
        </feed>""",
    )
    post, untitled = found
    assert (post.id, post.title, post.text) == ("urn:post:1", "A bold title", "The whole & long text")
    assert post.fields == {
        "authors": "Ann",
        "date": "2024-05-01T08:00:00Z",
        "categories": "notes",
        "category": "notes",
        "url": "https://blog.example/1",
    }
    assert (untitled.id, untitled.title, untitled.text) == ("urn:post:2", "no title", "no title")
    assert report.bad_records == 0


def test_what_is_not_a_feed_is_said_not_to_be_one(tmp_path):
    with pytest.raises(DataError, match="it is not a feed"):
        papers(tmp_path, "rss", "hello <", skip_bad=False)


def test_bibtex(tmp_path):
    found, report = papers(
        tmp_path,
        "bibtex",
        r"""
        @article{mueller23,
          title = {On {B}ERT and $x^2$}, author = {M{\"u}ller, Hans and Doe, Jr., Jane and Ann Example},
          year = 2023, month = may, doi = {https://doi.org/10.1000/AbC}, abstract = {Two
             lines}, keywords = {words, vectors}, journal = {J. of X}}
        @misc{two, title={Second}, eprint={2410.15035v2}, archivePrefix={arXiv}, year={2024}}
        @misc{three, author={Nobody}}
        @misc{two, title={Second again}}
        @misc{four, title={Fourth}, date={2020-02-03}}
        """,
    )
    first, second, again, fourth = found
    assert (first.id, first.title, first.text) == ("doi:10.1000/abc", "On BERT and $x^2$", "Two lines")
    assert first.fields == {
        "authors": "Hans Müller; Jane Doe Jr.; Ann Example",
        "date": "2023-05",
        "categories": "words; vectors",
        "category": "words",
        "url": "https://doi.org/10.1000/AbC",
        "doi": "10.1000/AbC",
        "journal": "J. of X",
        "key": "mueller23",
    }
    assert (second.id, second.text, second.fields["date"]) == ("2410.15035", "", "2024")
    assert (fourth.id, fourth.fields["date"]) == ("four", "2020-02-03")
    assert (again.id, again.title) == ("two", "Second again")
    assert report.bad_records == 1
    assert "line 6: three has no title and no text" in report.notes[0]


def test_ris(tmp_path):
    found, report = papers(
        tmp_path,
        "ris",
        """
        Provider: someone

        TY  - JOUR
        AU  - Doe, Jane
        AU  - Roe, Richard
        T1  - A title
        AB  - An abstract.
        PY  - 2020/05/03//
        KW  - one
        KW  - two
        DO  - 10.1000/1
        ER  -

        TY  - JOUR
        T1  - No end
        TY  - CONF
        TI  - Another
        UR  - https://x.example/2
        ER  -
        TY  - JOUR
        AU  - Nameless
        ER  -
        """,
    )
    first, unfinished, second = found
    assert (first.id, first.title, first.text) == ("doi:10.1000/1", "A title", "An abstract.")
    assert first.fields["authors"] == "Jane Doe; Richard Roe"
    assert (first.fields["date"], first.fields["categories"]) == ("2020-05-03", "one; two")
    assert (first.fields["url"], second.id) == ("https://doi.org/10.1000/1", "https://x.example/2")
    assert unfinished.title == "No end"
    assert report.bad_records == 1
    assert "line 14: the record does not end with 'ER  -', and is read as far as it goes" in report.notes[0]
    assert "line 20: it has no title and no text" in report.notes[1]


def test_csv(tmp_path):
    found, report = papers(
        tmp_path,
        "csv",
        """
        Key,Title,Author,Abstract Note,Publication Year,Manual Tags,DOI,Publication Title,Pages
        AB1,"A title, with a comma","Doe, Jane; Roe, Richard","An
        abstract.",2020,one; two,10.1000/X,Journal,1-9
        AB2,Another,"Doe J, Roe R, Poe E",,2021-05-03,,,,
        AB3,Third,"Doe, Jane",Words,,,https://doi.org/10.1000/3,,
        AB4,,Nameless,,,,,,
        ,,,,,,,,
        AB5,Too,many,a,b,c,d,e,f,g
        """,
    )
    first, second, third = found
    assert (first.id, first.title, first.text) == ("doi:10.1000/x", "A title, with a comma", "An abstract.")
    assert first.fields["authors"] == "Jane Doe; Richard Roe"
    assert (first.fields["date"], first.fields["categories"], first.fields["journal"]) == (
        "2020",
        "one; two",
        "Journal",
    )
    assert (second.id, second.text, second.fields["authors"]) == ("AB2", "", "Doe J; Roe R; Poe E")
    assert (second.fields["date"], "url" in second.fields) == ("2021-05-03", False)
    assert (third.fields["authors"], third.fields["url"]) == ("Jane Doe", "https://doi.org/10.1000/3")
    assert report.bad_records == 2
    assert "line 6: AB4 has no title and no text" in report.notes[0]
    assert "10 cells under 9 column names" in report.notes[1]


def test_a_table_without_titles_is_told(tmp_path):
    with pytest.raises(DataError, match="no column holds titles; it has a, b"):
        papers(tmp_path, "csv", "a,b\n1,2\n", skip_bad=False)
    found, report = papers(tmp_path, "csv", "a,b\n1,2\n")
    assert found == []
    assert "no column holds titles" in report.notes[0]


def test_an_unknown_kind_and_a_missing_file_are_wrong_calls(tmp_path):
    with pytest.raises(UsageError, match="no importer 'marc'"):
        read_papers("marc", ["x"])
    with pytest.raises(UsageError, match="no file or folder"):
        read_papers("ris", [str(tmp_path / "none.ris")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://arxiv.org/abs/2410.15035v12", ("2410.15035", 12)),
        ("http://arxiv.org/abs/math.GT/0309136v1", ("math.GT/0309136", 1)),
        ("oai:arXiv.org:hep-th/9901001", ("hep-th/9901001", None)),
        ("https://blog.example/1", ("", None)),
    ],
)
def test_ids_of_arxiv(text, expected):
    assert arxiv_id(text) == expected


@given(
    st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
    st.sampled_from(["arxiv", "ris", "bibtex", "rss", "csv"]),
)
def test_no_file_breaks_an_importer(tmp_path_factory, data, kind):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(data)
    for paper in read_papers(kind, [str(path)]):
        assert paper.id
        assert paper.title


@given(st.text(max_size=40))
def test_dates_are_dates_or_nothing(text):
    for found in (iso_date(text), moment(text)):
        assert found == "" or found[:4].isdigit()
