import importlib.util
import json
from dataclasses import replace

import pytest
from embed_fakes import HashEncoder
from tests.data import made

from vecloom.cli.hits import as_objects, readable
from vecloom.search.closeness import BOUNDS
from vecloom.search.results import Hit

HIT = Hit("a.md#2", "a.md", 0.03252, "All about reading a file.", "Guide", "Guide > Files", "a.md", 2, cosine=0.71)
MINILM = next(iter(BOUNDS))


def plain(*documents, query="reading", fingerprint=MINILM, **settings):
    told = readable(documents, query, fingerprint, **settings)
    return told.replace("\x1b[1m", "").replace("\x1b[0m", "")


def test_a_hit_shows_rank_cosine_heading_place_and_text():
    assert plain([HIT]) == " 1. 0.71 close  Guide > Files  a.md#2\n    All about reading a file."


def test_a_model_whose_cosines_were_not_measured_has_no_word_for_them():
    assert plain([HIT], fingerprint="another").startswith(" 1. 0.71  Guide")


def test_by_words_alone_the_score_is_shown():
    assert plain([replace(HIT, score=7.125, cosine=None)]).startswith(" 1. 7.12  Guide")


def test_a_record_with_its_own_id_shows_its_source_too():
    assert "news.jsonl  doc7#0" in plain([Hit("doc7#0", "doc7", 1.0, "x", "", "", "news.jsonl")])


def test_title_and_heading_are_both_shown_where_they_differ():
    assert "Title > Part > Section" in plain([Hit("a#0", "a", 1.0, "x", "Title", "Part > Section", "a")])


def test_passages_of_a_document_with_pages_show_their_page():
    hits = [Hit(f"a.pdf#{n}", "a.pdf", 1.0, "x", "Tea", "", "a.pdf", n, {"page": n + 1}) for n in (2, 4)]
    assert "Tea  a.pdf#2, page 3\n" in plain(hits)
    assert plain(hits).endswith("and 1 more passage: #4 (page 5)")


@pytest.mark.skipif(importlib.util.find_spec("pypdfium2") is None, reason="the extra [files] is missing")
def test_a_hit_in_a_pdf_tells_its_page_and_can_be_filtered_by_it(run, tmp_path):
    text = "Green tea is brewed with water of eighty degrees and black tea with boiling water. " * 3
    lines = [[f"Part {number}"] + [text[n : n + 80] for n in range(0, len(text), 80)] for number in (1, 2, 3)]
    pages = ["".join(made.show(72, 700 - 12 * n, line) for n, line in enumerate(page)) for page in lines]
    (tmp_path / "tea.pdf").write_bytes(made.pdf(*pages))
    arguments = ("index", tmp_path / "tea.pdf", "-i", tmp_path / "i", "--chunk-tokens", 64, "--overlap", 0)
    assert run(*arguments).exit_code == 0
    asked = ("search", tmp_path / "i", "Part", "--json")
    assert json.loads(run(*asked).stdout)["hits"][0]["fields"]["page"] in {1, 2, 3}
    for page in (1, 2, 3):
        (hit,) = json.loads(run(*asked, "--where", f"page = {page}").stdout)["hits"]
        assert hit["fields"]["page"] == page
    assert ", page 2\n" in run("search", tmp_path / "i", "Part", "--where", "page = 2").stdout


def test_no_hit_is_said():
    assert plain() == "Nothing was found."


def test_further_passages_of_a_document_are_named_below_its_best():
    others = [replace(HIT, id=f"a.md#{place}", position=place) for place in (5, 0)]
    assert plain([HIT, *others]).endswith("\n    and 2 more passages: #5, #0")
    assert plain([HIT, others[0]]).endswith("\n    and 1 more passage: #5")
    assert as_objects([[HIT, *others]], MINILM)[0]["passages"] == ["a.md#5", "a.md#0"]


def test_a_whole_passage_keeps_its_lines():
    long = replace(HIT, text="First line.\n\n" + "word " * 60 + "end")
    shown = plain([long], full=True).splitlines()
    assert shown[1] == "    First line."
    assert " ".join(" ".join(shown[2:]).split()) == " ".join(["word"] * 60 + ["end"])
    assert "…" in plain([long])


def test_that_nothing_fits_is_said_first():
    assert plain([HIT], unfit=True).startswith("Nothing fits well; the nearest are:\n 1. ")


def test_text_of_an_index_cannot_steer_the_terminal():
    bad = replace(
        HIT, id="a\x1b]0;x\x07#0", title="T\x9b2J", heading="", text="reading \u202eevil \x1b[2J\rover", source="s\x00"
    )
    for settings in ({}, {"full": True}):
        told = plain([bad], **settings)
        assert not set(told) & set("\x1b\x9b\x07\x00\r\u202e")


@pytest.fixture
def index(run, tmp_path):
    path = tmp_path / "news.jsonl"
    records = [
        ("n1", "The bank cut rates", 2024, "en"),
        ("n2", "Rates rise again", 2019, "en"),
        ("n3", "Regen", 2024, "de"),
    ]
    lines = (json.dumps({"id": i, "text": t, "year": y, "lang": lang}) + "\n" for i, t, y, lang in records)
    path.write_text("".join(lines))
    assert run("index", path, "-i", tmp_path / "i").exit_code == 0
    return tmp_path / "i"


def test_the_model_is_the_one_that_the_index_names(run, loaded, index):
    loaded.clear()
    assert run("search", index, "rates").exit_code == 0
    assert [name for name, _ in loaded] == ["hash"]
    loaded.clear()
    assert run("search", index, "rates", "--mode", "keyword").exit_code == 0
    assert loaded == []  # words need no model


