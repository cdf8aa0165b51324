"""A real Chromium for tests: a tab that fails the test when a script fails or the policy stops something."""

import shutil
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def chromium():
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def tab(browser, **options):
    """A tab of its own profile; ``trouble`` gathers what its console says."""
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 800}, **options})
    opened = context.new_page()
    opened.trouble = []
    opened.on("pageerror", lambda error: opened.trouble.append(str(error)))
    opened.on("console", lambda said: opened.trouble.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    assert opened.trouble == []
