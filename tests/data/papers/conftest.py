import textwrap

import pytest

from vecloom.data import ReadReport
from vecloom.data.papers import read_papers


@pytest.fixture
def take(tmp_path):
    """Read a file of a kind: its documents and the report."""

    def read(kind, content, name="file", **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n").encode())
        report = ReadReport()
        return list(read_papers(kind, [str(path)], report=report, **settings)), report

    return read