def test_json_gives_one_object_per_query(run, index):
    answers = [
        json.loads(line) for line in run("search", index, "--json", stdin="rates\n\nregen\n").stdout.splitlines()
    ]
    assert [answer["query"] for answer in answers] == ["rates", "regen"]
    best = answers[1]["hits"][0]
    assert (best["document_id"], best["fields"]) == ("n3", {"year": 2024, "lang": "de"})


def test_queries_from_standard_input_are_named_above_their_hits(run, index):
    assert "> regen\n 1. " in run("search", index, stdin="regen\n").stdout


def test_hits_are_one_a_document_unless_passages_are_asked_for(run, tmp_path):
    text = "\n\n".join(f"# Part {n}\n\n" + f"the cat sat on mat {n} " * 60 for n in range(4))
    (tmp_path / "long.md").write_text(text)
    (tmp_path / "short.md").write_text("the cat")
    assert run("index", tmp_path / "long.md", tmp_path / "short.md", "-i", tmp_path / "i").exit_code == 0
    told = json.loads(run("search", tmp_path / "i", "cat", "-k", 2, "--json", "--mode", "keyword").stdout)
    assert sorted(hit["source"].rsplit("/", 1)[1] for hit in told["hits"]) == ["long.md", "short.md"]
    listed = json.loads(
        run("search", tmp_path / "i", "cat", "-k", 4, "--json", "--mode", "keyword", "--passages").stdout
    )
    assert len(listed["hits"]) == 4
    assert len({hit["document_id"] for hit in listed["hits"]}) < 4


def test_json_has_no_characters_that_a_terminal_obeys_and_loses_none(run, tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "a", "text": "cat \x9b2J \u202e \x1b \x7f"}))
    assert run("index", tmp_path / "x.jsonl", "-i", tmp_path / "i").exit_code == 0
    printed = run("search", tmp_path / "i", "cat", "--json").stdout
    assert not set(printed) & set("\x1b\x9b\x7f\u202e")
    assert json.loads(printed)["hits"][0]["text"] == "cat \x9b2J \u202e \x1b \x7f"


def test_documents_like_one_are_listed_without_a_model(run, loaded, index):
    loaded.clear()
    told = json.loads(run("similar", index, "n1", "--json").stdout)
    assert {hit["document_id"] for hit in told["hits"]} == {"n2", "n3"}
    assert loaded == []
    assert "n2#0" in run("similar", index, "n1", "--where", "lang = 'en'").stdout
    gone = run("similar", index, "n9")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "There is no document 'n9'" in gone.stderr


def test_values_of_fields_are_counted(run, index):
    assert run("facets", index, "year", "lang").stdout == "year\n  2  2024\n  1  2019\n\nlang\n  2  en\n  1  de\n"
    told = json.loads(run("facets", index, "lang", "--where", "year = 2024", "--json").stdout)
    assert told == {"lang": [{"value": "de", "count": 1}, {"value": "en", "count": 1}]}
    wrong = run("facets", index, "lagn")
    assert wrong.exit_code == 2
    assert "There is no field 'lagn'. Did you mean lang?" in wrong.stderr


def test_documents_are_deleted_by_id(run, index):
    assert run("delete", index, "n1", "n2", "n1").stdout == f"{index}: 2 documents removed.\n"
    told = json.loads(run("search", index, "rates", "--json").stdout)
    assert [hit["document_id"] for hit in told["hits"]] == ["n3"]


def test_an_id_that_is_not_there_removes_nothing(run, index):
    wrong = run("delete", index, "n1", "n7", "n8")
    assert wrong.exit_code == 1
    assert "2 documents not in" in wrong.stderr
    assert "'n7', 'n8'. Nothing was removed." in wrong.stderr
    assert json.loads(run("delete", index, "n1", "--json").stdout) == {"removed": 1}


def test_a_filter_removes_only_after_a_yes(run, index):
    refused = run("delete", index, "--where", "year = 2024")
    assert refused.exit_code == 2
    assert "The filter selects 2 documents. Add --yes to remove them." in refused.stderr
    assert run("delete", index, "--where", "year = 1999").stdout == f"{index}: 0 documents removed.\n"
    assert run("delete", index, "--where", "year = 2024", "--yes").stdout == f"{index}: 2 documents removed.\n"
    assert run("delete", index).exit_code == 2
    assert run("delete", index, "n2", "--where", "year = 2019").exit_code == 2


def test_filters_and_k(run, index):
    told = json.loads(run("search", index, "rates", "--where", "year > 2020 AND lang = 'en'", "--json").stdout)
    assert [hit["document_id"] for hit in told["hits"]] == ["n1"]
    assert len(json.loads(run("search", index, "rates", "-k", 2, "--json").stdout)["hits"]) == 2


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["{index}", "x", "--where", "year >"], 2, "year >"),
        (["{index}", "x", "--where", "yaer > 1"], 2, "yaer"),
        (["{index}", "x", "-k", "0"], 2, "0"),
        (["{index}", ""], 2, "The query is empty."),
        (["{index}.gone", "x"], 1, "gone"),
    ],
)
def test_wrong_calls_say_what_to_do(run, index, args, code, said):
    result = run("search", *(arg.format(index=index) for arg in args))
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_another_model_is_refused(run, index, monkeypatch):
    monkeypatch.setattr("vecloom.load", lambda *_, **__: HashEncoder(fingerprint="beef"), raising=False)
    result = run("search", index, "rates", "-m", "other")
    assert result.exit_code == 1
    assert "hash" in result.stderr
