"""What a user does with an index: add, ask, filter, change, remove."""

import threading

import numpy as np
import pytest
from search_fakes import HashEncoder

from vecloom.data.records import Document
from vecloom.errors import DataError, FilterError, ModelMismatchError, StoreError, UsageError
from vecloom.search import Index
from vecloom.search.writer import as_document

FRUIT = [
    {"id": "apple", "text": "red apples are sweet", "year": 2019, "lang": "en"},
    {"id": "pear", "text": "green pears are soft", "year": 2021, "lang": "en", "a.b": 1.5},
    {"id": "birne", "text": "grüne birnen sind weich", "year": 2022, "lang": "de", "Publication Year": 7},
]


def ids(hits):
    return [hit.document_id for hit in hits]


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_vector_search_gives_cosines_of_the_query(index, encoder):
    index.add(FRUIT)
    query, rows = encoder.encode(["sweet apples"])[0], encoder.encode([record["text"] for record in FRUIT])
    hits = index.search("sweet apples", 3, mode="vector")
    assert hits[0].document_id == "apple"
    assert [hit.score for hit in hits] == pytest.approx(sorted(rows @ query, reverse=True), abs=1e-6)
    assert [hit.vector_rank for hit in hits] == [1, 2, 3]


def test_keyword_search_finds_stems_and_only_rows_with_the_words(index):
    index.add(FRUIT)
    hits = index.search("apple", mode="keyword")
    assert [(hit.document_id, hit.keyword_rank, hit.vector_rank) for hit in hits] == [("apple", 1, None)]


def test_hybrid_adds_what_both_lists_say(index):
    index.add(FRUIT)
    hits = index.search("green pears", 3)
    first = hits[0]
    assert (first.document_id, first.vector_rank, first.keyword_rank) == ("pear", 1, 1)
    alone = next(hit for hit in hits if hit.keyword_rank is None)
    assert first.score > alone.score >= 0


def test_every_hit_but_those_of_words_alone_has_its_cosine_also_in_young_and_thinned_indexes(
    index, encoder, monkeypatch
):
    index.add([{"id": f"n{n}", "text": f"plum {n} {n % 7}"} for n in range(120)])
    index.delete(["n3", "n50"])
    monkeypatch.setattr(Index, "_settle", lambda *_: None)  # as a writer that was killed leaves it
    index.add([{"id": "young", "text": "plum 3 young"}, {"id": "other", "text": "nothing of that"}])
    query = encoder.encode(["plum 3"], kind="query")[0]
    for mode in ("hybrid", "vector"):
        hits = index.search("plum 3", 119, mode=mode)
        assert "young" in ids(hits)
        wanted = encoder.encode([hit.text for hit in hits]) @ query
        assert [hit.cosine for hit in hits] == pytest.approx(wanted.tolist(), abs=1e-5)
    words_alone = [hit for hit in index.search("plum", 100) if hit.vector_rank is None]
    assert words_alone
    assert None not in [hit.cosine for hit in words_alone]
    assert [hit.cosine for hit in index.search("plum", 3, mode="keyword")] == [None] * 3


def test_a_hit_carries_all_that_is_known(index):
    index.add(
        [Document("d", "some words", title="Title", source="a/b.md", position=3, fields={"year": 2020, "x": None})]
    )
    (hit,) = index.search("words", mode="keyword")
    assert (hit.id, hit.title, hit.source, hit.position, hit.fields) == ("d#0", "Title", "a/b.md", 0, {"year": 2020})
    assert hit.text == "some words"


def test_words_of_the_title_count(index):
    index.add([{"id": "a", "title": "Zebra", "text": "stripes"}, {"id": "b", "text": "spots"}])
    assert ids(index.search("zebra", mode="keyword")) == ["a"]


@pytest.mark.parametrize(
    "query",
    ['"green', "green AND NOT pears", "text:green*", "green~2 ^4 +-!(){}[]\\", "(green OR", "gr\ud800een green"],
)
def test_signs_of_query_languages_are_text(index, query):
    index.add(FRUIT)
    assert "pear" in ids(index.search(query, mode="keyword"))


