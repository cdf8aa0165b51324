"""The page in a real Chromium: answers while typing, keys, facets, the map, and errors."""

import json
import re

import numpy as np
import pytest
from tests.serve import browser
from tests.serve.running import running

import vecloom as vl

pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(180),
]
GROUPS = {"fruit": "apple pear plum cherry", "tools": "hammer saw drill chisel", "weather": "rain snow wind storm"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server over 300 short documents of three kinds."""
    folder = tmp_path_factory.mktemp("browser")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(300):
        kind = list(GROUPS)[n % 3]
        first, second = rng.choice(GROUPS[kind].split(), 2, replace=False)
        text = f"A note about {first} and {second}. It has the number {n}. Nothing else is said here."
        rows.append(
            {
                "id": f"n{n}",
                "title": f"{first.title()} and {second}, {n}",
                "text": text,
                "kind": kind,
                "date": f"20{10 + n % 10}-01-01",
            }
        )
    vl.Index.create(folder / "notes", vl.load("minilm")).add(rows)
    with running(
        "-i", folder / "notes", env={"VECLOOM_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    ) as server:
        yield server.url


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as running:
        yield running


@pytest.fixture
def page(chromium):
    with browser.tab(chromium) as tab:
        yield tab


def test_answers_come_while_typing_and_stay_in_the_address(page, address):
    page.goto(address)
    page.locator("#q").press_sequentially("snow in winter")
    first = page.locator(".entry .title").first
    first.wait_for()
    page.wait_for_url(re.compile(r"q=snow\+in\+winter"))
    assert "snow" in page.locator(".entry mark").first.inner_text().lower()
    shown = page.locator(".entry .title").all_inner_texts()
    page.reload()
    assert page.locator(".entry .title").all_inner_texts() == shown
    assert page.locator("#q").input_value() == "snow in winter"


def test_facets_and_modes_work_without_leaving_the_page(page, address):
    page.goto(f"{address}/?q=and")
    page.evaluate("() => { window.stayed = true; }")
    page.get_by_role("link", name=re.compile("^tools")).click()
    page.wait_for_selector("aside .chosen")
    assert set(page.locator(".facts .field", has_text="kind").all_inner_texts()) == {"kind tools"}
    assert page.evaluate("() => document.activeElement.textContent").startswith(
        "tools"
    )  # the keyboard stays where it was
    page.get_by_text("Words", exact=True).click()
    page.wait_for_url(re.compile("mode=keyword"))
    assert "f.kind=tools" in page.url
    page.get_by_label("Order").select_option("date")
    page.wait_for_url(re.compile("sort=date"))
    dates = page.locator(".facts time").all_inner_texts()
    assert dates == sorted(dates, reverse=True)
    assert page.evaluate("() => window.stayed")


def test_keys(page, address):
    page.goto(f"{address}/?q=drill")
    page.locator(".entry .title").first.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    focused = page.evaluate("() => document.activeElement.textContent")
    assert focused == page.locator(".entry .title").first.inner_text()
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.wait_for_url(re.compile(r"/similar/notes\?id="))
    assert page.locator(".entry").count() == 10
    page.locator(".entry .title").first.click()
    page.wait_for_url(re.compile(r"/d/notes\?id="))
    assert "Nothing else is said here" in page.locator(".passage").inner_text()


def test_without_scripts_all_but_the_map_works(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator("#q").fill("saw")
    page.get_by_text("Meaning", exact=True).click()
    page.get_by_role("button", name="Search").click()
    assert "mode=vector" in page.url
    page.get_by_role("link", name=re.compile("^tools")).click()
    assert page.locator(".entry").count() == 10
    page.get_by_role("link", name="Compare").click()
    assert page.locator(".compare section").count() == 2
    page.goto(f"{address}/map/notes")
    assert "needs JavaScript" in page.locator("#progress").inner_text()
    context.close()


def test_dark_is_remembered(page, address):
    page.goto(address)
    light = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.reload()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == dark


def test_colours_have_contrast(page, address):
    page.goto(f"{address}/?q=drill")
    for _ in range(2):
        for selector in ("body", ".entry .title", ".facts", "mark", ".text b", "aside li a", "summary", "nav a"):
            assert contrast(page, selector) >= 4.5, selector
        page.locator("#theme").click()


def contrast(page, selector):
    """WCAG's contrast of an element's text to what lies behind it."""
    pair = page.evaluate(
        """(selector) => {
            let element = document.querySelector(selector);
            const ink = getComputedStyle(element).color;
            while (element && getComputedStyle(element).backgroundColor.endsWith(", 0)")) element = element.parentElement;
            return [ink, getComputedStyle(element ?? document.body).backgroundColor];
        }""",
        selector,
    )

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted(map(luminance, pair), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_nothing_sticks_out_on_a_phone(chromium, address):
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in ("/?q=drill", "/compare?q=drill", "/d/notes/n1", "/map/notes"):
        page.goto(address + path)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, path
    context.close()


def test_a_wrong_filter_is_a_sentence(page, address):
    page.goto(f"{address}/?q=drill")
    page.get_by_text("Your own filter", exact=True).click()
    page.locator("#where").fill("kindd = 'tools'")
    page.locator("#where").press("Enter")
    page.locator("[role=alert]").wait_for()
    assert "kindd" in page.locator("[role=alert]").inner_text()
    page.trouble.clear()  # the browser tells the status 400


def test_the_map(page, address, tmp_path):
    page.goto(f"{address}/map/notes?q=hammer")
    page.wait_for_selector("#map[data-ready='300']", timeout=120_000)
    page.locator("#list li").first.wait_for()
    assert "near to “hammer”" in page.locator("#list h2").inner_text()
    assert "ammer" in page.locator("#list li").first.inner_text()
    many = page.locator("#list li").count()
    assert page.locator("#least output").inner_text() == "0.35"  # from here on it fits, with the bundled model
    panel, canvas = (page.locator(one).bounding_box() for one in ("#side", "#points"))
    assert canvas["x"] + canvas["width"] <= panel["x"] + 1  # nothing of the map lies under the panel
    page.locator("#least input").fill(page.locator("#least input").get_attribute("max"))
    page.wait_for_function("(many) => document.querySelectorAll('#list li').length < many", arg=many)
    page.locator("#close").click()

    def look():
        return json.loads(page.evaluate("() => JSON.stringify(vecloomMap.view)"))

    before, box = look(), page.locator("#points").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 100, middle[1] + 40, steps=5)
    page.mouse.up()
    after = look()
    assert after["x"] < before["x"]
    assert after["y"] < before["y"]
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert look()["scale"] > before["scale"]
    page.locator("#whole").click()
    assert look() == before

    page.locator("#lasso").click()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    for x, y in ((1, 0), (1, 1), (0, 1), (0, 0)):
        page.mouse.move(box["x"] + 3 + x * (box["width"] - 6), box["y"] + 3 + y * (box["height"] - 6), steps=3)
    page.mouse.up()
    page.locator("#list li").nth(150).wait_for()
    assert page.locator("#list h2").inner_text() == "300 documents chosen, the first 200"
    page.locator("#lasso").click()

    page.locator("#colour").select_option("kind")
    page.locator("#legend li").nth(2).wait_for()
    assert set(page.locator("#legend li").all_inner_texts()) == set(GROUPS)
    shot = tmp_path / "map.png"
    page.screenshot(path=shot)
    assert len(colours(shot)) > 3
    page.locator("#colour").select_option("date")
    page.locator("#legend li", has_text="2010").wait_for()
    years = page.locator("#legend li").all_inner_texts()
    assert years == sorted(years)
    assert years[-1].endswith("2019")


def colours(path):
    """Strong colours that are on a picture in some number."""
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
    strong = pixels[np.ptp(pixels, axis=1) > 60] // 32
    found, counts = np.unique(strong, axis=0, return_counts=True)
    return found[counts > 20]


@pytest.mark.parametrize(
    "path", ["/", "/?q=drill", "/compare?q=drill", "/map/notes", "/d/notes?id=n1", "/d/notes?id=none"]
)
def test_the_header_is_one_row_and_on_a_phone_two(chromium, address, path):
    for width, rows in ((1280, 1), (390, 2)):
        with browser.tab(chromium, viewport={"width": width, "height": 844}) as page:
            page.goto(address + path)
            tops = page.evaluate(
                "() => [...document.querySelectorAll('header > *, header form > *')].filter((one) => one.offsetWidth > 1)"
                ".map((one) => one.getBoundingClientRect()).map((one) => Math.round((one.top + one.bottom) / 2))"
            )
            groups = [at for at, top in enumerate(sorted(tops)) if at == 0 or top - sorted(tops)[at - 1] > 8]
            assert len(groups) == rows, (width, tops)
            if "?q=" in path:
                assert page.locator(".entry").first.bounding_box()["y"] < 844 / 3
            page.trouble.clear()  # a page that is not there answers 404


def test_filters_are_at_the_top_of_a_phone(chromium, address):
    with browser.tab(chromium, viewport={"width": 390, "height": 844}) as page:
        page.goto(f"{address}/?q=drill")
        assert not page.locator("aside").is_visible()
        page.get_by_text("Filters", exact=True).click()
        assert page.locator("aside").bounding_box()["y"] < 844 / 3
        page.get_by_role("link", name=re.compile("^tools")).click()
        page.locator(".chips a").wait_for()
        page.get_by_text("Filters", exact=True).click()
        page.locator(".chips a").click()
        page.wait_for_function("() => !document.querySelector('.chips')")
        assert "f.kind" not in page.url


STRANGE = [
    "W" * 5000,
    "e" + "\u0301\u0300\u0302" * 400 + " stacked",
    "\u202edrill sdrawkcab \u2067 and on",
    "\u0645\u062b\u0642\u0627\u0628 drill \u05de\u05e7\u05d3\u05d7\u05d4",
    "nul \x00, bell \x07, escape \x1b[31m, delete \x7f, \x85 and \u2028 lines",
    "<b>drill</b> & <script>alert(1)</script>",
    "\u200b\u00ad",
]


def test_no_text_of_an_index_breaks_the_page(chromium, tmp_path):
    rows = [
        {
            "id": f"s{n} {text[:300]}",
            "title": text,
            "text": f"A drill. {text}",
            "kind": text[:300] or "x",
            "odd": "same",
        }
        for n, text in enumerate(STRANGE)
    ]
    plain = [
        {"id": f"p{n}", "title": f"Plain {n}", "text": "A plain drill.", "kind": STRANGE[n % 7][:300]} for n in range(8)
    ]
    vl.Index.create(tmp_path / "strange", vl.load("minilm")).add([*rows, *plain])
    with running("-i", tmp_path / "strange") as server:
        for width in (390, 1280):
            with browser.tab(chromium, viewport={"width": width, "height": 844}) as page:
                links = []
                for path in ("/?q=drill", "/?q=drill&page=2", "/compare?q=drill"):
                    page.goto(server.url + path)
                    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, path
                    heights = page.locator(".entry").evaluate_all("(all) => all.map((one) => one.offsetHeight)")
                    assert max(heights) < 700, path
                    seen = page.locator("body").inner_text()
                    assert not re.search("[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e]", seen)
                    assert all(name.strip("\u200b\u00ad ") for name in page.locator("aside bdi").all_inner_texts())
                    links += page.locator(".entry .title").evaluate_all(
                        "(all) => all.map((one) => one.getAttribute('href'))"
                    )
                for link in dict.fromkeys(links):
                    page.goto(server.url + link)
                    assert page.locator("article").is_visible(), link
                    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, link
