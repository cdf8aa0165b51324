"""Which extractor finds the words of PDF files? Words and pairs of words against poppler's pdftotext, and time.

Needs ``pdftotext`` (poppler-utils), and pdfminer.six and markitdown[pdf] beside the extra [files]:

    python benchmarks/pdf.py FILE.pdf ... > benchmarks/results/pdf.md

Words are runs of letters and digits, compatibility forms (ligatures) made plain, words cut at line ends joined.
Precision: the share of the extractor's words that pdftotext has too; recall: the share of pdftotext's that it has.
Pairs of neighbouring words show whether columns are read in order.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from vecloom.data import read

_CUT = re.compile(r"[\ufffe\u00ad]\r?\n?|(?<=\w)-\r?\n(?=[a-z])")


def vecloom(path: Path) -> str:
    return "\n".join(document.text for document in read([str(path)]))


def pdfium(path: Path) -> str:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as file:
        return "\n".join(page.get_textpage().get_text_range() for page in file)


def pdfminer(path: Path) -> str:
    from pdfminer.high_level import extract_text

    return extract_text(path)


def markitdown(path: Path) -> str:
    from markitdown import MarkItDown

    return MarkItDown(enable_plugins=False).convert_local(path).markdown


def pdftotext(path: Path) -> str:
    return subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True).stdout.decode()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", _CUT.sub("", text)).casefold())


def shares(found: Sequence[object], expected: Sequence[object]) -> tuple[float, float]:
    """Precision and recall of a bag of things."""
    common = sum((Counter(found) & Counter(expected)).values())
    return common / max(1, len(found)), common / max(1, len(expected))


def row(name: str, extract: Callable[[Path], str], path: Path, expected: list[str]) -> str:
    started = time.perf_counter()
    found = words(extract(path))
    seconds = time.perf_counter() - started
    cells = (*shares(found, expected), *shares(list(pairwise(found)), list(pairwise(expected))))
    return f"| {name} | {len(found):,} | " + " | ".join(f"{cell:.3f}" for cell in cells) + f" | {seconds:.2f} |"


def main(paths: Sequence[str]) -> None:
    print("| extractor | words | precision | recall | pairs: precision | pairs: recall | seconds |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for path in map(Path, paths):
        expected = words(pdftotext(path))
        print(f"| **{path.name}**: pdftotext | {len(expected):,} | | | | | |")
        for extract in (vecloom, pdfium, pdfminer, markitdown):
            print(row(extract.__name__, extract, path, expected), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
