"""The ``where`` filter: its grammar, and the parser that turns it into a tree.

    filter      filter OR filter | filter AND filter | NOT filter | (filter) | test
    test        value = value, also <> != < <= > >= ==
                value [NOT] IN (literal, ...)            value [NOT] BETWEEN value AND value
                value [NOT] LIKE 'pattern', or ILIKE     value IS [NOT] NULL, TRUE or FALSE
    value       field | literal | function(value) | value + - * / % value | -value | (value)
    literal     'text' | 12 | 0.5 | 1e6 | true | false
    function    lower upper trim length abs round floor ceil number text

A field is named bare where it is one word (``a.b`` counts as one), otherwise in double quotes or backticks, the quote
itself doubled. ``fields.NAME`` always means the record's field, also where an own column of the index (``id``, ``text``,
``position`` ...) has the same name. Names are case-sensitive; words of the grammar are not.

Nothing of a filter reaches the storage engine: ``vecloom.search.conditions`` checks the tree against the types of the
columns and evaluates it. The bounds here and there keep what one filter can cost in memory and time small.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from vecloom.data.records import Scalar
from vecloom.errors import FilterError
from vecloom.search.schema import storable

MOST_CHARACTERS = 10_000
MOST_NODES = 500  # parts of a filter: names, literals, operators; not the values of a list
MOST_VALUES = 1000  # literals in all lists of a filter
DEEPEST = 30  # parentheses, functions and calculations inside one another
LONGEST_NUMBER = 330  # digits: the largest double has 309
SHOWN = 80  # characters of a filter that an error repeats

RESERVED = frozenset(["and", "or", "not", "in", "is", "null", "like", "ilike", "between", "true", "false"])
FUNCTIONS = frozenset(["lower", "upper", "trim", "length", "abs", "round", "floor", "ceil", "number", "text"])
COMPARISONS = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORD = r"[^\W\d][\w$]*"
_TOKEN = re.compile(
    rf"""(?P<blank>\s+)
      | (?P<text>'(?:[^']|'')*')
      | "(?P<double>(?:[^"]|"")*)"
      | `(?P<tick>(?:[^`]|``)*)`
      | (?P<word>{_WORD}(?:\.{_WORD})*)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<comment>--|/\*)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),+\-*/%])
      | (?P<open>['"`])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(_WORD)
_HOWTO = "Write it as in: year > 2020 AND lang = 'en'"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a filter.

    Attributes:
        kind: "literal", "name", "call", "negative", "arithmetic"; "compare", "in", "like", "is", "between", "and",
            "or", "not".
        value: the literal, the field's name, the function, the operator, the tuple of an IN list, the pattern, or the
            word after IS.
        args: what it is made of.
        depth: levels below it, itself counted.
    """

    kind: str
    value: Any = None
    args: tuple[Node, ...] = ()
    depth: int = field(default=1, compare=False)


Where: TypeAlias = str | Node


def parse(where: Where) -> Node:
    """The tree of a filter.

    Raises:
        FilterError: it does not follow the grammar, or is longer, deeper or larger than allowed.
    """
    return where if isinstance(where, Node) else _Parser(where).parsed()


def among(name: str, values: Iterable[str]) -> Node:
    """The filter that a field is one of these texts, however many."""
    return Node("in", tuple(map(storable, values)), (Node("name", name),))


def any_of(name: str, values: Iterable[Scalar]) -> str:
    """The text of a filter: the record's field has one of these values (a list: one of its members is one of them)."""
    bare = _PLAIN.fullmatch(name)
    named = f"fields.{name}" if bare else '"' + f"fields.{name}".replace('"', '""') + '"'
    return f"{named} IN ({', '.join(map(literal, values))})"


