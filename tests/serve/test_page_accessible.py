"""Every page as axe-core judges it: labels, contrast, landmarks, headings; in the light and in the dark."""

from importlib.resources import files

import pytest
from tests.serve import browser
from tests.serve.running import running
from tests.serve.test_room import PAPERS

import vecloom as vl

pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(300),
]
PAGES = ["/", "/?q=text+embedding", "/?q=text+embedding&f.kind=a", "/d/papers/emb1", "/similar/papers/emb1", "/compare?q=text",
         "/map/papers", "/desk", "/login", "/?q=x&where=wrong", "/d/papers/none", "/u/wrong"]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_pages(tmp_path, scheme):
    rules = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    vl.Index.create(tmp_path / "papers.index", vl.load("minilm")).add([{**paper, "kind": "a"} for paper in PAPERS])
    found = []
    with (
        running("-i", tmp_path / "papers.index", "--desk") as server,
        browser.chromium() as running_browser,
        browser.tab(running_browser, color_scheme=scheme) as page,
    ):
        for path in PAGES:
            page.goto(server.url + path)
            page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            page.evaluate(rules)
            judged = page.evaluate("async () => await axe.run()")
            assert judged["passes"]
            found += [(path, one["id"], one["nodes"][0]["html"][:200]) for one in judged["violations"]]
        page.trouble.clear()  # the console names pages that answered 4xx
    assert found == []
