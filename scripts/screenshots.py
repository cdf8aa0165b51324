"""Take the pictures of the page that docs/images holds: what to run after a change to how it looks.

    .venv/bin/python scripts/screenshots.py [FOLDER]

Needs chromium. The texts are docstrings of this Python's standard library, and papers that were made up for the desk.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stdlib_docs

import vecloom as vl

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.serve import browser  # noqa: E402 - the tests' own browser and server
from tests.serve.running import running  # noqa: E402

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PACKAGES = frozenset(
    [
        "argparse",
        "asyncio",
        "collections",
        "concurrent",
        "configparser",
        "csv",
        "datetime",
        "difflib",
        "email",
        "html",
        "http",
        "json",
        "logging",
        "multiprocessing",
        "pathlib",
        "queue",
        "random",
        "shutil",
        "socket",
        "sqlite3",
        "statistics",
        "subprocess",
        "tarfile",
        "tempfile",
        "threading",
        "unittest",
        "urllib",
        "xml",
        "zipfile",
    ]
)
SUBJECTS = {
    "wings": "flutter of thin wings", "heat": "heat in blunt bodies", "embedding": "text embedding of code",
}  # fmt: skip
QUESTION = "run+a+function+in+another+process+with+a+timeout"


def docstrings() -> Iterator[dict[str, Any]]:
    """Records of a part of the standard library."""
    for document in stdlib_docs.documented(Path(sysconfig.get_path("stdlib"))):
        package = re.split(r"[/.]", document.id)[0]
        if package in PACKAGES:
            record = stdlib_docs.record(document)
            yield {"id": record["id"], "title": record["title"], "text": record["text"], "kind": record["kind"],
                   "package": package, "line": record["lineno"]}  # fmt: skip


def papers() -> list[dict[str, Any]]:
    """Records of papers that nobody wrote."""
    return [
        {"id": f"{name}{n}", "title": f"{what.capitalize()}, part {n}", "text": f"We study {what}. Case {n} is measured.",
         "date": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400 * n)), "field": name,
         "authors": "A. Author; B. Writer", "url": f"https://example.org/{name}{n}"}
        for name, what in SUBJECTS.items() for n in range(1, 9)
    ]  # fmt: skip


def shoot(chromium: Any, folder: Path, url: str, name: str, size: dict[str, int], scheme: str = "light") -> None:
    """One picture."""
    with browser.tab(chromium, viewport=size, color_scheme=scheme) as page:
        page.goto(url)
        if "/map/" in url:
            page.wait_for_selector("#map[data-ready]", timeout=120_000)
            page.locator("#list li").first.wait_for()
            page.locator("#colour").select_option("package")
            page.locator("#legend li").first.wait_for()
            page.wait_for_timeout(1500)  # while the map moves a slow machine draws fewer points
        page.screenshot(path=folder / f"{name}.png")


def of_search(chromium: Any, folder: Path, address: str) -> None:
    """Search, comparison and map."""
    search = f"{address}/?q={QUESTION}"
    shoot(chromium, folder, search, "page-desktop", DESKTOP)
    shoot(chromium, folder, search, "page-dark", DESKTOP, "dark")
    shoot(chromium, folder, search, "page-phone", PHONE)
    shoot(chromium, folder, f"{address}/compare?q={QUESTION}", "page-compare", DESKTOP)
    shoot(chromium, folder, f"{address}/map/python?q={QUESTION}", "page-map", DESKTOP)


def of_desk(chromium: Any, folder: Path, address: str) -> None:
    """Marks, what is kept, and the list for a reader."""
    with browser.tab(chromium, viewport=DESKTOP) as page:
        page.goto(f"{address}/?q=heat+of+bodies")
        for place in range(3):
            page.locator("[data-kind=save]").nth(place).click()
            page.locator("[data-kind=save][aria-pressed=true]").nth(place).wait_for()
        page.locator("[data-kind=upvote]").first.click()
        page.locator(".tags summary").nth(1).click()
        page.get_by_placeholder("new tag").nth(1).fill("nose cones")
        page.get_by_placeholder("new tag").nth(1).press("Enter")
        page.locator(".tag").first.wait_for()
        page.evaluate("() => scrollTo(0, 0)")
        page.screenshot(path=folder / "desk-search.png")
        page.get_by_text("Subscribe to this search").click()
        page.get_by_role("button", name="Subscribe").click()
        page.wait_for_url(re.compile("/desk#s"))
        page.evaluate("() => scrollTo(0, 0)")
        page.screenshot(path=folder / "desk-kept.png")
    shoot(chromium, folder, f"{address}/?sort=for_you", "desk-phone-dark", PHONE, "dark")


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "images").absolute()
    with tempfile.TemporaryDirectory() as made, browser.chromium() as chromium:
        encoder = vl.load("minilm")
        vl.Index.create(Path(made, "python"), encoder).add(docstrings())
        vl.Index.create(Path(made, "papers.index"), encoder).add(papers())
        with running("-i", Path(made, "python"), env={"VECLOOM_CACHE": str(Path(made, "cache"))}) as server:
            of_search(chromium, folder, server.url)
        with running("-i", Path(made, "papers.index"), "--desk") as server:
            of_desk(chromium, folder, server.url)


if __name__ == "__main__":
    main()
