import io
import sys

import pytest

from vecloom.cli import show
from vecloom.cli.progress import Bar, bar
from vecloom.data.report import ReadReport


def test_columns_are_aligned_without_trailing_space():
    assert show.columns([["a", "1"], ["long", ""]], ["n", "value"]) == "n     value\na     1\nlong"


def test_counts_and_sizes_read_like_speech():
    assert [show.count(1, "text"), show.count(2000, "text")] == ["1 text", "2,000 texts"]
    assert [show.size(512), show.size(1536), show.size(3 * 2**40)] == ["512 bytes", "1.5 KiB", "3.0 TiB"]


def test_no_bar_outside_a_terminal(capsys):
    with bar("Embedding", ["-"], ReadReport()) as drawn:
        assert type(drawn) is Bar
        drawn.advance(3)
        drawn.total(3)
        drawn.build(1, 2)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """To be called in the test: pytest puts its own stderr back between a fixture and the test."""

    def become():
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return become


def test_a_terminal_gets_count_total_and_rate(on_terminal):
    terminal = on_terminal()
    with bar("Embedding", ["-"], ReadReport()) as drawn:
        drawn.total(2000)
        drawn.advance(2000)
    assert "Embedding" in terminal.getvalue()
    assert "2000/2000" in terminal.getvalue()
    assert "/s" in terminal.getvalue()


def test_the_total_is_guessed_from_the_bytes_that_were_read(on_terminal, tmp_path):
    terminal = on_terminal()
    (tmp_path / "a.jsonl").write_bytes(b"x" * 5000)
    report = ReadReport()
    with bar("Indexing", [str(tmp_path)], report) as drawn:
        report.documents, report.bytes_read = 10, 1000  # so 5000 bytes hold 50
        drawn.advance(10)
    assert "10/50" in terminal.getvalue()


def test_building_the_graph_is_a_line_of_its_own(on_terminal):
    terminal = on_terminal()
    with bar("Indexing", ["-"], ReadReport()) as drawn:
        drawn.build(30, 40)
    assert "Building the graph" in terminal.getvalue()
    assert "30/40" in terminal.getvalue()