def test_a_query_of_signs_alone_finds_nothing_by_keyword(index):
    index.add(FRUIT)
    assert index.search('"*:!', mode="keyword") == []


def test_many_queries_are_answered_as_each_alone(index):
    index.add(FRUIT)
    queries = ["green pears", "apples", "weich"]
    assert index.search_many(queries, 2) == [index.search(query, 2) for query in queries]
    assert index.search_many([]) == []


@pytest.mark.parametrize("call", [{"query": "  "}, {"query": "x", "k": 0}, {"query": "x", "mode": "magic"}])
def test_calls_that_cannot_be(index, call):
    with pytest.raises(UsageError):
        index.search(**call)


def test_an_empty_index_answers_with_nothing(index):
    assert index.search("anything") == []
    with pytest.raises(FilterError):
        index.search("anything", where="nothing = 1")


# ---- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("year > 2020 AND lang = 'en'", {"pear"}),
        ("a.b = 1.5", {"pear"}),
        ('"Publication Year" >= 7', {"birne"}),
        ("lang IN ('de', 'fr') OR year < 2020", {"birne", "apple"}),
        ("id LIKE 'p%' AND text LIKE '%soft%'", {"pear"}),
        ('"Publication Year" IS NULL', {"apple", "pear"}),
        ("year = 1", set()),
    ],
)
def test_filters_select_before_ranking(index, mode, where, expected):
    index.add(FRUIT)
    assert set(ids(index.search("sweet apples", 3, mode=mode, where=where))) == expected


def test_a_filter_on_keywords_selects_before_the_best_are_taken(index):
    index.add([{"id": str(n), "text": "same words", "n": n} for n in range(30)])
    assert ids(index.search("words", 5, mode="keyword", where="n = 29")) == ["29"]


@pytest.mark.parametrize("where", ["yeer > 2020", "year >", "year + 1", "year > 'x'", "sqrt2(year) = 1", ""])
def test_a_filter_that_cannot_be_used_names_the_fields(index, where):
    index.add(FRUIT)
    with pytest.raises(FilterError, match=r"a\.b.*lang.*Publication Year.*year"):
        index.search("apples", where=where)


def test_a_field_may_have_the_name_of_an_own_column(index):
    index.add([Document("a", "one", fields={"text": "x", "_key": 1}), Document("b", "two", fields={"text": "y"})])
    assert ids(index.search("one", where="fields.text = 'y'")) == ["b"]
    assert ids(index.search("one", where="text = 'one' AND _key = 1")) == ["a"]
    assert index.search("one", 1, mode="keyword")[0].fields == {"text": "x", "_key": 1}


# ---- fields that change ----------------------------------------------------------------------------------------------


def test_a_new_field_is_null_in_older_rows(index):
    index.add([{"id": "a", "text": "one"}])
    index.add([{"id": "b", "text": "two", "stars": 5}])
    assert ids(index.search("one", where="stars IS NULL")) == ["a"]
    assert index.info().fields == {"stars": "int64"}


@pytest.mark.parametrize(
    ("first", "second", "kind", "values"),
    [
        (1, 2.5, "double", {"a": 1.0, "b": 2.5}),
        (1, "two", "string", {"a": "1", "b": "two"}),
        ("one", 2, "string", {"a": "one", "b": "2"}),
        (True, 3, "string", {"a": "true", "b": "3"}),
        (2**53 + 1, 0.5, "string", {"a": str(2**53 + 1), "b": "0.5"}),
        (1, 2**70, "string", {"a": "1", "b": str(2**70)}),
        (0.5, None, "double", {"a": 0.5}),
    ],
)
def test_a_field_is_widened_and_nothing_is_lost(index, first, second, kind, values):
    index.add([{"id": "a", "text": "one", "x": first}])
    index.add([{"id": "b", "text": "one", "x": second}])
    assert index.info().fields == {"x": kind}
    hits = index.search("one", mode="keyword")
    assert {hit.document_id: hit.fields["x"] for hit in hits if "x" in hit.fields} == values
    assert len(hits) == 2


