"""HTML: what a reader of the page sees, and its title."""

import html as entities

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.formats.html import to_markdown
from vecloom.errors import DataError

OPTIONAL = [
    ("<title>Bees</title><meta charset=utf-8><h1>Winter</h1>Feed <p>them", "# Winter\n\nFeed\n\nthem"),
    ("<head><title>Bees</title><body><p>Feed them", "Feed them"),
    ("<html><head><title>Bees</title><p>Feed them", "Feed them"),
    ("<ul><li>veil<li>smoker</ul>", "* veil\n* smoker"),
    ("<ul><li>a<ul><li>b<li>c</ul><li>d</ul>", "* a\n  + b\n  + c\n* d"),
    ("<p>one<p>two<h2>three</h2>four", "one\n\ntwo\n\n## three\n\nfour"),
    ("<p>one<ul><li>two</ul>", "one\n\n* two"),
    ("<dl><dt>hive<dd>a box<dt>veil<dd>a net</dl>", "hive\n:   a box\n\nveil\n:   a net"),
    (
        "<table><thead><tr><th>a<th>b<tbody><tr><td>1<td>2<tr><td>3<td>4</table>after",
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\nafter",
    ),
    ("<select><option>red<option>blue</select>", "red\n\nblue"),
]


@pytest.mark.parametrize(("page", "text"), OPTIONAL)
def test_end_tags_that_may_be_left_out_are_not_needed(page, text):
    assert to_markdown(page)[1] == text


@pytest.mark.parametrize(("page", "text"), OPTIONAL)
def test_page_without_optional_tags_reads_as_the_page_with_them(page, text):
    from selectolax.lexbor import LexborHTMLParser

    assert to_markdown(LexborHTMLParser(page).html)[1] == text


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<svg><title>Menu icon</title></svg><h1>Roses</h1>", "Roses"),
        ("<math><title>Formula</title></math><h1>Roses</h1>", "Roses"),
        ("<template><title>Part</title></template><h1>Roses</h1>", "Roses"),
        ("<iframe srcdoc='<title>Inner</title>'></iframe><h1>Roses</h1>", "Roses"),
        ("<!-- <title>Old</title> --><h1>Roses</h1>", "Roses"),
        ("<head><title>One</title><title>Two</title></head>x", "One"),
        ("<head><title> \n </title></head><h2>Menu</h2><h1>Roses <i>red</i></h1>", "Roses red"),
        ("<h1 hidden>Old</h1><h1>Roses</h1>", "Roses"),
        ("<title>A &amp; B\n  &lt;C&gt;</title>x", "A & B <C>"),
        ("<body><svg><title>Menu</title></svg><title>Late</title>x", "Late"),
    ],
)
def test_title_is_the_pages_own_or_its_first_heading(page, title):
    assert to_markdown(page)[0] == title


@pytest.mark.parametrize(
    "page",
    [
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">'
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head><body><p>Kites</p></body></html>',
        "<?xml-stylesheet href='a.css'?><p>Kites",
        "<!doctype html><!-- a comment --><p>Kites<!-- <p>no</p> -->",
        "<!--[if IE]><p>Old</p><![endif]--><![if !IE]><p>Kites</p><![endif]>",
        "<p>Kites<?php echo 'x' ?>",
        "<head><noscript><p>Turn it on</noscript><title>T</title></head><body><noscript>x</noscript><p>Kites",
        "<title>T</title><style>p{}</style><noscript><p>Turn it on</noscript><p>Kites",
        "<!doctype html><!-- <body> is left out --><meta charset=utf-8><noscript><div>Turn it on</div></noscript>Kites",
        "<p>Kites<template><p>x</template><script type=application/json>{}</script><style>p{}</style>",
        "<p>Kites<p hidden>x</p><p style='color:red; DISPLAY : none'>x</p><dialog>x</dialog><video>x</video>",
        "<svg><text>x</text></svg><p>Kites<datalist><option>x</datalist><iframe>x</iframe>",
    ],
)
def test_only_what_a_reader_sees_is_text(page):
    assert to_markdown(page)[1] == "Kites"


