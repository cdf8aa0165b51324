"""What filters mean on an index: kinds of values, what is not known, lists, and what is refused."""

import random

import numpy as np
import pytest

from vecloom.errors import FilterError, FilterTimeError, UsageError
from vecloom.search import Index, conditions

RECORDS = [
    {"id": "a", "year": 1958, "price": 2.5, "code": "007", "open": True, "flag": "true", "tags": ["x", "y"], "lang": "en"},
    {"id": "b", "year": 1964, "price": 0.0, "code": "12", "open": False, "flag": "False", "tags": ["z"], "lang": "de"},
    {"id": "c", "year": 0, "price": -1.5, "code": "x'1", "tags": [], "lang": "Größe", "in": 5, "Cited by": 3},
    {"id": "d", "big": 2**63 - 1, "date": "2020-05-03", "say \"it\"": "yes", "b`t": 1, "名前": "猫", "a.b": 1},
    {"id": "e", "big": -(2**63), "date": "2019-01-01", "open": True, "flag": "maybe", "lang": "100% sure"},
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    import search_fakes

    index = Index.create(tmp_path_factory.mktemp("conditions") / "index", search_fakes.HashEncoder())
    index.add({"text": f"text of {record['id']}", **record} for record in RECORDS)
    return index


def found(index, where):
    return "".join(sorted(hit.document_id for hit in index.search("text", 9, mode="keyword", where=where)))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        # numbers
        ("year > 1960", "b"),
        ("year = 1958.0 OR price = 0", "ab"),
        ("year <> 1958", "bc"),
        ("NOT year = 1958", "bc"),  # what is not known is neither equal nor unequal
        ("year BETWEEN 1958 AND 1960", "a"),
        ("year NOT BETWEEN 1958 AND 1960", "bc"),
        ("year IN (1964, 0, 7)", "bc"),
        ("year NOT IN (1964)", "ac"),
        ("year % 10 = 8", "a"),
        ("year / 10 = 195.8", "a"),
        ("floor(year / 10) = 196", "b"),
        ("year / year = 1", "ab"),  # 0 / 0 is not known
        ("year / 0 IS NULL AND year IS NOT NULL", "abc"),
        ("year % 0 IS NULL", "abcde"),
        ("-price > 1", "c"),
        ("abs(price) = 1.5 OR round(price) = 2", "ac"),  # 2.5 rounds to the even neighbour
        ("ceil(price) = 3", "a"),
        # 64 bits and beyond
        ("big = 9223372036854775807", "d"),
        ("big > 9223372036854775806", "d"),
        ("big < 9223372036854775808", "de"),  # 2**63, which no column holds, and not its neighbour
        ("big = 9223372036854775808", ""),
        ("big = -9223372036854775808", "e"),
        ("big >= -1e300 AND big < 1e300", "de"),
        ("big > 0.5", "d"),
        ("big + 1 IS NULL", "abcd"),
        ("big * 2 IS NULL AND big IS NOT NULL", "de"),
        ("abs(big) IS NULL AND big IS NOT NULL", "e"),
        ("-big IS NULL AND big IS NOT NULL", "e"),
        ("price * 1e308 * 10 IS NULL AND price IS NOT NULL", "ac"),
        # text
        ("lang = 'en'", "a"),
        ("lang >= 'e'", "a"),
        ("code = 'x''1'", "c"),
        ("date > '2019-06'", "d"),
        ("lang LIKE 'gr%'", ""),
        ("lang ILIKE 'gR_ß%'", "c"),
        ("lang NOT LIKE '%n'", "bce"),
        (r"lang LIKE '100\% %'", "e"),
        ("lang LIKE ''", ""),
        ("lower(lang) = 'größe'", "c"),
        ("length(lang) = 5 AND upper(lang) LIKE 'GRÖ%'", "c"),
        ("trim(lang) = lang", "abce"),
        ("number(code) = 7", "a"),
        ("number(code) IS NULL AND code IS NOT NULL", "c"),
        ("text(year) LIKE '19%'", "ab"),
        ("text(price) = '2.5' OR text(open) = 'false'", "ab"),
        # truth values, also where a table has them as text
        ("open", "ae"),
        ("NOT open", "b"),
        ("open = true OR open = false", "abe"),
        ("open <> true", "b"),
        ("open IN (true)", "ae"),
        ("open IS TRUE", "ae"),
        ("open IS NOT TRUE", "bcd"),
        ("flag", "a"),
        ("flag = false", "b"),
        ("flag IN (true, false)", "ab"),
        ("flag IS NOT FALSE", "acde"),
        ("flag = 'maybe'", "e"),
        ("(year > 1960) = true", "b"),
        ("true", "abcde"),
        ("false OR 1 = 2", ""),
        ("1 = 1.0 AND 'a' < 'b' AND NOT 2 + 2 = 5", "abcde"),
        # what is not known
        ("year IS NULL", "de"),
        ("year IS NOT NULL", "abc"),
        ("year > 1 OR open", "abe"),
        ("year > 1 AND open", "a"),
        # lists
        ("tags = 'x'", "a"),
        ("'x' = tags", "a"),
        ("tags <> 'x'", "ab"),  # a member is another one
        ("NOT tags = 'x'", "bc"),  # no member is
        ("tags IN ('y', 'z')", "ab"),
        ("tags NOT IN ('y')", "bc"),
        ("tags LIKE '_' AND tags > 'y'", "b"),
        ("tags BETWEEN 'y' AND 'yy'", "a"),
        ("tags BETWEEN 'xx' AND 'xz'", ""),  # one member has to be between
        ("tags IS NULL", "cde"),
        ("tags IS NOT NULL", "ab"),
        ("length(tags) = 2", "a"),
        ("length(tags) = 0", "c"),
        ("upper(tags) = 'Z'", "b"),
        ("tags = lang", ""),
        # names
        ('"in" = 5 AND "Cited by" >= 3', "c"),
        ("fields.in = 5", "c"),
        ('`Cited by` = 3 AND "fields.Cited by" = 3', "c"),
        ('"say ""it""" = \'yes\' AND `b``t` = 1', "d"),
        ("名前 = '猫' AND a.b = 1", "d"),
        ("id = 'a#0' AND document_id = 'a' AND position = 0 AND source = '-'", "a"),
    ],
)
def test_what_a_filter_selects(filled, where, expected):
    assert found(filled, where) == expected


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("code = 7", r"compares code, which holds text, with 7, which is a number\. Put the number in single quotes"),
        ("code IN (7, 12)", "Put the number in single quotes"),
        ("code > year", r"write number\(code\)"),
        ("year = '1958'", r"Write a number without quotes, or compare text\(year\)"),
        ("year IN ('1958')", "without quotes"),
        ("year BETWEEN '1' AND '2'", "without quotes"),
        ("year IN (1, 'a')", "mixes a number and text"),
        ("year IN (1, true)", "mixes a number and a truth value"),
        ("year LIKE '19%'", r"LIKE is for text.*text\(year\)"),
        ("open LIKE 't%'", "LIKE is for text"),
        ("open = 1", "Write open = true, open = false, or open alone"),
        ("open = 'true'", "Write open = true"),
        ("open > false", "orders open, which holds true or false, by >. True and false have no order"),
        ("open BETWEEN false AND true", "no order"),
        ("year", r"year, which holds numbers, where a condition is expected\. Compare it, as in year > 0"),
        ("lang AND tags", "tags, which holds lists of text, where a condition"),
        ("'true'", "where a condition is expected"),
        ("NOT 5", "where a condition is expected"),
        ("1 < year < 3", "has '<' at character 10, where AND, OR or the end is expected"),
        ("year + lang = 1", r"calculates with lang, which holds text\. Write number\(lang\)"),
        ("open + 1 = 1", "calculates with open"),
        ("-lang = 'x'", "calculates with lang"),
        ("abs(lang) = 1", "calculates with lang"),
        ("lower(year) = 'x'", "lower is for text"),
        ("number(open) = 1", "number is for text"),
        ("text(tags) = 'x'", "text is for numbers"),
        ("tags = 5", "A list is compared with one text"),
        ("tags = tags", "A list is compared with one text"),
        ("tags BETWEEN 1 AND 2", "A list is compared with one text"),
        ("tags IN (1)", "A list is compared with one text"),
        ("Cited > 1", r"names 'Cited', which is not a field of this index\. Names that are not one word"),
        ('lang = "en"', "'en', which is not a field of this index. Text stands in single quotes"),
        ("Year = 1", "not a field"),
        ("_hash = 'x'", "not a field"),
        ("lang LIKE '" + "x" * 201 + "'", "a pattern with 201 characters; 200 are allowed"),
        ("lang LIKE '" + "%a" * 11 + "'", "11 '%'; 10 are allowed"),
        ("lang LIKE '%a_______b'", "7 '_' behind a '%'; 6 are allowed"),
    ],
)
def test_what_cannot_be_compared_is_told_in_the_words_of_the_filter(filled, where, told):
    with pytest.raises(FilterError, match=f"(?s){told}") as caught:
        found(filled, where)
    assert "The fields are a.b, b`t, big, Cited by" in str(caught.value)
    assert not {"Int64", "Utf8", "arrow", "int64", "CAST", "lance"} & set(str(caught.value).split())


