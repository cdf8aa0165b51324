"""Manual pages and programs."""

import gzip

import pytest

from vecloom.data import Chunker, ReadReport, read
from vecloom.data.formats.manual import decoded, is_manual, render

MAN = r"""'\" t
.\" A comment
.de XX
not text
..
.TH KNEAD 1 "May 2024"
.SH NAME
knead \- work the \fBdough\fP
.SH "SYNOPSIS"
.B knead
[\fB\-t\fR \fIminutes\fR]
.SH DESCRIPTION
Works the dough
until it is smooth.
.PP
It caf\('e \(em says.
.TP
.BR \-t ", " \-\-time =\fIN\fR
how long
.if t .B only for printers
.ie n terminal text
.el \{\
printer text
more of it
.\}
.nf
    code   stays
# as it is
.fi
.TS
l l.
a	b
.TE
.EQ
x over y
.EN
.SS "See also"
.BR bake (1)
"""
MDOC = r""".Dd June 1, 2024
.Dt SIFT 1
.Os
.Sh NAME
.Nm sift
.Nd sieve the flour
.Sh SYNOPSIS
.Nm
.Op Fl f Ar file
.Sh DESCRIPTION
The
.Nm
utility sieves; see
.Xr knead 1 .
.Bl -tag
.It Fl f Ar file
Read it.
.El
"""


def test_man_macros_become_headed_text():
    assert render(MAN) == (
        "NAME\n====\n\nknead - work the dough\n\nSYNOPSIS\n========\n\nknead [-t minutes]\n\n"
        "DESCRIPTION\n===========\n\nWorks the dough until it is smooth.\n\nIt café — says.\n\n"
        "-t, --time=N\nhow long terminal text\n\n    code   stays\n# as it is\n\na  b\n\nSee also\n--------\n\nbake(1)\n"
    )


def test_mdoc_macros_become_headed_text():
    assert render(MDOC) == (
        "NAME\n====\n\nsift - sieve the flour\n\nSYNOPSIS\n========\n\nsift [-f file]\n\nDESCRIPTION\n===========\n\n"
        "The sift utility sieves; see knead(1).\n\n-f file\nRead it.\n"
    )


@pytest.mark.parametrize(
    ("roff", "text"),
    [
        (r"\fBls\fP \-\-all", "ls --all"),
        (r"\s-2small\s0 \s+1large\s0", "small large"),
        (r"\(co \[u00E9] \['e] \(:u \(bu", "© é é ü •"),
        (r"a\|b\&c\%d\e", "abcd\\"),
        (r"\*(lqquoted\*(rq \*R", "“quoted” ®"),
        (r"text \" a comment", "text "),
        (r"\h'4n'\v'-1'up", "up"),
        ("no escapes", "no escapes"),
        ("ends in \\", "ends in "),
    ],
)
def test_escapes_are_decoded(roff, text):
    assert decoded(roff) == text


def test_manual_pages_are_told_by_name_and_content_and_aliases_are_followed(tmp_path):
    section = tmp_path / "man1"
    section.mkdir()
    (section / "knead.1.gz").write_bytes(gzip.compress(MAN.encode()))
    (section / "work.1").write_text(".so man1/knead.1\n")
    (section / "gone.1").write_text(".so man1/nothing.1\n")
    (section / "server.log.1").write_text("2024-05-01 10:00 started x=1 y=2\n")
    (section / "notes.1").write_text("Plain words of a note, which is numbered and no manual page.\n")
    report = ReadReport()
    found = {document.id.rsplit("/", 1)[1]: document for document in read([str(section)], report=report)}
    assert set(found) == {"knead.1.gz", "work.1", "notes.1"}
    assert found["knead.1.gz"].title == found["work.1"].title == "knead - work the dough"
    assert found["notes.1"].text.startswith("Plain words")
    assert report.empty_files == 1


def test_sections_of_a_manual_page_are_headings(tmp_path):
    path = tmp_path / "knead.1"
    path.write_text(MAN)
    (document,) = read([str(path)])
    headings = {chunk.heading for chunk in Chunker(None, max_tokens=16, overlap=0).chunk(document)}
    assert any("DESCRIPTION" in heading for heading in headings)


def test_a_named_file_that_only_looks_like_one_is_text(tmp_path):
    path = tmp_path / "chapter.1"
    path.write_text("It was a dark night.\n")
    assert not is_manual(str(path))
    (document,) = read([str(path)])
    assert document.text == "It was a dark night.\n"


@pytest.mark.parametrize("name", ["main.c", "App.java", "x.ts", "lib.rs", "Main.KT"])
def test_a_program_is_a_document_whose_title_is_its_name(name, tmp_path):
    (tmp_path / name).write_text("// adds two numbers\nint add(int a, int b) { return a + b; }\n")
    (document,) = read([str(tmp_path)])
    assert (document.title, document.text.splitlines()[0]) == (name, "// adds two numbers")
