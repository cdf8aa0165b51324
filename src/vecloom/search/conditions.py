"""From a filter's tree to a condition that can be evaluated: each part is checked against the types of the columns.

What passes the check cannot fail; what does not is refused in the words of the filter. A text field is also a truth value
where its cells say "true" and "false": tables of text (CSV) have no others. No other kind is taken for another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from vecloom.data.records import Scalar
from vecloom.errors import FilterError, FilterTimeError, UsageError
from vecloom.search import kernels
from vecloom.search.kernels import FLIPPED, Cells, Known, Members
from vecloom.search.where import Node, Where, listed, parse, shown

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["bool", "number", "text", "list"]
SECONDS = 5.0
LONGEST_PATTERN = 200
MOST_PERCENT = 10  # in one pattern
MOST_UNDERSCORES = 6  # behind the first "%": each doubles the states that a matcher keeps

HOLDS: Mapping[Kind, str] = {
    "bool": "true or false", "number": "numbers", "text": "text", "list": "lists of text",
}  # fmt: skip
IS: Mapping[Kind, str] = {"bool": "a truth value", "number": "a number", "text": "text", "list": "a list"}


def limit() -> float:
    """Seconds that the evaluation of one filter may take: ``VECLOOM_FILTER_SECONDS``, else ``SECONDS``."""
    given = os.environ.get("VECLOOM_FILTER_SECONDS", "")
    try:
        found = float(given or SECONDS)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise UsageError(f"VECLOOM_FILTER_SECONDS is {given!r}.", "Set it to a number of seconds, or not at all.")
    return found


@dataclass
class Clock:
    """Ends an evaluation that takes too long: asked before each step over each batch of rows."""

    seconds: float = field(default_factory=limit)

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds

    def check(self) -> None:
        """Raises FilterTimeError where the time is up."""
        if time.monotonic() > self.end:
            raise FilterTimeError(
                f"The filter took longer than {self.seconds:g} seconds.",
                "Make it simpler; whoever runs the program can allow more by VECLOOM_FILTER_SECONDS.",
            )


@dataclass
class Batch:
    """Rows under evaluation. Columns are prepared once."""

    rows: int
    columns: Mapping[str, pa.Array]
    clock: Clock

    def __post_init__(self) -> None:
        self._loaded: dict[str, Cells | Members] = {}

    def column(self, name: str) -> Cells | Members:
        """A column, prepared."""
        if name not in self._loaded:
            self._loaded[name] = kernels.loaded(self.columns[name])
        return self._loaded[name]


Run: TypeAlias = Callable[[Batch], Any]


@dataclass(frozen=True, slots=True)
class Typed:
    """A value of known kind: how to get it, and what the user calls it."""

    kind: Kind
    run: Run
    name: str
    fixed: bool = False  # a literal
    is_field: bool = False

    def __str__(self) -> str:
        if self.fixed:
            return f"{self.name}, which is {IS[self.kind]}"
        return f"{self.name}, which {'holds' if self.is_field else 'gives'} {HOLDS[self.kind]}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked filter.

    Attributes:
        columns: the columns that it reads.
        run: its truth values over a batch.
    """

    columns: tuple[str, ...]
    run: Run

    def mask(self, rows: int, columns: Mapping[str, pa.Array], clock: Clock) -> Known:
        """``(rows,)`` True where the filter holds; raises FilterTimeError."""
        return kernels.mask(self.run(Batch(rows, columns, clock)), rows)


def condition(where: Where, names: Mapping[str, str], schema: pa.Schema) -> Condition:
    """Check a filter.

    Args:
        where: its text, or its tree.
        names: name -> column of all that it can name.
        schema: the columns' types.

    Raises:
        FilterError: it does not parse, names what is not there, or compares what cannot be compared.
    """
    checker = _Checker(where, names, schema)
    try:
        run = checker.holds(parse(where))
    except FilterError as error:
        raise FilterError(error.what, f"{error.todo} The fields are {listed(names)}.") from None
    return Condition(tuple(sorted(checker.used)), run)


