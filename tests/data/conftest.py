"""A folder to write inputs into, and a short way to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecloom.data import Document, ReadReport, read


class Inputs:
    """Files below a temporary folder; ``report`` is that of the last ``read``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = ReadReport()

    def write(self, name: str, data: bytes | str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def read(self, name: str, data: bytes | str | None = None, **options) -> list[Document]:
        """Write a file (where data is given) and read it by its own name."""
        path = str(self.folder / name) if data is None else self.write(name, data)
        self.report = ReadReport()
        return list(read([path], report=self.report, **options))

    def read_folder(self, **options) -> list[Document]:
        self.report = ReadReport()
        return list(read([str(self.folder)], report=self.report, **options))


@pytest.fixture
def inputs(tmp_path):
    return Inputs(tmp_path)
