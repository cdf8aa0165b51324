"""What a filter computes, column by column: three-valued logic over Arrow arrays, in which nothing can fail.

A value is an Arrow array (one cell a row), an Arrow scalar (the same for every row), or ``Members`` for a column of lists.
Null is "not known": no comparison with it holds, nor does its negation. What cannot be computed (a division by zero, an
integer beyond 64 bits, a double beyond 1.8e308) is null; NaN is null from the beginning.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.data.records import Scalar
from vecloom.search.schema import as_text

if TYPE_CHECKING:
    import pyarrow as pa

Cells: TypeAlias = Any  # a pyarrow.Array or pyarrow.Scalar
Numbers: TypeAlias = npt.NDArray[Any]
Known: TypeAlias = npt.NDArray[np.bool_]

TESTS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
SUMS: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
ROUNDINGS: Mapping[str, Callable[[Any], Any]] = {"round": np.round, "floor": np.floor, "ceil": np.ceil}
NAMES = {"=": "equal", "<>": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}
FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBER = r"^[+-]?[0-9]{1,400}(\.[0-9]{0,400})?([eE][+-]?[0-9]{1,3})?$"


@dataclass(frozen=True, slots=True)
class Members:
    """A column of lists.

    Attributes:
        cells: all members of all rows.
        rows: the row of each member.
        known: for each row, whether there is a list at all.
    """

    cells: pa.Array
    rows: npt.NDArray[np.int64]
    known: Known


def loaded(column: pa.Array) -> Cells | Members:
    """A stored column as it is computed with: int64, double without NaN, bool, string, or ``Members``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_list(kind):
        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        return Members(column.flatten(), rows, column.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    return column


# ---- numbers ----------------------------------------------------------------------------------------------------------


def _apart(cells: Cells) -> tuple[Numbers, Known]:
    """Values and which of them are known; of a scalar, arrays of length 1."""
    import pyarrow as pa

    array = cells if isinstance(cells, pa.Array) else pa.array([cells.as_py()], cells.type)
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return values, array.is_valid().to_numpy(zero_copy_only=False)


def _together(values: Numbers, known: Known, *of: Cells) -> Cells:
    """Cells again, a scalar where all that they were made of were scalars."""
    import pyarrow as pa

    made = pa.array(values, mask=~np.broadcast_to(known, values.shape))
    return made if any(isinstance(cells, pa.Array) for cells in of) else made[0]


def compare_numbers(sign: str, left: Cells, right: Cells) -> Cells:
    """Exact also between integers and doubles."""
    (a, a_known), (b, b_known) = _apart(left), _apart(right)
    if a.dtype == b.dtype:
        held = TESTS[sign](a, b)
    elif a.dtype.kind == "i":
        held = TESTS[sign](_order(a, b), 0)
    else:
        held = TESTS[FLIPPED[sign]](_order(b, a), 0)
    return _together(held, a_known & b_known, left, right)


def _order(integers: Numbers, doubles: Numbers) -> Numbers:
    """-1, 0 or 1 where an integer is less than, equal to or greater than a double."""
    floor = np.floor(doubles)
    inside = (floor >= -(2.0**63)) & (floor < 2.0**63)
    whole = np.where(inside, floor, 0.0).astype(np.int64)
    order = (integers > whole).astype(np.int8) - (integers < whole).astype(np.int8)
    order = np.where((order == 0) & (doubles != floor), -1, order)
    return np.where(inside, order, np.where(doubles > 0, -1, 1))


def calculate(sign: str, left: Cells, right: Cells) -> Cells:
    """``+``, ``-``, ``*`` (whole numbers stay whole), ``/`` (always a double) and ``%`` (the sign of the left side)."""
    (a, a_known), (b, b_known) = _apart(left), _apart(right)
    known = a_known & b_known
    if sign in "/%":
        known, b = known & (b != 0), np.where(b == 0, 1, b)
    with np.errstate(all="ignore"):
        if sign == "/":
            values = a.astype(np.float64) / b.astype(np.float64)
        elif sign == "%":
            values = np.fmod(a, b)
        else:
            compute = SUMS[sign]
            values = compute(a, b)
            if values.dtype.kind == "i":  # beyond 64 bits it wraps: off by a multiple of 2**64
                known = known & (np.abs(compute(a.astype(float), b.astype(float)) - values.astype(float)) < 2.0**62)
    return _together(values, known & np.isfinite(values), left, right)


def negative(cells: Cells) -> Cells:
    """``-x``."""
    import pyarrow as pa

    return calculate("-", pa.scalar(0, cells.type), cells)


def rounded(function: str, cells: Cells) -> Cells:
    """``abs``, ``round`` (halves to the even neighbour), ``floor`` and ``ceil``; whole numbers stay whole."""
    values, known = _apart(cells)
    if function == "abs":
        with np.errstate(over="ignore"):
            values = np.abs(values)
        known = known & (values >= 0)  # the least integer has no positive counterpart
    elif values.dtype.kind == "f":
        values = ROUNDINGS[function](values)
    return _together(values, known, cells)


def to_number(cells: Cells) -> Cells:
    """The double that a text spells; null where it spells none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(cells)
    plain = pc.if_else(pc.match_substring_regex(trimmed, _NUMBER), trimmed, pa.scalar(None, pa.string()))
    found = pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), pa.float64())
    return pc.if_else(pc.is_finite(found), found, pa.scalar(None, pa.float64()))


def to_text(cells: Cells) -> Cells:
    """Numbers and truth values as text, written as an index writes them: 1, 1.0, true."""
    import pyarrow as pa

    if isinstance(cells, pa.Array):
        return pa.array([as_text(value) for value in cells.to_pylist()], pa.string())
    return pa.scalar(as_text(cells.as_py()), pa.string())


# ---- text -------------------------------------------------------------------------------------------------------------


def compare_text(sign: str, left: Cells, right: Cells) -> Cells:
    """By code point; also truth values, by ``=`` and ``<>``."""
    import pyarrow.compute as pc

    return pc.call_function(NAMES[sign], [left, right])


def like(cells: Cells, pattern: str, fold: bool) -> Cells:
    """LIKE: ``%`` any text, ``_`` any character, both as themselves after a backslash."""
    import pyarrow.compute as pc

    return pc.match_like(cells, pattern, ignore_case=fold)


def is_in(cells: Cells, values: tuple[Scalar, ...]) -> Cells:
    """Whether each cell is one of some values of its own kind; null where it is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.type
    if pa.types.is_integer(kind):
        values = tuple(int(v) for v in values if v is not None and v == int(v) and -(2**63) <= v < 2**63)
    elif pa.types.is_floating(kind):
        values = tuple(float(v) for v in values if v is not None and float(v) == v)
    found = pc.is_in(cells, value_set=pa.array(values, kind))
    return pc.if_else(pc.is_valid(cells), found, pa.scalar(None, pa.bool_()))


def as_bool(cells: Cells) -> Cells:
    """The truth value that a text spells, "true" or "false" in any case; null for any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = pc.utf8_lower(cells)
    true, false = pc.equal(lower, "true"), pc.equal(lower, "false")
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def text_function(function: str, cells: Cells) -> Cells:
    """``lower``, ``upper``, ``trim`` and ``length`` (in characters)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if function == "length":
        return pc.cast(pc.utf8_length(cells), pa.int64())
    names = {"lower": "utf8_lower", "upper": "utf8_upper", "trim": "utf8_trim_whitespace"}
    return pc.call_function(names[function], [cells])


# ---- lists ------------------------------------------------------------------------------------------------------------


def any_member(members: Members, held: Cells) -> pa.Array:
    """For each row, whether a test held for one of its members at least; null where there is no list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = np.zeros(len(members.known), dtype=bool)
    if isinstance(held, pa.Array):
        found[members.rows[pc.fill_null(held, False).to_numpy(zero_copy_only=False)]] = True
    return pa.array(found, mask=~members.known)


def beside(members: Members, cells: Cells) -> Cells:
    """Of a column, the cell that stands in the row of each member."""
    import pyarrow as pa

    return cells.take(pa.array(members.rows)) if isinstance(cells, pa.Array) else cells


def count(members: Members) -> pa.Array:
    """How many members each row has; null where there is no list."""
    import pyarrow as pa

    return pa.array(np.bincount(members.rows, minlength=len(members.known)).astype(np.int64), mask=~members.known)


# ---- logic ------------------------------------------------------------------------------------------------------------


def is_null(value: Cells | Members) -> Cells:
    """Whether nothing is there; a list without members has nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(value, Members):
        return pa.array(np.bincount(value.rows, minlength=len(value.known)) == 0)
    return pc.is_null(value)


def joined(function: str, parts: list[Cells]) -> Cells:
    """``and_kleene`` or ``or_kleene`` over some truth values."""
    import pyarrow.compute as pc

    found = parts[0]
    for part in parts[1:]:
        found = pc.call_function(function, [found, part])
    return found


def inverted(held: Cells) -> Cells:
    """NOT: what is not known stays so."""
    import pyarrow.compute as pc

    return pc.invert(held)


def is_exactly(held: Cells, wanted: bool) -> Cells:
    """IS TRUE, IS FALSE: never null."""
    import pyarrow.compute as pc

    return pc.fill_null(held if wanted else pc.invert(held), False)


def mask(held: Cells, rows: int) -> Known:
    """``(rows,)`` True where a filter holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(held, pa.Array):
        return np.full(rows, held.as_py() is True)
    found: Known = pc.fill_null(held, False).to_numpy(zero_copy_only=False)
    return found
