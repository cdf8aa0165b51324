"""How long a run of digests takes: many subscriptions over many new papers, sent to an SMTP server in the same process.

    VECLOOM_DATA=... python benchmarks/digests.py [--items 10000] [--subscriptions 1000] [--queries 500] [--json OUT]

Items: AG News and sentences of the Brown corpus; queries: questions of Banking77, each asked by several readers. Not timed:
making the index, and taking the items over into the desk (shown by itself). Timed: composing (reading vectors, encoding each
distinct query once, choosing, rendering, one transaction for each digest), and sending. Needs aiosmtpd.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

import vecloom as vl
from vecloom.desk import digests, subscriptions
from vecloom.desk.digests import Report
from vecloom.desk.items import sync
from vecloom.desk.mail import Sender
from vecloom.desk.smtp import Smtp, SmtpSettings
from vecloom.desk.sources import IndexSource
from vecloom.desk.state import Desk

NOW, DAY = 1_795_428_000, 86_400
SENDER = Sender("desk@desk.example", "https://desk.example")


class Counting:
    """Takes every mail and counts them."""

    taken = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Called by aiosmtpd with a mail."""
        self.taken += 1
        return "250 taken"


class Watched(IndexSource):
    """Counts what is encoded."""

    passes = encoded = 0

    def embed(self, queries: Any) -> Any:
        """Unit vectors of queries."""
        self.passes += 1
        self.encoded += len(queries)
        return super().embed(queries)


def texts(*parts: str) -> list[str]:
    root = Path(os.environ["VECLOOM_DATA"], *parts)
    paths = sorted(root.glob("*.jsonl")) if root.is_dir() else [root]
    return list(dict.fromkeys(json.loads(line)["text"] for path in paths for line in path.open(encoding="utf-8")))


def prepare(desk: Desk, library: dict[str, IndexSource], arguments: argparse.Namespace, queries: list[str]) -> None:
    for number in range(arguments.subscriptions):
        with desk.transaction() as db:
            values = (f"r{number}@reader.example", NOW - DAY, NOW - DAY)
            done = db.execute("INSERT INTO reader (email, confirmed_at, created_at) VALUES (?, ?, ?)", values)
        query = queries[number % arguments.queries]
        subscriptions.subscribe(
            desk, int(done.lastrowid or 0), "papers", "query", query, now=NOW - DAY, mode=arguments.mode, threshold=0.2
        )


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    items = [*texts("classification", "ag-news", "test.jsonl"), *texts("text", "brown")][: arguments.items]
    index = vl.Index.create(folder / "papers", vl.load("minilm"))
    desk, source = Desk(folder / "desk.sqlite"), Watched(index)
    library = {"papers": source}
    sync(desk, library, NOW - 2 * DAY)  # empty: what comes now is news
    prepare(desk, library, arguments, texts("classification", "banking77", "test.jsonl"))
    index.add([{"id": f"d{n}", "title": text[:60], "text": text} for n, text in enumerate(items)])
    seconds, started, report = {}, time.perf_counter(), Report()
    report.items = sync(desk, library, NOW)
    seconds["sync"] = time.perf_counter() - started
    started = time.perf_counter()
    digests.compose(desk, library, SENDER, NOW, report)
    seconds["compose"] = time.perf_counter() - started
    counting = Counting()
    controller = Controller(counting, hostname="127.0.0.1", port=arguments.port)
    controller.start()
    started = time.perf_counter()
    digests.deliver(desk, Smtp(SmtpSettings("127.0.0.1", arguments.port, "none"), SENDER.address), NOW, report)
    seconds["send"] = time.perf_counter() - started
    controller.stop()
    return {
        "items": report.items,
        "subscriptions": arguments.subscriptions,
        "distinct queries": arguments.queries,
        "mode": arguments.mode,
        "composed": report.composed,
        "taken by the server": counting.taken,
        "encoding passes": source.passes,
        "queries encoded": source.encoded,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "processor": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--subscriptions", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--mode", default="vector", choices=["vector", "keyword", "hybrid"])
    parser.add_argument("--port", type=int, default=8925)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments)
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