def _kind_of(column_type: pa.DataType) -> Kind | None:
    import pyarrow.types as types

    if types.is_boolean(column_type):
        return "bool"
    if types.is_integer(column_type) or types.is_floating(column_type):
        return "number"
    if types.is_string(column_type):
        return "text"
    return "list" if types.is_list(column_type) and types.is_string(column_type.value_type) else None


def _kind_of_literal(value: Scalar) -> Kind:
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


class _Checker:
    """Walks a tree; every method gives what evaluates a part of it, or raises FilterError."""

    def __init__(self, where: Where, names: Mapping[str, str], schema: pa.Schema) -> None:
        self.where, self.names, self.schema = where, names, schema
        self.used: set[str] = set()

    def refuse(self, what: str, todo: str) -> NoReturn:
        raise FilterError(f"{shown(self.where)} {what}.", todo)

    def unlike(self, left: Typed, right: Typed) -> NoReturn:
        self.refuse(f"compares {left}, with {right}", _advice(left, right))

    # ---- truth values ----

    def holds(self, node: Node) -> Run:
        """A part that stands as a condition."""
        if node.kind in ("and", "or"):
            parts, function = [self.holds(arg) for arg in node.args], f"{node.kind}_kleene"
            return lambda batch: kernels.joined(function, [run(batch) for run in parts])
        if node.kind == "not":
            inner = self.holds(node.args[0])
            return lambda batch: kernels.inverted(inner(batch))
        if node.kind in _TESTS:
            return _timed(_TESTS[node.kind](self, node))
        found = self.value(node)
        if found.kind == "bool" or (found.kind == "text" and found.is_field):
            return self.truth(found).run
        example = {"number": "> 0", "text": "= 'en'", "list": "= 'en'"}[found.kind]
        self.refuse(f"has {found}, where a condition is expected", f"Compare it, as in {found.name} {example}.")

    def truth(self, found: Typed) -> Typed:
        """A truth value, or a text field as one."""
        run = found.run
        if found.kind == "text":
            return Typed("bool", lambda batch: kernels.as_bool(run(batch)), found.name, is_field=True)
        return found

    def compare(self, node: Node) -> Run:
        left, right = (self.value(arg) for arg in node.args)
        return self.pair(node.value, left, right)

    def pair(self, sign: str, left: Typed, right: Typed) -> Run:
        """One comparison."""
        if right.kind == "list" and left.kind == "text":
            return self.pair(FLIPPED[sign], right, left)
        if {left.kind, right.kind} == {"text", "bool"}:
            left, right = (self.truth(one) if one.is_field else one for one in (left, right))
        one, other = left.run, right.run
        if left.kind == "list" and right.kind == "text":
            return lambda batch: _any(one(batch), lambda cells, at: kernels.compare_text(sign, cells, at(other(batch))))
        if left.kind != right.kind or left.kind == "list":
            self.unlike(left, right)
        if left.kind == "bool" and sign not in ("=", "<>"):
            self.refuse(f"orders {left}, by {sign}", "True and false have no order: use = or <>.")
        compare = kernels.compare_numbers if left.kind == "number" else kernels.compare_text
        return lambda batch: compare(sign, one(batch), other(batch))

    def between(self, node: Node) -> Run:
        value, low, high = (self.value(arg) for arg in node.args)
        if value.kind == "list" and low.kind == high.kind == "text":
            run, least, most = value.run, low.run, high.run
            return lambda batch: _any(
                run(batch),
                lambda cells, at: kernels.joined(
                    "and_kleene",
                    [
                        kernels.compare_text(">=", cells, at(least(batch))),
                        kernels.compare_text("<=", cells, at(most(batch))),
                    ],
                ),
            )
        parts = [self.pair(">=", value, low), self.pair("<=", value, high)]
        return lambda batch: kernels.joined("and_kleene", [run(batch) for run in parts])

    def in_list(self, node: Node) -> Run:
        found, values = self.value(node.args[0]), node.value
        kinds = {_kind_of_literal(value) for value in values}
        if len(kinds) > 1:
            names = " and ".join(sorted(IS[kind] for kind in kinds))
            self.refuse(f"has a list that mixes {names}", "Write values of one kind.")
        kind: Kind = next(iter(kinds), "text")
        if kind == "bool" and found.kind == "text" and found.is_field:
            found = self.truth(found)
        run = found.run
        if found.kind == "list" and kind == "text":
            return lambda batch: _any(run(batch), lambda cells, at: kernels.is_in(cells, values))
        if found.kind != kind:
            self.unlike(found, Typed(kind, run, _written(values[0]), fixed=True))
        return lambda batch: kernels.is_in(run(batch), values)

    def like(self, node: Node) -> Run:
        found, pattern, fold = self.value(node.args[0]), node.value, node.kind == "ilike"
        if found.kind not in ("text", "list"):
            what = f"text({found.name})" if found.is_field else "text(...)"
            self.refuse(
                f"looks with LIKE into {found}", f"LIKE is for text: compare by = or <, or write {what} LIKE ..."
            )
        self.bounded(pattern)
        run = found.run
        if found.kind == "list":
            return lambda batch: _any(run(batch), lambda cells, at: kernels.like(cells, pattern, fold))
        return lambda batch: kernels.like(run(batch), pattern, fold)

    def bounded(self, pattern: str) -> None:
        """Refuse a pattern that would take long."""
        bare = pattern.replace("\\\\", "").replace("\\%", "").replace("\\_", "")
        for many, most, what in (
            (len(pattern), LONGEST_PATTERN, "characters"),
            (bare.count("%"), MOST_PERCENT, "'%'"),
            (bare.partition("%")[2].count("_"), MOST_UNDERSCORES, "'_' behind a '%'"),
        ):
            if many > most:
                self.refuse(f"has a pattern with {many} {what}; {most} are allowed", "Write a shorter one.")

    def is_what(self, node: Node) -> Run:
        inner = node.args[0]
        if node.value != "null":
            run, wanted = self.holds(inner), node.value == "true"
            return lambda batch: kernels.is_exactly(run(batch), wanted)
        found = (
            self.holds(inner) if inner.kind in _TESTS or inner.kind in ("and", "or", "not") else self.value(inner).run
        )
        return lambda batch: kernels.is_null(found(batch))

    # ---- values ----

    def value(self, node: Node) -> Typed:
        """A part that stands as a value."""
        if node.kind in _VALUES:
            found: Typed = _VALUES[node.kind](self, node)
            return found
        return Typed("bool", self.holds(node), "a condition")

    def name(self, node: Node) -> Typed:
        name = node.value
        if name not in self.names:
            self.refuse(f"names {name!r}, which is not a field of this index", self.quoting(name))
        column = self.names[name]
        kind = _kind_of(self.schema.field(column).type)
        if kind is None:
            self.refuse(f"names {name!r}, whose values cannot be compared", "Leave it out.")
        self.used.add(column)
        return Typed(kind, _timed(lambda batch: batch.column(column)), name, is_field=True)

    def quoting(self, name: str) -> str:
        """How names and text are told apart."""
        if any(not _is_word(one) and name in one for one in self.names):
            return "Names that are not one word stand in double quotes."
        return "Text stands in single quotes."

    def literal(self, node: Node) -> Typed:
        import pyarrow as pa

        value, kind = node.value, _kind_of_literal(node.value)
        held = pa.scalar(value, {"bool": pa.bool_(), "text": pa.string()}.get(kind))
        return Typed(kind, lambda batch: held, _written(value), fixed=True)

    def number(self, node: Node) -> Typed:
        found = self.value(node)
        if found.kind != "number":
            todo = f"Write number({found.name}) where the text spells numbers." if found.is_field else "Use numbers."
            self.refuse(f"calculates with {found}", todo if found.kind == "text" else "Use numbers.")
        return found

    def arithmetic(self, node: Node) -> Typed:
        left, right = (self.number(arg).run for arg in node.args)
        return Typed(
            "number", _timed(lambda batch: kernels.calculate(node.value, left(batch), right(batch))), "a calculation"
        )

    def negative(self, node: Node) -> Typed:
        run = self.number(node.args[0]).run
        return Typed("number", _timed(lambda batch: kernels.negative(run(batch))), "a calculation")

    def call(self, node: Node) -> Typed:
        found, function = self.value(node.args[0]), node.value
        run, name = found.run, f"{function}({found.name})"
        if function in ("abs", "round", "floor", "ceil"):
            run = self.number(node.args[0]).run
            return Typed("number", _timed(lambda batch: kernels.rounded(function, run(batch))), name)
        if function in ("number", "text"):
            to: Kind = "number" if function == "number" else "text"
            return Typed(to, _timed(self.converted(function, found)), name)
        if found.kind not in ("text", "list"):
            self.refuse(f"gives {function} {found}", f"{function} is for text.")
        if found.kind == "text":
            kind: Kind = "number" if function == "length" else "text"
            return Typed(kind, _timed(lambda batch: kernels.text_function(function, run(batch))), name)
        if function == "length":
            return Typed("number", _timed(lambda batch: kernels.count(run(batch))), name)
        return Typed("list", _timed(partial(_each, function, run)), name)

    def converted(self, function: str, found: Typed) -> Run:
        """``number(x)`` and ``text(x)``."""
        run = found.run
        if found.kind == function:
            return run
        if found.kind == "list" or (function == "number" and found.kind == "bool"):
            self.refuse(
                f"gives {function} {found}", f"{function} is for {'text' if function == 'number' else 'numbers'}."
            )
        convert = kernels.to_number if function == "number" else kernels.to_text
        return lambda batch: convert(run(batch))


