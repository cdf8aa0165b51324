"""Vectors that a document brings along: numbers in a column become a float32 array of length 1.

A vector is a list of numbers, or text that holds one as JSON, as the cells of a CSV do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vecloom.data.fields import BadRecordError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vecloom.data.records import Vector

_NUMBERS = frozenset((float, int, Decimal))


class WidthError(BadRecordError):
    """A vector has another number of dimensions than the model's."""


@dataclass
class VectorColumn:
    """The column that holds the documents' vectors.

    Attributes:
        name: as the user gave it; found in a record as written, else without regard to case.
        width: dimensions of the model's vectors.
        model: the model's name, for messages.
        met: whether a vector of this width came by. If not, the column belongs to another model: no record will do.
    """

    name: str
    width: int
    model: str
    met: bool = field(default=False, compare=False)

    def take(self, record: Mapping[str, object]) -> tuple[Vector, dict[str, object]]:
        """A record's vector, and the record without it.

        Raises:
            BadRecordError: it has no vector, or one that cannot be compared with others.
            WidthError: the vector has another width.
        """
        name = self.find(tuple(record))
        if name is None:
            found = ", ".join(map(repr, record)) or "none"
            raise BadRecordError(f"no field {self.name!r} for the vector; fields found: {found}.")
        if record[name] is None:
            raise BadRecordError(f"field {name!r} is empty: the record has no vector.")
        vector = unit_vector(record[name], self.width, f"field {name!r}", self.model)
        self.met = True
        return vector, {other: value for other, value in record.items() if other != name}

    def find(self, names: tuple[str, ...]) -> str | None:
        """The column's name as a record spells it."""
        if self.name in names:
            return self.name
        return next((name for name in names if name.casefold() == self.name.casefold()), None)


def unit_vector(value: object, width: int, what: str, model: str) -> Vector:
    """Scale numbers to length 1.

    Args:
        value: a list or array of numbers, or text that holds a list as JSON.
        width: how many there must be.
        what: begins the sentence that says what is wrong.
        model: whose vectors have ``width`` dimensions.

    Raises:
        BadRecordError: it is not a list of numbers, or a number is not finite, or all are 0.
        WidthError: there are more or fewer numbers.
    """
    import numpy as np

    numbers = _numbers(value, what)
    if len(numbers) != width:
        raise WidthError(
            f"{what} has {len(numbers)} dimensions, the vectors of model {model!r} have {width}.",
            "The vectors must come from the model that queries use; name it with -m.",
        )
    finite = np.isfinite(numbers)
    if not finite.all():
        raise BadRecordError(f"{what} has a number that is not finite, in place {int(finite.argmin()) + 1}.")
    largest = np.abs(numbers).max(initial=0.0)
    if not largest:
        raise BadRecordError(f"{what} is all zeros: such a vector has no direction.")
    scaled = numbers / largest  # squares of very large or small numbers would leave the range
    return np.ascontiguousarray(scaled / np.linalg.norm(scaled), dtype=np.float32)


def _numbers(value: object, what: str) -> npt.NDArray[np.float64]:
    import numpy as np

    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiu":
        return value.astype(np.float64)
    listed = _parsed(value) if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise BadRecordError(f"{what} is not a list of numbers.", "Write the vector as a list, as in [0.1, -0.2].")
    if not _NUMBERS.issuperset(map(type, listed)):
        listed = [one.item() if isinstance(one, np.generic) else one for one in listed]
        for place, one in enumerate(listed, 1):
            if type(one) not in _NUMBERS:
                raise BadRecordError(f"{what} has {_said(one)} in place {place}, not a number.")
    try:
        return np.array(listed, dtype=np.float64)
    except OverflowError:
        raise BadRecordError(f"{what} has an integer that is too large.") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), f"a {type(value).__name__}")