# ---- adding again ----------------------------------------------------------------------------------------------------


def test_what_is_there_already_is_not_encoded_again(index, encoder):
    first = index.add(FRUIT)
    assert (first.added, first.replaced, first.unchanged, first.chunks) == (3, 0, 0, 3)
    encoder.encoded.clear()
    again = index.add([*FRUIT[:2], {**FRUIT[2], "text": "gelbe birnen"}, {"id": "new", "text": "plums"}])
    assert (again.added, again.replaced, again.unchanged, again.chunks) == (1, 1, 2, 2)
    assert encoder.encoded == ["plums", "gelbe birnen"]
    assert again.seen == {"apple", "pear", "birne", "new"}
    assert index.search("grüne", mode="keyword") == []
    assert ids(index.search("gelbe", mode="keyword")) == ["birne"]


def test_a_document_that_becomes_shorter_leaves_no_old_parts(tmp_path, encoder):
    index = Index.create(tmp_path / "index", encoder, chunk_tokens=8, overlap=0)
    long = " ".join(f"word{n}" for n in range(60))
    assert index.add([{"id": "d", "text": long}]).chunks > 3
    index.add([{"id": "d", "text": "word1 only"}])
    assert index.info().rows == 1


def test_of_two_documents_with_one_id_the_later_one_stays(index):
    report = index.add([{"id": "a", "text": "first"}, {"id": "a", "text": "second"}])
    assert (report.added, report.replaced) == (1, 1)
    assert [hit.text for hit in index.search("first", mode="vector")] == ["second"]


def test_documents_without_text_are_counted_and_not_stored(index):
    report = index.add([{"id": "a", "text": ""}, {"id": "b", "text": " \n"}, {"id": "c", "text": "c"}])
    assert (report.added, report.empty) == (1, 2)
    index.add([{"id": "c", "text": ""}])
    assert index.info().rows == 0


def test_plain_texts_are_named_by_their_content(index):
    index.add(["one text", "another text"])
    assert index.add(["one text"]).unchanged == 1
    assert index.info().documents == 2


def test_progress_counts_every_document(index):
    seen = []
    index.add([*FRUIT, {"id": "e", "text": ""}], progress=seen.append)
    index.add(FRUIT, progress=seen.append)
    assert sum(seen) == 7


def test_strange_text_is_stored_as_it_can_be(index):
    index.add(
        [{"id": "\ud800", "text": "lone \ud800 surrogate", "f": "\udfff"}, {"id": "rtl", "text": "שלום 🎉 \x00 nul"}]
    )
    assert index.search("surrogate", 1, mode="keyword")[0].fields == {"f": "?"}
    assert ids(index.search("שלום", mode="keyword")) == ["rtl"]
    assert index.delete(["\ud800"]) == 1


# ---- removing --------------------------------------------------------------------------------------------------------


def test_deleted_documents_are_gone_from_every_list(index):
    index.add(FRUIT)
    assert index.delete(["pear", "no such"]) == 1
    assert index.delete(where="lang = 'de'") == 1
    for mode in ("hybrid", "vector", "keyword"):
        assert set(ids(index.search("green pears birnen apples", mode=mode))) == {"apple"}


def test_delete_missing_removes_what_a_run_did_not_see(index):
    index.add([Document(name, name, source=source) for name, source in [("a", "x/1"), ("b", "x/2"), ("c", "xy/3")]])
    assert index.delete_missing({"a"}, sources=["x"]) == 1
    assert set(ids(index.search("a", mode="vector"))) == {"a", "c"}
    assert index.delete_missing(index.add([Document("a", "a", source="x/1")]).seen) == 1
    assert index.info().documents == 1


def test_delete_needs_to_be_told_what(index):
    for call in ({}, {"ids": ["a"], "where": "id = 'a'"}):
        with pytest.raises(UsageError):
            index.delete(**call)


def test_quotes_in_ids_are_text(index):
    index.add([{"id": "it's", "text": "one"}, {"id": "x' OR 'a' = 'a", "text": "two"}, {"id": "b", "text": "three"}])
    assert index.delete(["x' OR 'a' = 'a"]) == 1
    assert index.info().documents == 2