def test_the_date_pattern_of_underscores_alone_is_allowed(filled):
    assert found(filled, "date LIKE '____-__-__'") == "de"


def test_all_ways_to_ask_take_the_filter(filled, encoder):
    where = "tags = 'x'"
    vector = encoder.encode(["text"])[0]
    for mode in ("hybrid", "vector", "keyword"):
        assert [hit.document_id for hit in filled.search("text", mode=mode, where=where)] == ["a"]
    assert [hit.document_id for hit in filled.search_vector(vector, where=where)] == ["a"]
    assert [hit.document_id for hit in filled.similar("b", where=where)] == ["a"]
    assert filled.facets(["lang"], where=where) == {"lang": [("en", 1)]}


def test_a_filter_is_checked_in_an_empty_index_too(index):
    assert index.search("x", where="id = 'a'") == []
    for mode in ("hybrid", "vector", "keyword"):
        with pytest.raises(FilterError):
            index.search("x", mode=mode, where="nothing = 1")


def test_as_many_hits_as_pass_come_back_though_words_are_ranked_before_the_filter(index):
    index.add({"id": str(n), "text": "word " * (1 + n % 7), "n": n} for n in range(600))
    for where, passing in (("n >= 590", 10), ("n % 2 = 0", 300), ("n = 599", 1), ("n < 0", 0)):
        hits = index.search("word", 20, mode="keyword", where=where)
        assert len(hits) == min(20, passing)
        everything = index.search("word", 600, mode="keyword")
        kept = {hit.document_id for hit in index.search("word", 600, mode="keyword", where=where)}
        assert [hit.score for hit in hits] == [hit.score for hit in everything if hit.document_id in kept][:20]


