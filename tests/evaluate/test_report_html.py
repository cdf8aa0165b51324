from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.evaluate.evaluations import (
    NASTY,
    evaluation,
    many,
)

from vecloom.evaluate.report import (
    html_report,
)


class _Page(HTMLParser):
    """Tags with their attributes, and the text outside styles and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    return html_report(evaluation())


@pytest.fixture(scope="module")
def page(html: str) -> _Page:
    return _Page(html)


def test_every_tag_of_the_page_is_closed_in_order(page: _Page) -> None:
    assert page.open == []


def test_the_page_fetches_nothing(page: _Page, html: str) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            if attributes.get(name) is not None:
                assert attributes[name].startswith("#"), (tag, attributes)  # type: ignore[union-attr]
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_texts_of_data_and_errors_are_shown_and_not_run(page: _Page, html: str) -> None:
    assert html.count("<script") == 1
    assert "alert('x')</script>" not in html
    text = "".join(page.texts)
    assert NASTY in text
    assert f"eel recipes {NASTY}" in text
    assert f"clusters (large and large@64): ValueError: {NASTY}." in text


def test_the_only_script_is_the_one_that_the_page_allows(html: str) -> None:
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    allowed = re.search(r"script-src 'sha256-([^']+)'", html)
    assert script
    assert allowed
    assert base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode() == allowed[1]


def test_nasty_names_of_models_and_tasks_are_escaped_in_tables_and_figures() -> None:
    names = {"large": NASTY, "large@64": "$x_1$", "words": "_hidden"}
    models = tuple(replace(model, label=names[model.label]) for model in evaluation().models)
    tasks = tuple(replace(task, name=f"{task.name}{NASTY}") for task in evaluation().tasks)
    scores = tuple(replace(s, model=names[s.model], task=f"{s.task}{NASTY}") for s in evaluation().scores)
    nasty = html_report(replace(evaluation(), models=models, tasks=tasks, scores=scores, comparisons=()))
    assert nasty.count("<script") == 1
    assert _Page(nasty).open == []
    assert "$x_1$" in nasty


def test_each_table_has_a_caption_and_each_figure_a_title(html: str, page: _Page) -> None:
    assert html.count("<table") == html.count("<caption") > 5
    figures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        named = re.search(r'aria-labelledby="([^"]+)"', figure)
        assert named
        assert f'<title id="{named[1]}">' in figure
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("href", "xlink:href"):
            if attributes.get(name):
                assert (attributes[name] or "")[1:] in ids


def test_the_page_has_the_numbers_of_the_evaluation(html: str) -> None:
    row = re.search(r'<tr><th scope="row">large@64</th>\s*(.*?)</tr>', html, re.DOTALL)
    assert row
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", row[1], re.DOTALL)]
    # mean, mean of types 209 / 3, Borda place, Retrieval, STS (78 + 88) / 2, Classification, dimensions, texts a second
    assert cells == ["73.0≈", "69.7", "2", "58.0", "83.0", "68.0", "64", "100"]
    assert 'title="95 % interval 1.0 to 4.0; p = 0.250 (alone p = 0.025); d = 0.50; bootstrap"' in html
    assert "ndcg_at_10 12.5" in html
    assert "similarity 0.91, gold 1.2" in html
    assert "right in 20 % of runs, gold business" in html
    assert '<span class="soft">not found</span> a lost document' in html


def test_the_best_of_a_task_is_bold_and_training_data_is_marked(html: str) -> None:
    row = re.search(r'<a href="#task-2">pairs</a>.*?</tr>', html, re.DOTALL)
    assert row
    best = re.search(r'<td data-value="0.8" class="best">80.0<span class="mark">(.*?)</span>', row[0], re.DOTALL)
    assert best
    assert best[1] == "†"


def test_a_large_report_stays_small() -> None:
    report = html_report(many(10, 30))
    assert len(report.encode()) < 3_000_000
    # the best model's only, since 10 models x 30 tasks would be too many: min(10, 400 // 30) for each task
    assert report.count('class="unit"') == 30 * 10
    assert "of the best model of each task" in report