def test_what_opens_on_a_click_or_in_a_search_is_text():
    page = "<details><summary>More</summary>Inside</details><p hidden=until-found>Found</p><p aria-hidden=true>Seen</p>"
    assert to_markdown(page)[1].split() == ["More", "Inside", "Found", "Seen"]


def test_page_that_only_a_script_shows_is_read_as_a_whole():
    assert to_markdown("<body style='display:none'><p>Kites")[1] == "Kites"
    assert to_markdown("<div hidden><p>Kites</div>")[1] == "Kites"


def test_xhtml_keeps_the_text_of_cdata_and_of_elements_that_close_themselves():
    page = '<?xml version="1.0"?><html><body><p>a <a id="x"/>b<br/>c</p><div/><p><![CDATA[1 < 2]]></p></body></html>'
    assert to_markdown(page)[1] == "a b  \nc\n\n1 < 2"


def test_blocks_do_not_run_into_each_other():
    page = "<header>Head</header><main>Main</main><aside>Side</aside><nav>Nav</nav><address>Street</address><footer>Foot</footer>"
    assert to_markdown(page)[1].split("\n\n") == ["Head", "Main", "Side", "Nav", "Street", "Foot"]


def test_a_word_of_which_a_part_is_emphasised_is_one_word():
    page = "<b>O</b>nce un<em>believ</em>able, <b>whole</b> words (<i>as here</i>)"
    assert to_markdown(page)[1] == "Once unbelievable, **whole** words (*as here*)"


def test_names_with_underscores_and_asterisks_are_as_the_page_has_them():
    assert to_markdown("<p>__init__ of my_class, 2*3*4")[1] == "__init__ of my_class, 2*3*4"


def test_a_page_with_only_a_title_is_a_document(inputs):
    (document,) = inputs.read("a.html", "<title>Bees</title><frameset><frame src=a></frameset>")
    assert (document.title, document.text) == ("Bees", "")


def test_page_by_frames_or_without_anything_has_no_text():
    assert to_markdown("<frameset><frame src=a></frameset>")[1] == ""
    assert to_markdown("") == ("", "")


@pytest.mark.parametrize("page", ["<div>" * 50_000, "<b><p>" * 20_000, "<p>" + "<font color=red>" * 20_000])
def test_depth_without_end_is_a_bad_file_at_once(inputs, page):
    with pytest.raises(DataError, match="too deeply"):
        inputs.read("a.html", page + "x")


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1, max_size=5))
def test_every_word_of_paragraphs_without_end_tags_is_kept(words):
    page = "<title>t</title>" + "".join(f"<p>{entities.escape(word)}" for word in words)
    text = to_markdown(page)[1].replace("\\", "")
    assert [one.strip() for one in text.split("\n\n")] == [word.replace("\\", "") for word in words]


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ('<meta charset="iso-8859-1">', "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso-8859-2"),
        ("<meta charset=gb2312>", "gb18030"),
        ("<meta charset=shift_jis>", "cp932"),
    ],
)
def test_declared_charset_is_used_as_browsers_do(inputs, declared, codec):
    text = {"cp1252": "Grüße – „Köln“ €", "cp1251": "Привет", "iso-8859-2": "žluťoučký"}.get(codec, "日本")
    (document,) = inputs.read("a.html", f"{declared}<p>{text}</p>".encode(codec))
    assert document.text == text
    assert (inputs.report.invalid_utf8, inputs.report.windows_1252) == (0, 0)


def test_declared_charset_that_is_wrong_is_not_used(inputs):
    assert inputs.read("a.html", '<meta charset="windows-1251"><p>Grüße</p>'.encode())[0].text == "Grüße"
    assert inputs.read("a.html", '<meta charset="utf-8"><p>Grüße</p>'.encode("latin-1"))[0].text == "Grüße"
    assert inputs.read("a.html", '<meta charset="utf-16"><p>Grüße</p>'.encode("latin-1"))[0].text == "Grüße"
    assert inputs.report.windows_1252 == 1
