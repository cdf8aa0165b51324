from dataclasses import replace

from vecloom.data import Document, content_hash

BASE = Document("a", "text", "title", fields={"year": 1, "lang": "en"})


def test_digest_has_32_hex_digits_and_ignores_where_the_document_lies():
    digest = content_hash(BASE)
    assert len(digest) == 32
    assert int(digest, 16) >= 0
    assert content_hash(replace(BASE, source="elsewhere", position=9)) == digest
    assert content_hash(replace(BASE, fields={"lang": "en", "year": 1})) == digest


def test_every_part_of_the_content_counts():
    others = [
        replace(BASE, id="b"),
        replace(BASE, text="texts"),
        replace(BASE, title=""),
        replace(BASE, fields={"year": 2, "lang": "en"}),
        replace(BASE, fields={"year": "1", "lang": "en"}),
        replace(BASE, id="atext", text=""),
    ]
    assert len({content_hash(document) for document in [BASE, *others]}) == 7


def test_lone_surrogates_have_a_digest():
    assert content_hash(replace(BASE, text="\ud800")) != content_hash(BASE)


def test_pages_count_where_there_are_any():
    plain = Document("a", "x y")
    assert content_hash(plain) == content_hash(replace(plain, pages=()))
    assert content_hash(plain) != content_hash(replace(plain, pages=(0, 2)))