def test_what_a_change_leaves_is_filtered_by_its_own_rows(index):
    index.add({"id": str(n), "text": "text", "n": n} for n in range(50))
    index.delete([str(n) for n in range(0, 50, 3)])
    index.add([{"id": "4", "text": "text again", "n": 400}])
    assert found(index, "n > 40 AND n < 100") == "4143444647" + "49"
    assert found(index, "n = 400") == "4"
    assert index.delete(where="n <= 46") == len([n for n in range(47) if n % 3 and n != 4])


def test_nan_and_infinity_are_no_values(index):
    index.add([{"id": "a", "text": "text", "v": float("nan")}, {"id": "b", "text": "text", "v": 1.0}])
    assert found(index, "v IS NULL") == "a"
    assert found(index, "v <> 1 OR v = v") == "b"


def test_a_filter_that_takes_too_long_is_ended(index, monkeypatch):
    index.add({"id": str(n), "text": "x", "n": n} for n in range(3))
    monkeypatch.setenv("VECLOOM_FILTER_SECONDS", "1e-9")
    with pytest.raises(FilterTimeError, match="longer than 1e-09 seconds"):
        index.search("x", where="n = 1")
    with pytest.raises(FilterTimeError):
        index.delete(where="n = 1")
    assert index.info().documents == 3
    monkeypatch.setenv("VECLOOM_FILTER_SECONDS", "soon")
    with pytest.raises(UsageError, match="VECLOOM_FILTER_SECONDS is 'soon'"):
        index.search("x", where="n = 1")


def test_the_clock_is_asked_between_the_steps_over_one_batch(filled, monkeypatch):
    asked = []
    monkeypatch.setattr(conditions.Clock, "check", lambda clock: asked.append(1))
    assert found(filled, "year > 1 AND lower(lang) LIKE 'e%'") == "a"
    assert len(asked) >= 5  # two columns, lower, LIKE, the comparison


def test_integers_and_doubles_are_ordered_exactly():
    """Against Python's own comparison of int and float, which is exact."""
    import pyarrow as pa

    from vecloom.search.kernels import TESTS, compare_numbers

    draw = random.Random(3)
    near = [0, 1, 2**53, 2**62, 2**63 - 1, 5, 1000]
    integers = [draw.choice([-1, 1]) * draw.choice(near) + draw.randint(-2, 2) for _ in range(500)]
    integers = [min(max(n, -(2**63)), 2**63 - 1) for n in integers]
    doubles = [float(n) + draw.choice([0, 0.5, -0.25]) for n in draw.sample(integers, 500)]
    doubles[:6] = [1e300, -1e300, 2.0**63, -(2.0**63), 0.5, -0.5]
    for sign, test in TESTS.items():
        forward = compare_numbers(sign, pa.array(integers), pa.array(doubles)).to_pylist()
        assert forward == [test(n, x) for n, x in zip(integers, doubles, strict=True)]
        backward = compare_numbers(sign, pa.array(doubles), pa.array(integers)).to_pylist()
        assert backward == [test(x, n) for n, x in zip(integers, doubles, strict=True)]


def test_sums_beyond_64_bits_are_not_known_and_all_others_exact():
    import pyarrow as pa

    from vecloom.search.kernels import SUMS, calculate

    draw = np.random.default_rng(5)
    left, right = (draw.integers(-(2**63), 2**63, 4000) >> draw.integers(0, 64, 4000) for _ in range(2))
    for sign, compute in SUMS.items():
        exact = [compute(a, b) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
        assert calculate(sign, pa.array(left), pa.array(right)).to_pylist() == [
            value if -(2**63) <= value < 2**63 else None for value in exact
        ]
