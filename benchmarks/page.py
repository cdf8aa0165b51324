"""The page in a browser: how fast an answer is on screen, what a page weighs, and how fast the map moves.

    python benchmarks/page.py                       # 10,000 and 100,000 points; needs chromium
    python benchmarks/page.py --points 10000 --json out.json

Documents are made up: a text, a title and a field each, vectors of 64 dimensions around 40 centres, and a map that is the
first two of these with noise (``--layout`` computes real ones instead, and times that).
The browser draws with whatever the machine has; without a GPU that is SwiftShader, software on the CPU, which is the worst case.

Measured: milliseconds from the last byte of the answer to its first paint, medians of 10 loads; bytes of a page with all its
assets; frames per second while the map is dragged and zoomed for 5 seconds by real mouse events.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.files import write_text
from vecloom.runtime import cpu
from vecloom.search import Index
from vecloom.serve.page import maps, projection

RESULT = Path(__file__).with_name("results") / "page.json"
CENTRES, DIM = 40, 64
SECONDS = 5


class MadeUp:
    """An encoder whose vector of a text is given by the number in it."""

    name, dim, max_length, fingerprint, tokenizer = "made-up", DIM, 1_000_000, "made-up-1", None

    def encode(self, texts: Sequence[str], *, normalize: bool = True, **_: Any) -> np.ndarray:
        """(n, 64) float32."""
        centres = np.random.default_rng(0).normal(size=(CENTRES, DIM))
        numbers = [int("".join(c for c in text if c.isdigit()) or 0) for text in texts]
        noise = np.stack([np.random.default_rng(number + 1).normal(size=DIM) for number in numbers])
        vectors = (centres[np.array(numbers) % CENTRES] + 0.4 * noise).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalize else vectors

    def save(self, directory: Any) -> None:
        """There is nothing to write."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--layout", action="store_true", help="compute real maps too, and time that")
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        environ["VECLOOM_CACHE"] = str(Path(scratch, "cache"))
        rows = [measured(count, Path(scratch), options.layout) for count in options.points]
    write_text(options.json, json.dumps({"processor": cpu.name(), "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(json.dumps(row))


def measured(count: int, folder: Path, real: bool) -> dict[str, Any]:
    """All figures for an index of so many documents."""
    index = made(folder / f"notes-{count}", count)
    row: dict[str, Any] = {"points": count}
    if real:
        began = time.perf_counter()
        maps.make(index.path, maps.place(index))
        row["layout_seconds"] = round(time.perf_counter() - began, 1)
    else:
        write_layout(index)
    with served(index.path) as address:
        return row | browsed(address, index.path.name)


def made(path: Path, count: int) -> Index:
    index = Index.create(path, MadeUp())  # type: ignore[arg-type]
    index.add(
        {
            "id": f"n{n}",
            "title": f"Note {n}",
            "text": f"Note {n} is about subject {n % CENTRES}.",
            "subject": f"s{n % 12}",
        }
        for n in range(count)
    )
    return index


def write_layout(index: Index) -> None:
    keys, vectors = index.matrix()
    places = projection.scaled(
        vectors[:, :2] + 0.05 * np.random.default_rng(0).normal(size=(len(keys), 2)).astype(np.float32)
    )
    clusters = (keys % 24).astype(np.uint8)
    np.savez(
        maps.place(index),
        keys=keys,
        xy=places,
        clusters=clusters,
        labels=json.dumps([f"subject {n}" for n in range(24)]),
    )


class served:  # noqa: N801 - reads as a verb
    """The application in a process of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> str:
        code = "import sys; sys.path.insert(0, sys.argv[1]); import page; page.serve(sys.argv[2])"
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(self.path)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def serve(path: str) -> None:
    """Run the server over an index of made-up vectors; prints its address."""
    import socket

    import uvicorn

    from vecloom.serve.app import create_app
    from vecloom.serve.engine import Engine
    from vecloom.serve.metrics import Metrics
    from vecloom.serve.settings import Settings
    from vecloom.serve.state import State

    settings, metrics = Settings(), Metrics()
    engine = Engine({"made-up": MadeUp()}, settings, metrics)  # type: ignore[dict-item]
    index = Index.open(path, MadeUp())  # type: ignore[arg-type]
    state = State(settings=settings, metrics=metrics, models={"made-up": MadeUp()}, engine=engine,  # type: ignore[dict-item]
                  indexes={Path(path).name: index})  # fmt: skip
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(create_app(state, settings), log_level="error")).run(sockets=[listener])


def browsed(address: str, name: str) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--no-sandbox", "--use-gl=angle", "--enable-unsafe-swiftshader"]
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        return {
            **loads(page, f"{address}/?q=note+7"),
            **moves(page, f"{address}/map/{name}"),
            "browser": browser.version,
        }


def loads(page: Any, url: str) -> dict[str, Any]:
    """Time to the first paint after the answer, time of the answer itself, and bytes."""
    paints, answers = [], []
    for _ in range(10):
        page.goto(url, wait_until="load")
        page.wait_for_timeout(200)
        told = page.evaluate(
            "() => { const [n] = performance.getEntriesByType('navigation');"
            " const p = performance.getEntriesByName('first-contentful-paint')[0];"
            " return [p.startTime - n.responseEnd, n.responseEnd - n.requestStart]; }"
        )
        paints.append(told[0])
        answers.append(told[1])
    weight = page.evaluate(
        "() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
        ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
    )
    return {
        "paint_ms": round(float(np.median(paints)), 1),
        "answer_ms": round(float(np.median(answers)), 1),
        "bytes": weight,
    }


def moves(page: Any, url: str) -> dict[str, Any]:
    """Frames per second while dragging, and while zooming."""
    page.goto(url)
    page.wait_for_selector("#map[data-ready]", timeout=120_000)
    box = page.locator("#points").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    rates = {}
    for what in ("pan", "zoom"):
        page.mouse.move(x, y)
        if what == "pan":
            page.mouse.down()
        before, began, step = page.evaluate("() => vecloomMap.frames"), time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            step += 1
            if what == "pan":
                page.mouse.move(x + 150 * np.sin(step / 9), y + 90 * np.cos(step / 7))
            else:
                page.mouse.wheel(0, -40 if step // 20 % 2 else 40)
        rates[f"{what}_frames_per_s"] = round(
            (page.evaluate("() => vecloomMap.frames") - before) / (time.perf_counter() - began), 1
        )
        page.mouse.up()
    return {**rates, "renderer": page.evaluate(_RENDERER)}


_RENDERER = """() => { const gl = document.createElement("canvas").getContext("webgl");
const info = gl.getExtension("WEBGL_debug_renderer_info");
return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "unknown"; }"""


if __name__ == "__main__":
    main()