def literal(value: Scalar) -> str:
    """A value as a filter has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def all_of(filters: Sequence[str]) -> str | None:
    """The text of the filter that all of these hold; None where there are none."""
    return " AND ".join(f"({one})" for one in filters) if len(filters) > 1 else next(iter(filters), None)


def nameable(own: Sequence[str], fields: Mapping[str, str]) -> dict[str, str]:
    """Name -> column of everything that a filter can name.

    Args:
        own: the index's own columns; they win over fields of the same name.
        fields: field -> column.
    """
    aliases = {f"fields.{name}": column for name, column in fields.items()}
    return {**aliases, **fields, **{name: name for name in own}}


def listed(columns: Mapping[str, str]) -> str:
    """The names that a filter can use, for an error."""
    hidden = {f"fields.{name}" for name, column in columns.items() if columns.get(f"fields.{name}") == column}
    names = sorted(set(columns) - hidden, key=str.lower)
    more = f" and {len(names) - 50} more" if len(names) > 50 else ""
    return ", ".join(names[:50]) + more


def shown(where: Where) -> str:
    """A filter as an error repeats it, cut where it is long."""
    if isinstance(where, Node):
        return "The filter"
    return f"The filter {where if len(where) <= SHOWN else where[:SHOWN] + '…'!r}"


@dataclass(frozen=True, slots=True)
class _Token:
    """``kind``: "text", "name" (quoted), "word", "number", "sign" or "end"; ``value`` without quotes; ``at`` from 1."""

    kind: str
    value: str
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.value)


class _Parser:
    """Recursive descent, with bounds on what it builds."""

    def __init__(self, where: str) -> None:
        self.where, self.place, self.nodes, self.values, self.level = where, 0, 0, 0, 0
        if not where.strip():
            raise FilterError("The filter is empty.", f"Leave it out. {_HOWTO}.")
        if len(where) > MOST_CHARACTERS:
            self.too_much(f"{len(where):,} characters", f"{MOST_CHARACTERS:,}")
        self.tokens = self._tokens()

    # ---- tokens ----

    def _tokens(self) -> list[_Token]:
        found = []
        for match in _TOKEN.finditer(self.where):
            kind, at = str(match.lastgroup), match.start() + 1
            if kind == "open":
                self.refuse(f"has a quote that is not closed at character {at}")
            if kind in ("other", "comment"):
                self.refuse(f"has {match[0]!r} at character {at}, which means nothing there")
            if kind in ("double", "tick"):
                quote = match[0][0]
                found.append(_Token("name", match[kind].replace(quote * 2, quote), at))
            elif kind == "text":
                found.append(_Token("text", match[0][1:-1].replace("''", "'"), at))
            elif kind != "blank":
                found.append(_Token(kind, match[0], at))
        return [*found, _Token("end", "", len(self.where) + 1)]

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def word(self, *words: str) -> bool:
        """Whether one of these words of the grammar comes; it is passed over."""
        found = self.token.kind == "word" and self.token.value.lower() in words
        self.place += found
        return found

    def sign(self, *signs: str) -> str:
        """The sign that comes, where it is one of these; it is passed over."""
        if self.token.kind != "sign" or self.token.value not in signs:
            return ""
        self.place += 1
        return self.tokens[self.place - 1].value

    def need(self, sign: str, what: str) -> None:
        if not self.sign(sign):
            self.unexpected(what)

    # ---- what is wrong ----

    def refuse(self, what: str, todo: str = f"{_HOWTO}.") -> NoReturn:
        raise FilterError(f"{shown(self.where)} {what}.", todo)

    def too_much(self, what: str, most: str) -> NoReturn:
        raise FilterError(f"The filter has {what}; {most} are allowed.", "Ask for less at once.")

    def unexpected(self, wanted: str) -> NoReturn:
        token = self.token
        if token.kind == "end":
            self.refuse(f"ends where {wanted} is expected")
        todo = f"{_HOWTO}."
        if token.kind == "word" and token.value.lower() in RESERVED:
            todo = f'A field of this name stands in double quotes: "{token.value}".'
        self.refuse(f"has {token.value[:SHOWN]!r} at character {token.at}, where {wanted} is expected", todo)

    # ---- the tree ----

    def node(self, kind: str, value: Any = None, *args: Node) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.too_much(f"more than {MOST_NODES} parts", str(MOST_NODES))
        depth = 1 + max((arg.depth for arg in args), default=0)
        if depth > DEEPEST:
            self.too_deep()
        return Node(kind, value, args, depth)

    def too_deep(self) -> NoReturn:
        self.too_much(f"more than {DEEPEST} levels inside one another", str(DEEPEST))

    def inside(self, parse: Any) -> Node:
        """Parse one level further down."""
        self.level += 1
        if self.level > DEEPEST:
            self.too_deep()
        found: Node = parse()
        self.level -= 1
        return found

    def parsed(self) -> Node:
        found = self.either()
        if self.token.kind != "end":
            self.unexpected("AND, OR or the end")
        return found

    def either(self) -> Node:
        parts = [self.both()]
        while self.word("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else self.node("or", None, *parts)

    def both(self) -> Node:
        parts = [self.negated()]
        while self.word("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else self.node("and", None, *parts)

    def negated(self) -> Node:
        return self.node("not", None, self.inside(self.negated)) if self.word("not") else self.test()

    def test(self) -> Node:
        left = self.sum()
        if operator := self.sign(*COMPARISONS):
            return self.node("compare", COMPARISONS[operator], left, self.sum())
        if self.word("is"):
            negative = self.word("not")
            what = self.token.value.lower()
            if not self.word("null", "true", "false"):
                self.unexpected("NULL, TRUE or FALSE")
            return self.perhaps_not(negative, self.node("is", what, left))
        negative = self.word("not")
        if self.word("in"):
            return self.perhaps_not(negative, self.node("in", self.literals(), left))
        if self.word("between"):
            low = self.sum()
            if not self.word("and"):
                self.unexpected("AND")
            return self.perhaps_not(negative, self.node("between", None, left, low, self.sum()))
        for kind in ("like", "ilike"):
            if self.word(kind):
                return self.perhaps_not(negative, self.node(kind, self.pattern(kind), left))
        if negative:
            self.unexpected("IN, LIKE or BETWEEN")
        return left

    def perhaps_not(self, negative: bool, test: Node) -> Node:
        return self.node("not", None, test) if negative else test

    def pattern(self, kind: str) -> str:
        if self.token.kind != "text":
            self.unexpected(f"the pattern of {kind.upper()} in single quotes")
        self.place += 1
        return storable(self.tokens[self.place - 1].value)

    def literals(self) -> tuple[Scalar, ...]:
        self.need("(", "a list in parentheses")
        found = [self.listed_literal()]
        while self.sign(","):
            found.append(self.listed_literal())
        self.need(")", "',' or ')'")
        self.values += len(found)
        if self.values > MOST_VALUES:
            self.too_much(f"more than {MOST_VALUES:,} values in lists", f"{MOST_VALUES:,}")
        return tuple(found)

    def listed_literal(self) -> Scalar:
        sign = -1 if self.sign("-") else 1
        token = self.token
        if token.kind == "number":
            self.place += 1
            return sign * self.number(token)
        if sign == 1 and token.kind == "text":
            self.place += 1
            return storable(token.value)
        if sign == 1 and self.word("true", "false"):
            return token.value.lower() == "true"
        if token.kind == "word" and token.value.lower() == "null":
            self.refuse("has NULL in a list", "Ask for missing values with IS NULL.")
        if token.kind == "name":
            self.refuse(f"has the field {token.value!r} in a list", "Text in a list stands in single quotes.")
        self.unexpected("a number, a text in single quotes, true or false")

    def number(self, token: _Token) -> int | float:
        if len(token.value) > LONGEST_NUMBER:
            self.refuse(f"has a number of {len(token.value)} digits at character {token.at}", "Write a shorter one.")
        value = int(token.value) if token.value.isdigit() else float(token.value)
        if isinstance(value, int) and value >= 2**63:
            value = float(value) if value < 10**308 else math.inf
        if math.isinf(value):
            self.refuse(
                f"has the number {token.value[:20]} at character {token.at}, which is too large", "Write 1e308."
            )
        return value

    def sum(self) -> Node:
        found = self.product()
        while operator := self.sign("+", "-"):
            found = self.node("arithmetic", operator, found, self.product())
        return found

    def product(self) -> Node:
        found = self.signed()
        while operator := self.sign("*", "/", "%"):
            found = self.node("arithmetic", operator, found, self.signed())
        return found

    def signed(self) -> Node:
        if self.sign("+"):
            return self.inside(self.signed)
        if not self.sign("-"):
            return self.single()
        found = self.inside(self.signed)
        if found.kind == "literal" and type(found.value) in (int, float):
            return Node("literal", -found.value)
        return self.node("negative", None, found)

    def single(self) -> Node:
        token = self.token
        if self.sign("("):
            found = self.inside(self.either)
            self.need(")", "')'")
            return found
        if self.word("true", "false"):
            return self.node("literal", token.value.lower() == "true")
        if self.word("null"):
            self.refuse("compares with NULL", "Nothing equals a missing value: ask with IS NULL or IS NOT NULL.")
        if token.kind not in ("text", "name", "number", "word") or (
            token.kind == "word" and token.value.lower() in RESERVED
        ):
            self.unexpected("a value")
        self.place += 1
        if token.kind == "word" and self.sign("("):
            return self.called(token)
        if token.kind == "text":
            return self.node("literal", storable(token.value))
        if token.kind == "number":
            return self.node("literal", self.number(token))
        return self.node("name", token.value)

    def called(self, name: _Token) -> Node:
        function = name.value.lower()
        if function not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            self.refuse(f"has {name.value[:SHOWN]}(...), which is not a function here", f"The functions are {known}.")
        if self.token.value == ")" and self.token.kind == "sign":
            self.unexpected("a value")
        found = self.inside(self.sum)
        if self.token.value == "," and self.token.kind == "sign":
            self.refuse(f"gives {function} more than one value", f"Write {function}(x).")
        self.need(")", "')'")
        return self.node("call", function, found)
