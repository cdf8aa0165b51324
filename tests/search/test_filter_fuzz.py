"""Generated filters on a real index: every one is answered or refused with a sentence, and memory stays where it was."""

import contextlib
import random
import resource

import pytest

from vecloom.errors import FilterError
from vecloom.search import Index

FIELDS = [
    "year",
    "price",
    "code",
    "open",
    "flag",
    "tags",
    "lang",
    "big",
    '"Cited by"',
    "`b``t`",
    "id",
    "text",
    "position",
    "名前",
]
TEXTS = [
    "'en'",
    "''",
    "'it''s'",
    "'007'",
    "'true'",
    "'ß%_\\'",
    "'%'",
    "'a_%b'",
    "'\\'",
    "'\x00'",
    "'猫😀'",
    "'" + "x" * 300 + "'",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "2.5",
    "1e308",
    "1e-320",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "1e400",
    "0.1",
]
NOISE = [
    ")",
    "(",
    "'",
    '"',
    "`",
    ";",
    "--",
    "/*",
    "NULL",
    "NaN",
    "CASE",
    "CAST",
    "nothing",
    "\ud800",
    "\x00",
    "☃",
    "IN ()",
    ", ,",
    "0x1",
]
FUNCTIONS = [
    "lower",
    "upper",
    "trim",
    "length",
    "abs",
    "round",
    "floor",
    "ceil",
    "number",
    "text",
    "repeat",
    "regexp_like",
]
RECORDS = [
    {"year": 1958, "price": 2.5, "code": "007", "open": True, "flag": "true", "tags": ["x", "en", ""], "lang": "en"},
    {"year": 0, "price": -1e308, "code": "1e5", "open": False, "tags": [], "lang": "ß%_\\", "Cited by": 3, "b`t": 1},
    {"year": -5, "price": 5e-324, "code": "nan", "flag": "no", "tags": ["猫😀"], "lang": "", "Cited by": 2.5},
    {"big": 2**63 - 1, "名前": "猫"},
    {"big": -(2**63)},
]


def value(draw, depth):
    kind = draw.random()
    if depth <= 0 or kind < 0.45:
        return draw.choice(FIELDS)
    if kind < 0.6:
        return draw.choice(NUMBERS)
    if kind < 0.7:
        return draw.choice(TEXTS)
    if kind < 0.8:
        return f"{draw.choice(FUNCTIONS)}({value(draw, depth - 1)})"
    if kind < 0.85:
        return f"-({value(draw, depth - 1)})"
    return f"({value(draw, depth - 1)} {draw.choice('+-*/%')} {value(draw, depth - 1)})"


def filter_of(draw, depth):
    """A filter of the grammar, whose kinds may not fit each other."""
    kind, left = draw.random(), value(draw, depth - 1)
    negative = draw.choice(["", "NOT "])
    if depth > 0 and kind < 0.3:
        return f"({filter_of(draw, depth - 1)} {draw.choice(['AND', 'or'])} {negative}{filter_of(draw, depth - 1)})"
    if kind < 0.6:
        return f"{left} {draw.choice(['=', '<>', '!=', '<', '<=', '>', '>='])} {value(draw, depth - 1)}"
    if kind < 0.7:
        return f"{left} {negative}IN ({', '.join(draw.choices(draw.choice([NUMBERS, TEXTS, ['true', 'false']]), k=3))})"
    if kind < 0.8:
        return f"{left} {negative}{draw.choice(['LIKE', 'ilike'])} {draw.choice(TEXTS)}"
    if kind < 0.87:
        return f"{left} {negative}BETWEEN {value(draw, depth - 1)} AND {value(draw, depth - 1)}"
    return f"{left} IS {negative}{draw.choice(['NULL', 'TRUE', 'FALSE'])}" if kind < 0.95 else left


def spoilt(draw, text):
    """The filter with some characters lost, doubled or put in."""
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(["", " ", *NOISE]) + text[draw.choice([at, at + 1, at // 2]) :]
    return text


def asked(index, texts):
    """How many of the filters were answered; all others are refused with a sentence."""
    answered = 0
    for text in texts:
        with contextlib.suppress(FilterError):
            index.count(text)
            answered += 1
    return answered


def generated(seed, count):
    draw = random.Random(seed)
    for number in range(count):
        text = filter_of(draw, draw.randrange(4))
        yield text if number % 4 else spoilt(draw, text)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    import search_fakes

    index = Index.create(tmp_path_factory.mktemp("fuzz") / "index", search_fakes.HashEncoder())
    index.add({"id": str(n), "text": f"text {n}", **record} for n, record in enumerate(RECORDS))
    return index


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_generated_filters_are_answered_or_refused(filled):
    answered = asked(filled, generated(1, 2000))
    assert 300 < answered < 1900  # kinds that do not fit are refused


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_filters_leave_memory_as_it_was(filled):
    asked(filled, generated(2, 2000))
    before = megabytes()
    assert asked(filled, generated(3, 100_000)) > 15_000
    assert megabytes() - before < 300
