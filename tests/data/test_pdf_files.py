import importlib.util

import pytest
from tests.data import made

from vecloom.data import Chunker
from vecloom.errors import DataError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pypdfium2") is None, reason="the extra [files] is missing")

PICTURE = (
    b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\n"
    b"stream\n\x7f\nendstream"
)
DRAWN = "q 500 0 0 700 50 50 cm /Im Do Q"


def column(x, lines, top=700, step=12):
    return "".join(made.show(x, top - step * number, line) for number, line in enumerate(lines))


def read(inputs, *pages, **options):
    (document,) = inputs.read("a.pdf", made.pdf(*pages, **options))
    return document


def test_pdf_gives_its_text(inputs):
    assert read(inputs, made.show(72, 720, "Boil water slowly.", 24)).text == "Boil water slowly."


def test_words_set_one_by_one_keep_their_borders(inputs):
    # TeX writes no spaces: it moves to where the next word begins
    page = made.show(72, 700, "Boil") + made.show(93, 700, "water") + made.show(122, 700, "slowly")
    assert read(inputs, page).text == "Boil water slowly"


def test_letters_moved_together_stay_a_word(inputs):
    page = "BT /F1 10 Tf 72 700 Td [(W) 80 (ater) -250 (boils)] TJ ET\n"
    assert read(inputs, page).text == "Water boils"


def test_two_columns_are_read_one_after_the_other(inputs):
    left = column(72, ["Tea is made of leaves and", "water that has just boiled,", "poured over them at once."])
    right = column(320, ["Coffee is made of beans that", "somebody has roasted and", "ground to a fine powder."])
    assert read(inputs, left + right).text == (
        "Tea is made of leaves and water that has just boiled, poured over them at once.\n\n"
        "Coffee is made of beans that somebody has roasted and ground to a fine powder."
    )


def test_a_sentence_that_goes_on_in_the_next_column_stays_whole(inputs):
    left = column(72, ["Tea is made of leaves and", "water that has just been"])
    right = column(320, ["boiled and poured over the", "leaves that were dried."])
    assert "just been boiled and" in read(inputs, left + right).text


def test_a_word_cut_at_a_line_end_is_whole_again(inputs):
    page = column(72, ["The water has a tempera-", "ture of ninety degrees."])
    assert read(inputs, page).text == "The water has a temperature of ninety degrees."


def test_a_compound_at_a_line_end_keeps_its_hyphen(inputs):
    page = column(72, ["A low-level reader, as is a", "thing that reads at a low-", "level border of its format."])
    assert read(inputs, page).text.endswith("reads at a low-level border of its format.")


def test_a_range_at_a_line_end_keeps_its_hyphen(inputs):
    page = column(72, ["The years of tea were 1921-", "1935 and no others at all."])
    assert "1921-1935" in read(inputs, page).text


def test_an_accent_printed_over_a_letter_becomes_part_of_it(inputs):
    # as TeX's first fonts do: the accent, back by its width, the letter
    page = "BT /F1 10 Tf 72 700 Td [(f) 0 (\\250) 460 (ur) -250 (Tee)] TJ ET\n"
    assert read(inputs, page).text == "für Tee"


def test_an_accent_beside_a_letter_stays(inputs):
    assert read(inputs, made.show(72, 700, "it \\264 u")).text == "it ´ u"


def test_a_gap_starts_a_paragraph_and_an_item_a_line(inputs):
    page = column(72, ["One should know two things of tea:", "1. Water boils at once or later on.", "2. Leaves swim."])
    page += column(72, ["Another paragraph stands below it."], top=620)
    assert read(inputs, page).text == (
        "One should know two things of tea:\n1. Water boils at once or later on.\n2. Leaves swim.\n\n"
        "Another paragraph stands below it."
    )


def test_a_line_of_code_is_not_a_heading(inputs):
    document = read(inputs, column(72, ["# install everything", "make install"]))
    assert [chunk.heading for chunk in Chunker(None).chunk(document)] == [""]
    assert document.title == ""


def test_each_chunk_knows_its_page(inputs):
    pages = [column(72, [f"Page number {number} is about water and tea."] * 3) for number in (1, 2, 3)]
    document = read(inputs, *pages)
    chunks = Chunker(None, max_tokens=40, overlap=0).chunk(document)
    assert [chunk.page for chunk in chunks] == [1, 2, 3]
    assert all(f"Page number {chunk.page}" in chunk.text for chunk in chunks)
    assert [chunk.fields["page"] for chunk in chunks] == [1, 2, 3]


def test_pages_without_text_count_as_pages(inputs):
    document = read(inputs, "", made.show(72, 700, "Tea."), "", made.show(72, 700, "Water."))
    assert document.text == "Tea.\n\nWater."
    (chunk,) = Chunker(None).chunk(document)
    assert chunk.page == 2
    assert document.pages[3] == len("Tea.\n\n")


@pytest.mark.parametrize(
    ("written", "title"),
    [("On Tea", "On Tea"), ("Microsoft Word - tea_v2.doc", ""), ("tea.dvi", ""), ("untitled", ""), ("", "")],
)
def test_title_is_what_the_author_wrote(inputs, written, title):
    assert read(inputs, made.show(72, 700, "Tea."), title=written).title == title


def test_pictures_of_pages_are_empty_and_said(inputs):
    assert inputs.read("a.pdf", made.pdf(DRAWN, more=[PICTURE])) == []
    assert inputs.report.empty_files == 1
    assert "its pages are pictures; recognize their text (OCR)" in inputs.report.notes[0]


def test_some_pictures_among_the_pages_are_said(inputs):
    read(inputs, DRAWN, made.show(72, 700, "Tea."), more=[PICTURE])
    assert "1 of its 2 pages are pictures without text" in inputs.report.notes[0]


def test_a_file_without_pages_is_empty_or_broken_but_said(inputs):
    assert inputs.read("a.pdf", made.pdf()) == []
    assert "it holds no text: it has no pages" in inputs.report.notes[0]


def test_an_encrypted_file_is_said(inputs):
    keys = b"/O <%s> /U <%s> /P -4" % (b"11" * 32, b"22" * 32)
    lock = b"/ID [<00> <00>] /Encrypt << /Filter /Standard /V 1 /R 2 %s >>" % keys
    data = made.pdf(made.show(72, 700, "Tea."), trailer=lock)
    with pytest.raises(DataError, match=r"a\.pdf: it is encrypted and opens with a password only"):
        inputs.read("a.pdf", data)
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


@pytest.mark.parametrize("data", [b"%PDF-1.4\nbroken", b"just words"])
def test_broken_file_stops_when_named_and_is_counted_in_a_folder(inputs, data):
    with pytest.raises(DataError, match=r"a\.pdf: it is not a PDF file that can be read"):
        inputs.read("a.pdf", data)
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1