_TESTS: dict[str, Callable[[_Checker, Node], Run]] = {
    "compare": _Checker.compare, "between": _Checker.between, "in": _Checker.in_list, "like": _Checker.like,
    "ilike": _Checker.like, "is": _Checker.is_what,
}  # fmt: skip
_VALUES: dict[str, Callable[[_Checker, Node], Typed]] = {
    "name": _Checker.name, "literal": _Checker.literal, "arithmetic": _Checker.arithmetic,
    "negative": _Checker.negative, "call": _Checker.call,
}  # fmt: skip


def _timed(run: Run) -> Run:
    def checked(batch: Batch) -> Any:
        batch.clock.check()
        return run(batch)

    return checked


def _any(members: Members, test: Callable[[Cells, Callable[[Cells], Cells]], Cells]) -> Cells:
    return kernels.any_member(members, test(members.cells, lambda cells: kernels.beside(members, cells)))


def _each(function: str, run: Run, batch: Batch) -> Members:
    found: Members = run(batch)
    return Members(kernels.text_function(function, found.cells), found.rows, found.known)


def _is_word(name: str) -> bool:
    return name.replace(".", "").isidentifier()


def _written(value: Scalar) -> str:
    from vecloom.search.where import literal

    text = literal(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _advice(left: Typed, right: Typed) -> str:
    """What to write instead of a comparison of two kinds."""
    kinds: set[Kind] = {left.kind, right.kind}
    fields: Iterable[Typed] = [one for one in (left, right) if not one.fixed]
    name = next((one.name for one in fields if one.is_field), "x")
    if kinds == {"number", "text"}:
        if any(one.kind == "text" for one in fields):
            return f"Put the number in single quotes to compare as text, or write number({name})."
        return f"Write a number without quotes, or compare text({name})."
    if "list" in kinds:
        return f"A list is compared with one text, as in {name} = 'en'."
    return f"Write {name} = true, {name} = false, or {name} alone."
