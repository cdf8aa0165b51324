from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.encoders.lexical import LexicalEncoder
from vecloom.errors import DataError, OutputError, UsageError
from vecloom.evaluate.make.clusters import (
    ClusterGroup,
    ClusterSettings,
    cluster_sets,
    group_texts,
    hierarchy_groups,
    judged_sets,
    passes_gates,
    v_measure,
)
from vecloom.evaluate.make.dictionary import TaxonomyColumns, read_dictionary
from vecloom.evaluate.make.relevance import by_hierarchy, by_mapping, without_name
from vecloom.evaluate.make.reranking import RerankingSettings
from vecloom.evaluate.make.sampling import (
    STRATEGIES,
    chain,
    diverse_sample,
    farthest,
    negative_sets,
    random_negative_sets,
    set_count,
)
from vecloom.evaluate.make.taxonomy import make_taxonomy
from vecloom.evaluate.make.vectors import TextVectors

A, B, C, D = range(4)
FOUR = np.array([(1, 0), (0.8, 0.6), (0, 1), (-1, 0)], np.float32)
TREE = """code,parent,title,description
R,,Things,Things. All there is.
F,R,Fruit,"Fruit. Sweet things, that grow."
T,R,Tools,Tools: what hands hold
F1,F,Apple,"Apple. It is round, red."
F2,F,Pear,A pear hangs on a tree
F3,F,Fig,
T1,T,Hammer,A hammer hits nails
T2,T,Saw,A saw cuts wood
"""
LEVELS = """id,name,1st_lev_superclass,2nd_lev_superclass,definition,tags
x1,Apple,food,fruit,red fruit,sweet
x2,Pear,food,fruit,green fruit,"sweet, soft"
x3,Bread,food,,baked,
x4,Saw,tool,,cuts,hard
"""
PRODUCTS = """code,title,description,target
p1,Steel bolt,A bolt of steel,fixing
p2,Brass bolt,A bolt of brass, fixing
p3,Oak door,A door of oak,door
p4,Odd thing,Nobody knows,Door
p5,Lost thing,Nobody cares,
p6,Both,A door with a bolt,door;fixing
"""
TARGETS = """code,title,description
door,Doors,Doors. They close a room.
fixing,Fixings,Fixings hold things together
window,Windows,Windows. They let in light.
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return tmp_path / name

    return written


@pytest.fixture
def encoder() -> LexicalEncoder:
    return LexicalEncoder.hashed(256)


def unit(rows: int, seed: int = 0, dim: int = 8) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def judged(folder: Path) -> dict[str, set[str]]:
    header, *lines = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    found: dict[str, set[str]] = {}
    for query, document, grade in (line.split("\t") for line in lines):
        assert grade == "1"
        found.setdefault(query, set()).add(document)
    return found


def product_table(classes: int = 4, each: int = 24) -> str:
    """A dictionary with a mapping: ``each`` products of each class, which share a word of the class."""
    lines = ["code,title,description,level 1,target"]
    for kind in range(classes):
        for number in range(each):
            words = f"word{kind} word{kind} item{number} mark{number % 5}"
            lines.append(f"c{kind}n{number},Name{number} word{kind},{words},class{kind},t{kind}")
    return "\n".join(lines) + "\n"


def target_table(classes: int = 4) -> str:
    lines = [f"t{kind},Target {kind},Target {kind}. About word{kind}." for kind in range(classes)]
    return "\n".join(["code,title,description", *lines]) + "\n"


# --- sampling: oracles


def test_the_chain_takes_what_is_least_similar_to_the_last_one() -> None:
    # a = (1, 0), d = (-1, 0) has cosine -1; of what is left b has -.8 to d and c has 0: b
    assert chain(FOUR, A, np.ones(4, bool), 3) == [A, D, B]


def test_the_farthest_rule_looks_at_all_picked_ones() -> None:
    # the most similar picked one of b is a with .8, of c it is a or d with 0: c
    assert farthest(FOUR, A, np.ones(4, bool), 3) == [A, D, C]


def test_negatives_are_dealt_out_by_falling_similarity() -> None:
    assert negative_sets(np.array([0.9, 0.5, 0.7, 0.1]), samples=2, sets=2) == [[0, 2], [1, 3]]


def test_negatives_run_out_rather_than_come_twice() -> None:
    assert negative_sets(np.array([0.1, 0.2, 0.3]), samples=2, sets=3) == [[2, 1], [0], []]


@pytest.mark.parametrize(("count", "expected"), [(6, 0), (7, 0), (8, 1), (14, 2), (23, 3), (28, 4), (400, 4)])
def test_a_query_needs_more_than_seven_documents_and_gives_one_set_for_each_seven_up_to_four(
    count: int, expected: int
) -> None:
    assert set_count(count) == expected


# --- sampling: properties


@settings(deadline=None)
@given(
    n=st.integers(0, 30),
    samples=st.integers(1, 12),
    sets=st.integers(1, 6),
    seed=st.integers(0, 99),
    strategy=st.sampled_from(sorted(STRATEGIES)),
)
def test_diverse_sets_are_disjoint_and_full_until_the_texts_run_out(
    n: int, samples: int, sets: int, seed: int, strategy: Any
) -> None:
    found = diverse_sample(unit(n), samples, sets, seed=seed, strategy=strategy)
    everything = [row for chosen in found for row in chosen]
    assert len(everything) == len(set(everything)) == min(n, samples * sets)
    assert [len(chosen) for chosen in found] == [min(samples, max(0, n - samples * at)) for at in range(sets)]
    assert found == diverse_sample(unit(n), samples, sets, seed=seed, strategy=strategy)


@given(st.lists(st.floats(-1, 1, width=32), max_size=40), st.integers(1, 8), st.integers(1, 5), st.integers(0, 9))
def test_negative_sets_are_disjoint_and_each_is_at_least_as_similar_as_the_next(
    similar: list[float], samples: int, sets: int, seed: int
) -> None:
    for found in (
        negative_sets(np.array(similar, np.float32), samples, sets),
        random_negative_sets(len(similar), samples, sets, seed),
    ):
        everything = [row for chosen in found for row in chosen]
        assert len(found) == sets
        assert len(everything) == len(set(everything)) == min(len(similar), samples * sets)
    hard = [similar[row] for chosen in negative_sets(np.array(similar), samples, sets) for row in chosen]
    assert hard == sorted(hard, reverse=True)


# --- clustering sets


def test_the_gates_are_strict_on_both_sides() -> None:
    assert passes_gates(0.79, 0.26, labels=4)
    assert not passes_gates(0.80, 0.26, labels=4)
    assert not passes_gates(0.79, 0.25, labels=4)  # 1 / 4


def test_clusters_that_are_the_labels_have_a_v_measure_of_one_and_equal_vectors_of_zero() -> None:
    apart = np.array([(1, 0), (1, 0.01), (-1, 0), (-1, 0.01)], np.float32)
    assert v_measure(apart, ["a", "a", "b", "b"]) == pytest.approx(1)
    # one cluster over two equally frequent labels: completeness 1, homogeneity 0
    assert v_measure(np.ones((4, 2), np.float32), ["a", "a", "b", "b"]) == 0


def test_a_label_that_is_used_up_takes_its_first_set_again_and_the_set_says_so() -> None:
    drawn = cluster_sets({"many": unit(7), "few": unit(3)}, samples=3, sets=4)
    # many: 3 + 3 + 1 + none; few: 3 + none; in set 4 both would come again, so it is not made
    assert [drawn_set.reused for drawn_set in drawn] == [(), ("few",), ("few",)]
    assert [len(drawn_set.picked["many"]) for drawn_set in drawn] == [3, 3, 1]
    assert all(drawn_set.picked["few"] == drawn[0].picked["few"] for drawn_set in drawn)


def test_each_set_is_judged_once_and_whole() -> None:
    calls: list[int] = []

    def weak(texts: Any) -> np.ndarray:
        calls.append(len(texts))
        return unit(len(texts))

    texts = {"x": [f"x{number}" for number in range(6)], "y": [f"y{number}" for number in range(6)]}
    group = ClusterGroup("group", 1, ("x", "y"))
    sets = judged_sets(texts, group, lambda given_: unit(len(given_)), weak, ClusterSettings(samples=3, sets=2))
    assert calls == [6, 6]
    assert [Counter(one.labels) for one in sets] == [{"x": 3, "y": 3}] * 2
    assert all(sentence[0] == label for one in sets for sentence, label in zip(one.sentences, one.labels, strict=True))


def test_the_sets_of_a_group_follow_its_own_numbers() -> None:
    texts = {"x": [f"x{number}" for number in range(9)], "y": [f"y{number}" for number in range(9)]}
    group = ClusterGroup("group", 1, ("x", "y"), samples=2, sets=4)
    sets = judged_sets(texts, group, lambda t: unit(len(t)), lambda t: unit(len(t)), ClusterSettings())
    assert [len(one.sentences) for one in sets] == [4, 4, 4, 4]


def test_groups_are_the_classes_below_one_class_the_outermost_first(write: Any) -> None:
    lines = ["code,title,level1,level2,tags"]
    lines += [f"a{n},A{n},one,{'left' if n % 2 else 'right'},{'odd' if n % 2 else 'even'}" for n in range(6)]
    lines += [f"b{n},B{n},two,{'only' if n else 'rare'},odd" for n in range(4)]
    dictionary = read_dictionary(write("d.csv", "\n".join(lines)))
    groups = hierarchy_groups(dictionary, "file", ClusterSettings(fewest=3))
    found = {group.name: (group.level, group.within, group.labels) for group in groups}
    assert found == {
        "file: level 1": (1, (), ("one", "two")),
        "file: tags": (0, (), ("even", "odd")),
        "file: level 2 of one": (2, ("one",), ("left", "right")),
    }
    assert groups[-1].level == 2
    texts = group_texts(dictionary, groups[-1], lambda entry: entry.title)
    assert texts == {"left": ["A1", "A3", "A5"], "right": ["A0", "A2", "A4"]}


# --- dictionary


def test_the_usual_columns_are_found_and_the_path_goes_from_the_root(write: Any) -> None:
    dictionary = read_dictionary(write("tree.csv", TREE))
    apple = dictionary.by_code["F1"]
    assert (apple.title, apple.description, apple.path) == ("Apple", "Apple. It is round, red.", ("R", "F"))
    assert [entry.code for entry in dictionary.leaves] == ["F1", "F2", "F3", "T1", "T2"]
    assert dictionary.label("F") == "Fruit"


def test_level_columns_make_the_path_and_tags_are_split(write: Any) -> None:
    dictionary = read_dictionary(write("levels.csv", LEVELS))
    assert dictionary.by_code["x1"].path == ("food", "fruit")
    assert dictionary.by_code["x3"].path == ("food", "")
    assert dictionary.by_code["x2"].tags == ("sweet", "soft")
    assert len(dictionary.leaves) == 4


def test_semicolons_tabs_and_a_byte_order_mark_are_read_alike(write: Any) -> None:
    plain = read_dictionary(write("a.csv", "code,title\n1,One\n2,Two  words\n"))
    semicolons = read_dictionary(write("b.csv", "\ufeffcode;title\r\n1;One\r\n2;Two words \r\n"))
    tabs = read_dictionary(write("c.tsv", "code\ttitle\n1\tOne\n2\tTwo words\n"))
    assert plain.entries == semicolons.entries == tabs.entries


def test_columns_can_be_named(write: Any) -> None:
    file = write("d.csv", "Kode,Navn,Tekst,Over\n1,One,the first,\n2,Two,the second,1\n")
    columns = TaxonomyColumns(code="Kode", title="Navn", description="Tekst", parent="Over")
    assert read_dictionary(file, columns).by_code["2"].path == ("1",)
    with pytest.raises(UsageError, match=r"no column 'Kod'. Its columns: Kode, Navn, Tekst, Over"):
        read_dictionary(file, TaxonomyColumns(code="Kod"))
    with pytest.raises(DataError, match="no column for the code; columns found: Kode"):
        read_dictionary(file)


def test_a_parent_without_a_row_is_a_class_without_a_definition(write: Any) -> None:
    dictionary = read_dictionary(write("d.csv", "code,title,parent\n1,One,zero\n2,Two,zero\n3,Three,1\n"))
    assert dictionary.by_code["3"].path == ("zero", "1")
    assert dictionary.label("zero") == "zero"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("code,title\n", "no rows"),
        ("code,title\n1,One\n1,Two\n", "line 2: the code '1' stands in 2 rows"),
        ("code,title\n1,One\n,Two\n", "line 3: no code"),
        ("code,title\n1,\n", "line 2: no title"),
        ("code,title\n1,One,more\n", "line 2: more cells than columns"),
        ('code,title\n1,"One\n', "this is not CSV"),
        ("code,title,parent\n1,One,2\n2,Two,1\n", "line 2: '1' is its own ancestor"),
        ("code,title,title\n1,One,Two\n", "two columns 'title'"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(write: Any, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dictionary(write("d.csv", text))


def test_a_file_that_is_missing_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv does not exist"):
        read_dictionary(tmp_path / "gone.csv")
    (tmp_path / "latin.csv").write_bytes("code,title\n1,Übung\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 13\)"):
        read_dictionary(tmp_path / "latin.csv")


# --- relevance


def test_a_mapping_makes_judgements_and_its_misses_are_counted_and_never_guessed(write: Any) -> None:
    file, target = read_dictionary(write("p.csv", PRODUCTS)), read_dictionary(write("t.csv", TARGETS))
    found = by_mapping(file, target, "target")
    assert found.relevant == {"door": ("p3",), "fixing": ("p1", "p2")}
    assert [topic.id for topic in found.topics] == ["door", "fixing"]
    assert [entry.code for entry in found.documents] == ["p1", "p2", "p3"]
    assert found.misses == {"Door": 1, "door;fixing": 1}
    assert found.unmapped == 1


def test_a_cell_may_name_several_targets(write: Any) -> None:
    file, target = read_dictionary(write("p.csv", PRODUCTS)), read_dictionary(write("t.csv", TARGETS))
    found = by_mapping(file, target, "target", separator=";")
    assert found.relevant == {"door": ("p3", "p6"), "fixing": ("p1", "p2", "p6")}
    assert found.misses == {"Door": 1}


def test_without_a_mapping_the_entries_at_the_bottom_answer_the_classes_above_them(write: Any) -> None:
    found = by_hierarchy(read_dictionary(write("tree.csv", TREE)))
    assert found.relevant == {"F": ("F1", "F2", "F3"), "T": ("T1", "T2")}
    assert [(topic.title, topic.description) for topic in found.topics] == [
        ("Fruit", "Fruit. Sweet things, that grow."),
        ("Tools", "Tools: what hands hold"),
    ]
    assert found.too_wide == ("R",)


def test_classes_from_level_columns_are_told_apart_by_what_is_above_them(write: Any) -> None:
    lines = ["id,name,level 1,level 2", "1,A,left,end", "2,B,right,end", "3,C,right,"]
    found = by_hierarchy(read_dictionary(write("d.csv", "\n".join(lines))))
    assert found.relevant == {
        "left": ("1",),
        "left > end": ("1",),
        "right": ("2", "3"),
        "right > end": ("2",),
    }
    assert {topic.title for topic in found.topics} == {"left", "right", "end"}


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Beam. A long thing.", "A long thing."),
        ("BEAM: a long thing", "a long thing"),
        ("Beam – a long thing", "a long thing"),
        ("Beam", ""),
        ("Beams are long", "Beams are long"),
        ("A beam is long.", "A beam is long."),
        ("", ""),
    ],
)
def test_a_query_does_not_begin_with_its_own_name(description: str, expected: str) -> None:
    assert without_name("Beam", description) == expected


def test_a_mapping_that_fits_nowhere_and_a_flat_file_are_refused(write: Any) -> None:
    file, target = read_dictionary(write("p.csv", PRODUCTS)), read_dictionary(write("t.csv", TARGETS))
    with pytest.raises(UsageError, match=r"p\.csv has no column 'mapping'. Its columns: code, title"):
        by_mapping(file, target, "mapping")
    with pytest.raises(DataError, match=r"No cell of 'title' in p\.csv is a code of t\.csv"):
        by_mapping(file, target, "title")
    with pytest.raises(DataError, match=r"t\.csv has no hierarchy"):
        by_hierarchy(target)


# --- the six sets


@pytest.fixture
def made(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> tuple[Path, Any]:
    report = make_taxonomy(
        write("my items.csv", product_table()),
        tmp_path / "out",
        encoder=encoder,
        target=write("targets.csv", target_table()),
        mapping="target",
        clustering=ClusterSettings(samples=6, sets=2, upper=1.1),
    )
    return tmp_path / "out", report


def test_six_sets_are_written_with_their_cards(made: tuple[Path, Any]) -> None:
    folder, report = made
    names = [path.name for path in report.tasks]
    kinds = ["clustering-s2s", "clustering-p2p", "retrieval-s2p", "retrieval-p2p", "reranking-s2p", "reranking-p2p"]
    assert names == [f"my-items-{kind}" for kind in kinds]
    assert report.skipped == {}
    scores = {"clustering": "v_measure", "retrieval": "ndcg_at_10", "reranking": "map_at_1000"}
    for name in names:
        card = yaml.safe_load((folder / name / "task.yaml").read_text(encoding="utf-8"))
        assert card["name"] == name
        assert card["main_score"] == scores[card["type"]]
        assert card["splits"] == ["test"]


def test_the_retrieval_sets_hold_names_and_descriptions_and_no_query_holds_its_name(made: tuple[Path, Any]) -> None:
    folder, _ = made
    names = {row["_id"]: row["text"] for row in rows(folder / "my-items-retrieval-s2p" / "queries.jsonl")}
    definitions = {row["_id"]: row["text"] for row in rows(folder / "my-items-retrieval-p2p" / "queries.jsonl")}
    assert names == {f"t{kind}": f"Target {kind}" for kind in range(4)}
    assert definitions == {f"t{kind}": f"About word{kind}." for kind in range(4)}
    corpus = rows(folder / "my-items-retrieval-p2p" / "corpus.jsonl")
    assert corpus[0] == {"_id": "c0n0", "title": "Name0 word0", "text": "word0 word0 item0 mark0"}
    assert judged(folder / "my-items-retrieval-p2p") == {
        f"t{kind}": {f"c{kind}n{number}" for number in range(24)} for kind in range(4)
    }


def test_each_reranking_sample_has_seven_positives_and_twenty_one_negatives_that_no_other_has(
    made: tuple[Path, Any],
) -> None:
    folder, report = made
    for kind in ("s2p", "p2p"):
        task = folder / f"my-items-reranking-{kind}"
        lists = {row["query-id"]: row["corpus-ids"] for row in rows(task / "top_ranked.jsonl")}
        # 24 documents of each of 4 targets: 24 // 7 = 3 samples each
        assert sorted(lists) == sorted(f"t{target}#{number}" for target in range(4) for number in (1, 2, 3))
        positives = judged(task)
        assert {row["_id"] for row in rows(task / "queries.jsonl")} == set(positives) == set(lists)
        for target in range(4):
            samples = [f"t{target}#{number}" for number in (1, 2, 3)]
            chosen = [document for sample in samples for document in positives[sample]]
            against = [document for sample in samples for document in set(lists[sample]) - positives[sample]]
            assert len(set(chosen)) == 21
            assert len(set(against)) == 63
            assert all(document.startswith(f"c{target}n") for document in chosen)
            assert not any(document.startswith(f"c{target}n") for document in against)
        assert {row["_id"] for row in rows(task / "corpus.jsonl")} == {one for ids in lists.values() for one in ids}
    assert report.queries["my-items-reranking-s2p"] == 12
    assert report.short_samples == 0


def test_the_order_of_a_list_to_rank_tells_nothing(made: tuple[Path, Any]) -> None:
    folder, _ = made
    lists = [row["corpus-ids"] for row in rows(folder / "my-items-reranking-s2p" / "top_ranked.jsonl")]
    assert lists == [sorted(ids) for ids in lists]


def test_the_clustering_sets_hold_the_texts_of_the_classes(made: tuple[Path, Any]) -> None:
    folder, report = made
    for kind, column in (("s2s", "title"), ("p2p", "description")):
        file = read_dictionary(folder.parent / "my items.csv")
        classes = {getattr(entry, column): entry.path[0] for entry in file.entries}
        sets = rows(folder / f"my-items-clustering-{kind}" / "test.jsonl")
        assert len(sets) == 2
        for one in sets:
            assert Counter(one["labels"]) == {f"class{number}": 6 for number in range(4)}
            assert [classes[text] for text in one["sentences"]] == one["labels"]
            assert one["labels"] != sorted(one["labels"])
    assert [one["kept"] for one in report.cluster_sets] == [True] * 4


def test_the_report_is_written_beside_the_sets(made: tuple[Path, Any]) -> None:
    folder, report = made
    written = json.loads((folder / "my-items-report.json").read_text(encoding="utf-8"))
    assert written["documents"] == report.documents == 96
    assert written["judgements"] == 96
    assert written["seed"] == 42
    assert written["tasks"] == [path.name for path in report.tasks]


def test_the_sets_can_be_opened_as_tasks(made: tuple[Path, Any]) -> None:
    pytest.importorskip("mteb")
    from vecloom.evaluate.tasks.local import discover
    from vecloom.evaluate.tasks.mteb_tasks import as_mteb

    folder, _ = made
    found = {task.name: as_mteb(task).metadata for task in discover(folder)}
    assert len(found) == 6
    assert {one.main_score for one in found.values()} == {"v_measure", "ndcg_at_10", "map_at_1000"}


def test_the_same_seed_makes_the_same_files(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> None:
    file, target = write("items.csv", product_table()), write("targets.csv", target_table())
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_taxonomy(file, tmp_path / name, encoder=encoder, target=target, mapping="target", seed=seed)
        contents.append({p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*sonl")})
    assert contents[0] == contents[1] != contents[2]


def test_one_dictionary_alone_makes_sets_from_its_hierarchy(
    write: Any, tmp_path: Path, encoder: LexicalEncoder
) -> None:
    report = make_taxonomy(
        write("tree.csv", TREE), tmp_path / "out", encoder=encoder, tasks=("retrieval",), name="tree", licence="cc0-1.0"
    )
    assert [path.name for path in report.tasks] == ["tree-retrieval-s2p", "tree-retrieval-p2p"]
    assert judged(tmp_path / "out" / "tree-retrieval-s2p") == {"F": {"F1", "F2", "F3"}, "T": {"T1", "T2"}}
    queries = rows(tmp_path / "out" / "tree-retrieval-p2p" / "queries.jsonl")
    assert [row["text"] for row in queries] == ["Sweet things, that grow.", "what hands hold"]
    assert report.too_wide == ("R",)
    assert "licence: cc0-1.0" in (tmp_path / "out" / "tree-retrieval-s2p" / "task.yaml").read_text(encoding="utf-8")


def test_a_set_that_cannot_be_made_is_left_out_with_its_reason(
    write: Any, tmp_path: Path, encoder: LexicalEncoder
) -> None:
    report = make_taxonomy(write("levels.csv", LEVELS), tmp_path / "out", encoder=encoder)
    assert [path.name for path in report.tasks] == ["levels-retrieval-s2p"]
    assert report.skipped == {
        "levels-clustering-s2s": "clustering-s2s: none of 0 drawn sets passed the gates",
        "levels-clustering-p2p": "clustering-p2p: none of 0 drawn sets passed the gates",
        "levels-retrieval-p2p": "retrieval-p2p: no topic has a description",
        "levels-reranking-s2p": "reranking-s2p: no query has more than 7 relevant documents",
        "levels-reranking-p2p": "reranking-p2p: no topic has a description",
    }
    assert not (tmp_path / "out" / "levels-reranking-s2p").exists()


def test_sets_that_are_too_easy_for_the_baseline_are_reported_and_not_written(
    write: Any, tmp_path: Path, encoder: LexicalEncoder
) -> None:
    report = make_taxonomy(
        write("items.csv", product_table()),
        tmp_path / "out",
        encoder=encoder,
        clustering=ClusterSettings(samples=6, sets=2),
    )
    reason = "clustering-p2p: none of 2 drawn sets passed the gates"
    assert report.skipped["items-clustering-p2p"] == reason
    easy = [one for one in report.cluster_sets if one["task"] == "items-clustering-p2p"]
    assert [(one["kept"], one["baseline"] > 0.8) for one in easy] == [(False, True)] * 2
    assert not (tmp_path / "out" / "items-clustering-p2p").exists()


def test_negatives_are_never_texts_that_are_also_relevant(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> None:
    lines = ["code,title,description,target"]
    lines += [f"a{n},A,same{n % 2} words{n},x" for n in range(8)] + [f"b{n},B,same0 words0,y" for n in range(3)]
    lines += ["b3,B,other words,y"]
    report = make_taxonomy(
        write("p.csv", "\n".join(lines)),
        tmp_path / "out",
        encoder=encoder,
        target=write("t.csv", "code,title\nx,Same\ny,Other\n"),
        mapping="target",
        tasks=("reranking",),
    )
    (row,) = rows(tmp_path / "out" / "p-reranking-s2p" / "top_ranked.jsonl")
    assert [code for code in row["corpus-ids"] if code.startswith("b")] == ["b3"]
    assert report.short_samples == 1


def test_random_negatives_and_other_sizes_can_be_asked_for(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> None:
    make_taxonomy(
        write("items.csv", product_table()),
        tmp_path / "out",
        encoder=encoder,
        target=write("targets.csv", target_table()),
        mapping="target",
        tasks=("reranking",),
        reranking=RerankingSettings(positives=3, ratio=2, sets=2, negatives="random", strategy="farthest"),
    )
    lists = [row["corpus-ids"] for row in rows(tmp_path / "out" / "items-reranking-p2p" / "top_ranked.jsonl")]
    assert [len(ids) for ids in lists] == [9] * 8


def test_progress_counts_each_text_once(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> None:
    done: list[int] = []
    make_taxonomy(
        write("items.csv", product_table()),
        tmp_path / "out",
        encoder=encoder,
        target=write("targets.csv", target_table()),
        mapping="target",
        progress=done.append,
    )
    # 96 names, 96 descriptions, 4 names and 4 definitions as queries
    assert sum(done) == 200


def test_calls_that_cannot_be_are_refused(write: Any, tmp_path: Path, encoder: LexicalEncoder) -> None:
    file, target = write("p.csv", PRODUCTS), write("t.csv", TARGETS)
    with pytest.raises(UsageError, match="A target was given without a mapping"):
        make_taxonomy(file, tmp_path / "out", encoder=encoder, target=target)
    with pytest.raises(UsageError, match="A mapping was given without a target"):
        make_taxonomy(file, tmp_path / "out", encoder=encoder, mapping="target")
    with pytest.raises(UsageError, match="no taxonomy task 'sorting'"):
        make_taxonomy(file, tmp_path / "out", encoder=encoder, tasks=("sorting",))
    with pytest.raises(DataError, match=r"No set can be made of .*t\.csv: clustering-s2s: none of 0 drawn sets"):
        make_taxonomy(target, tmp_path / "out", encoder=encoder, tasks=("clustering",))
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="writing a task failed"):
        make_taxonomy(file, tmp_path / "taken", encoder=encoder, target=target, mapping="target", tasks=("retrieval",))
    assert not (tmp_path / "out").exists()


# --- the paper's own files


needs_data = pytest.mark.skipif("VECLOOM_DATA" not in os.environ, reason="needs the public test collections")


def built_assets() -> tuple[Path, Path]:
    folder = Path(os.environ["VECLOOM_DATA"], "taxonomy", "built-assets")
    return folder / "uniclass_entities.csv", folder / "ifc_entities.csv"


def ndcg_at_10(task: Path, vectors: TextVectors) -> float:
    """By trec_eval's own code."""
    import pytrec_eval

    corpus, queries = rows(task / "corpus.jsonl"), rows(task / "queries.jsonl")
    documents = vectors([f"{row['title']} {row['text']}" for row in corpus])
    scores = vectors([row["text"] for row in queries], "query") @ documents.T
    best = np.argsort(-scores, axis=1)[:, :100]
    run = {
        query["_id"]: {corpus[at]["_id"]: float(scores[row, at]) for at in best[row]}
        for row, query in enumerate(queries)
    }
    qrels = {query: dict.fromkeys(relevant, 1) for query, relevant in judged(task).items()}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    assert len(found) == len(queries)
    return float(np.mean([one["ndcg_cut_10"] for one in found.values()]))


