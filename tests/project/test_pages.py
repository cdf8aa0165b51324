"""Every command and snippet of the README and the pages is run, in order, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/which-model.md",
    *(f"docs/how-to/{path.name}" for path in sorted(ROOT.glob("docs/how-to/*.md"))),
]
FENCE = re.compile(r"^(<!-- not run: .+? -->\n)?```(bash|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HIT = re.compile(r"\S+#\d+")


class Block(NamedTuple):
    """A fenced block: its language, its text, and the output that the page shows below it."""

    language: str
    body: str
    shown: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page that are to be run."""
    found: list[Block] = []
    for skipped, language, body in FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "text":
            found[-1] = found[-1]._replace(shown=body)
        elif not skipped:
            found.append(Block(language, body, ""))
    return found


def run(block: Block, folder: Path) -> str:
    """Run a block in ``folder`` with the commands of this environment; its standard output."""
    shell = ["bash", "-euo", "pipefail", "-c", block.body]
    command = shell if block.language == "bash" else [sys.executable, "-c", block.body]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{block.body}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_every_command_of_a_page_works_and_finds_what_is_shown(page: str, tmp_path: Path) -> None:
    for block in blocks(page):
        printed = run(block, tmp_path)
        # scores differ by a digit between processors; what is found does not
        assert not block.shown or HIT.findall(printed) == HIT.findall(block.shown), block.body


def test_readme_and_tutorial_have_something_to_run() -> None:
    assert len(blocks("README.md")) >= 5
    assert len(blocks("docs/tutorial.md")) >= 8


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
