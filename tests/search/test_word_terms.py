"""Keyword search finds words in every script, in every spelling, whatever their length."""

import json
import unicodedata

import lance
import pytest

from vecloom.errors import UsageError
from vecloom.search import Index, schema
from vecloom.search.word_terms import languages_of
from vecloom.text import cut

FRENCH = "La maison est dans la rue et les enfants ne sont pas à la plage avec elle."


def found(index, query):
    return [hit.document_id for hit in index.search(query, mode="keyword")]


@pytest.fixture
def filled(index):
    def fill(**texts):
        index.add([{"id": name, "text": text} for name, text in texts.items()])
        return index

    return fill


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Poincaré conjecture", "Poincare"),
        ("a cliché", "cliches"),
        ("my résumé", "resume"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("Istanbul", "İSTANBUL"),
        (unicodedata.normalize("NFD", "Ångström"), "Ångström"),
        ("ёлка", "елка"),
        ("שָׁלוֹם עוֹלָם", "שלום"),
        ("مُحَمَّدٌ", "محمد"),
        ("exam\u00adple", "example"),
        ("the infor-\nmation age", "information"),
        ("высокопревосходительство", "высокопревосходительство"),  # 48 bytes
        ("საქართველოსთვისაც", "საქართველოსთვისაც"),  # 51 bytes
        ("x" * 300, "X" * 300),
        ("我爱自然语言处理", "语言"),
        ("我有一只猫", "猫"),
        ("東京都の人口", "東京"),
        ("ภาษาไทยเป็นภาษา", "ไทย"),
        ("សួស្តីពិភពលោក", "ពិភព"),
        ("서울에서 만나요", "서울"),
        ("स्वतंत्रता दिवस", "स्वतंत्रता"),
        ("The Who play it loud", "who"),
        ("٢٠٢٤", "2024"),
    ],
)
def test_a_word_is_found(filled, written, asked):
    assert found(filled(right=written, wrong="nothing like that 他 ข"), asked) == ["right"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("क्षत्रिय", "तरिय"),  # what a cut at the virama would leave
        ("अंग्रेज़ी", "रेज़ी"),
        ("бойни", "боини"),
    ],
)
def test_what_is_not_a_word_is_not_found(filled, written, asked):
    assert found(filled(text=written), asked) == []


def test_stop_words_are_found_where_nothing_else_is_asked(filled):
    index = filled(a="IT budget", b="a budget", c="to be or not to be")
    assert found(index, "IT") == ["a"]
    assert found(index, "to be or not to be") == ["c"]
    assert found(index, "the budget") == ["a", "b"]


def test_words_are_stemmed_in_the_language_of_their_text(filled):
    german = "Die Kündigungsfristen sind in dem Vertrag nicht für den Mieter, sondern auch für das Haus geregelt."
    index = filled(de=german, fr=FRENCH)
    assert found(index, "Kündigungsfrist") == ["de"]
    assert index.info().languages == ("de", "fr")
    assert Index.open(index.path).info().languages == ("de", "fr")


def test_a_language_can_be_given(index):
    index.add([{"id": "a", "text": "Häuser"}], language="de")
    assert found(index, "haus") == ["a"]
    with pytest.raises(UsageError, match="There is no language 'klingon'"):
        index.add([], language="klingon")


def test_vietnamese_is_found_with_its_tones_or_without(filled):
    index = filled(phở="món phở của người Việt Nam được nhiều người biết", phố="phố cổ ở Hà Nội là nơi có nhiều nhà")
    assert found(index, "phở") == ["phở"]
    assert set(found(index, "pho")) == {"phở", "phố"}
    assert index.info().languages == ("vi",)


def test_a_few_mistaken_texts_of_many_bring_no_language():
    english = "It is one of those that have not been there."

    def found(texts, usual=""):
        return languages_of([cut(text) for text in texts], usual)

    assert set(found([english] * 200 + [FRENCH])) == {"en"}
    assert set(found([english] * 20 + [FRENCH])) == {"en", "fr"}
    assert found(["Kernel", FRENCH, FRENCH]) == ["fr"] * 3
    assert found(["Kernel"], "de") == ["de"]
    assert found(["Kernel"]) == ["en"]


def test_an_index_without_terms_answers_as_before_and_says_what_it_lacks(index, encoder):
    index.add([{"id": "a", "text": "green apples"}])
    old = as_format_1(index)
    assert found(old, "apple") == ["a"]
    assert "stop words" in old.info().lacks
    assert old.add([{"id": "b", "text": "apple trees"}]).added == 1
    assert set(found(old, "apple")) == {"a", "b"}


def as_format_1(index):
    """The index as vecloom wrote it before it had terms of its own."""
    place = index.path / json.loads((index.path / "index.json").read_text())["table"]
    rows = lance.dataset(str(place)).to_table()
    table = rows.drop_columns([schema.TERMS]).append_column(
        rows.schema.field(schema.TEXT).with_name(schema.PASSAGE), rows[schema.TEXT]
    )
    old = lance.write_dataset(table, str(place), mode="overwrite")
    old.create_scalar_index(schema.PASSAGE, "INVERTED", name="words", base_tokenizer="icu/split", language="English")
    content = json.loads((index.path / "index.json").read_text())
    (index.path / "index.json").write_text(
        json.dumps({k: v for k, v in content.items() if k not in ("words", "languages", "vectors")} | {"format": 1})
    )
    return Index.open(index.path, index.encoder)