# ---- opening ---------------------------------------------------------------------------------------------------------


def test_a_reopened_index_is_the_same(index, encoder):
    index.add(FRUIT)
    again = Index.open(index.path, encoder)
    assert again.search("green pears") == index.search("green pears")
    info = again.info()
    assert (info.model, info.fingerprint, info.dim, info.rows, info.documents) == ("hash", "f" * 64, 16, 3, 3)
    assert (info.kind, info.ann, info.unsearchable, info.format) == ("exact", None, 0, 2)
    assert info.size_bytes > 1000


def test_another_model_is_refused_and_both_are_named(index):
    with pytest.raises(ModelMismatchError, match=r"'hash' \(ffffffffffff\), not by 'other' \(eeeeeeeeeeee\)"):
        Index.open(index.path, HashEncoder(name="other", fingerprint="e" * 64))


def test_without_a_model_words_and_vectors_can_be_asked(index, encoder):
    index.add(FRUIT)
    bare = Index.open(index.path)
    assert ids(bare.search("apples", mode="keyword")) == ["apple"]
    assert bare.search_vector(encoder.encode(["apples"])[0], 1)[0].document_id == "apple"
    for call in (lambda: bare.search("apples"), lambda: bare.add(FRUIT)):
        with pytest.raises(UsageError, match="hash"):
            call()


@pytest.mark.parametrize("vector", [np.zeros(3), np.full(16, np.nan), np.full(16, np.inf)])
def test_a_vector_that_cannot_be_asked(index, vector):
    index.add(FRUIT)
    with pytest.raises(UsageError):
        index.search_vector(vector)


def test_create_does_not_touch_what_is_there(index, encoder, tmp_path):
    index.add(FRUIT)
    with pytest.raises(StoreError):
        Index.create(index.path, encoder)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError):
        Index.create(tmp_path, encoder)
    assert index.info().rows == 3


def test_overwriting_begins_anew_and_open_readers_notice(index, encoder):
    index.add(FRUIT)
    reader = Index.open(index.path, encoder)
    assert len(reader.search("apples")) == 3
    fresh = Index.create(index.path, encoder, overwrite=True)
    fresh.add([{"id": "new", "text": "apples"}])
    assert ids(reader.search("apples")) == ["new"]


def test_an_index_is_a_lancedb_table(index):
    lancedb = pytest.importorskip("lancedb")
    index.add(FRUIT)
    assert lancedb.connect(str(index.path)).open_table("rows").count_rows() == 3


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_a_reader_sees_whole_commits_while_another_writes(index, encoder, monkeypatch):
    monkeypatch.setattr("vecloom.search.writer.BATCH_CHUNKS", 10)
    reader, wrong, done = Index.open(index.path, encoder), [], threading.Event()

    def read():
        while not done.is_set():
            hits = reader.search("word", 100, mode="vector")
            if len(hits) % 10 or len({hit.document_id for hit in hits}) != len(hits):
                wrong.append(len(hits))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    index.add([{"id": str(n), "text": f"word {n}"} for n in range(80)])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(reader.search("word", 100, mode="vector")) == 80


def test_a_vector_that_is_not_finite_is_refused_by_name(index):
    with pytest.raises(DataError, match="'bad'"):
        index.add([{"id": "good", "text": "fine"}, {"id": "bad", "text": "NAN here"}])
    assert index.info().rows == 0


def test_a_record_with_a_title_alone_is_found_by_it(index):
    report = index.add([{"id": "t", "title": "Inversion of matrices"}, {"id": "n", "title": " ", "text": ""}])
    assert (report.added, report.empty) == (1, 1)
    hit = index.search("inversion", 1, mode="keyword")[0]
    assert (hit.document_id, hit.title, hit.text) == ("t", "Inversion of matrices", "")


def test_a_field_nested_too_deeply_is_one_sentence():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(DataError, match="nested too deeply"):
        as_document({"text": "a", "x": nested})
