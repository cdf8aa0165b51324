"""Tables whose columns are plain lists.

``datasets`` from version 4 gives a column as an object that reads a row at each access. mteb's samplers and
scikit-learn's metrics walk columns thousands of times, and then most of an evaluation goes into decoding rows: on
5,452 training questions 3.5 s of 6.3 s.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset


class EagerDataset(Dataset):  # type: ignore[misc]
    """A data set in memory; ``data["column"]`` is a list."""

    def __getitem__(self, key: Any) -> Any:
        """A column as a list; rows as ``Dataset`` gives them."""
        if isinstance(key, str) and self._indices is None and self._format_type is None:
            return self._data.column(key).to_pylist()
        found = super().__getitem__(key)
        return list(found) if isinstance(key, str) else found


def eager(value: Any) -> Any:
    """The same nested mapping of splits with every ``Dataset`` in it made eager; other values as they are."""
    if isinstance(value, Dataset):
        made = EagerDataset(
            value._data,
            info=value.info,
            split=value.split,
            indices_table=value._indices,
            fingerprint=value._fingerprint,
        )
        return made.with_format(**value.format) if value._format_type else made
    if isinstance(value, dict):
        made_dict = type(value)() if type(value) is not dict else {}
        for name, part in value.items():
            made_dict[name] = eager(part)
        return made_dict
    return value