@needs_data
def test_built_assets_give_the_published_counts_and_scores(tmp_path: Path) -> None:
    import vecloom

    file, target = built_assets()
    minilm = vecloom.load("minilm")
    vectors = TextVectors(minilm)
    report = make_taxonomy(
        file,
        tmp_path,
        encoder=minilm,
        target=target,
        mapping="mapping_IFC_4x3Add2_TC1",
        tasks=("retrieval", "reranking"),
        name="built",
    )
    # the paper has 334 queries and 2,761 products; four products name their type in another spelling
    assert (report.queries["built-retrieval-s2p"], report.documents) == (332, 2757)
    assert report.misses["IfcFurnitureType.USERDEFINED"] == 437
    assert report.misses["IfcTransformerTYPE.RECTIFIER"] == 1
    # 179 samples with 7 * 179 = 1,253 positives and 21 * 179 = 3,759 negatives, as in the paper
    assert report.queries["built-reranking-s2p"] == report.queries["built-reranking-p2p"] == 179
    task = tmp_path / "built-reranking-s2p"
    assert sum(map(len, judged(task).values())) == 1253
    assert sum(len(row["corpus-ids"]) for row in rows(task / "top_ranked.jsonl")) == 1253 + 3759
    assert report.short_samples == 0
    # measured once with all-MiniLM-L6-v2 in another implementation; L12's published scores are .7997 and .5881
    for kind, expected in (("s2p", 0.7993), ("p2p", 0.5710)):
        assert ndcg_at_10(tmp_path / f"built-retrieval-{kind}", vectors) == pytest.approx(expected, abs=0.002)


@needs_data
def test_built_assets_are_grouped_by_their_superclasses_and_tags() -> None:
    file, target = (read_dictionary(path) for path in built_assets())
    assert (len(file.entries), len(target.entries)) == (4234, 977)
    names = [group.name for group in hierarchy_groups(target, "target", ClusterSettings())]
    assert names[:2] == ["target: level 1", "target: tags"]
    assert hierarchy_groups(file, "file", ClusterSettings())[0].name == "file: level 1"
