import json

import pytest
from embed_fakes import HashEncoder

from vecloom.cli.search import readable
from vecloom.search.results import Hit

HIT = Hit("a.md#2", "a.md", 0.03252, "All about reading a file.", "Guide", "Guide > Files", "a.md", 2)


def test_a_hit_shows_rank_score_heading_place_and_text():
    assert readable("reading", [HIT], titled=False).replace("\x1b[1m", "").replace("\x1b[0m", "") == (
        " 1. 0.0325  Guide > Files  a.md#2\n    All about reading a file."
    )


def test_a_record_with_its_own_id_shows_its_source_too():
    hit = Hit("doc7#0", "doc7", 1.0, "x", "", "", "news.jsonl")
    assert "news.jsonl  doc7#0" in readable("y", [hit], titled=False)


def test_title_and_heading_are_both_shown_where_they_differ():
    hit = Hit("a#0", "a", 1.0, "x", "Title", "Part > Section", "a")
    assert "Title > Part > Section" in readable("y", [hit], titled=False)


def test_no_hit_is_said():
    assert readable("y", [], titled=False) == "Nothing was found."


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
