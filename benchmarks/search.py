"""Vector search side by side: vecloom, usearch and faiss HNSW at equal recall, NumPy for exact search.

The data is a mixture of Gaussians on the unit sphere with clusters of unequal weight and width; queries are drawn near
the clusters and are not in the data. Each system is built in a process of its own (build time, disk, peak memory). Its
ef is the smallest step at which recall@10 on the queries reaches the aim; vecloom has tuned itself by then, on its own
rows. Then it is asked in processes of its own, in interleaved rounds; the medians over the rounds are shown.

    python benchmarks/search.py --rows 100000 --json search-100k.json
    python benchmarks/search.py --rows 1000000 --json search-1m.json

Needs the extra ``[bench]``. "hits" rows fetch text and fields of the ten rows too, which no peer does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

DIM, TOP, AIM = 384, 10, 0.95
STEPS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
M, EF_CONSTRUCTION = 16, 128  # of every graph here

Search = Callable[[np.ndarray], np.ndarray]


# ---- data ---------------------------------------------------------------------------------------------------------


def mixture(rows: int, queries: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``(rows, DIM)`` and ``(queries, DIM)`` unit vectors of one mixture of Gaussians."""
    rng = np.random.default_rng(seed)
    clusters = max(50, rows // 500)
    centres = unit(rng.standard_normal((clusters, DIM), dtype=np.float32))
    weights = rng.dirichlet(np.ones(clusters))
    widths = rng.uniform(0.6, 1.2, clusters).astype(np.float32) / DIM**0.5
    label = rng.choice(clusters, rows + queries, p=weights)
    points = np.empty((rows + queries, DIM), np.float32)
    for start in range(0, len(points), 65536):
        part = label[start : start + 65536]
        noise = rng.standard_normal((len(part), DIM), dtype=np.float32)
        points[start : start + 65536] = unit(centres[part] + widths[part, None] * noise)
    return points[:rows], points[rows:]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def truth(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    found = []
    for start in range(0, len(queries), 16):
        scores = queries[start : start + 16] @ vectors.T
        found.append(np.argpartition(scores, -TOP, axis=1)[:, -TOP:])
    return np.concatenate(found)


def recall(search: Search, queries: np.ndarray, expected: np.ndarray) -> float:
    shares = [len(np.intersect1d(search(q), e)) / TOP for q, e in zip(queries, expected, strict=True)]
    return float(np.mean(shares))


# ---- systems: build(folder, vectors) writes into folder; load(folder, ef) gives a search function ------------------


class NumPy:
    """A matrix product and a partition: what exact search cannot beat by much."""

    exact = True

    def build(self, folder: Path, vectors: np.ndarray) -> dict[str, float]:
        """Write into ``folder``; return named parts of the time."""
        np.save(folder / "vectors.npy", vectors)
        return {}

    def load(self, folder: Path, ef: int) -> Search:
        """Open what ``build`` wrote."""
        vectors = np.load(folder / "vectors.npy")

        def search(query: np.ndarray) -> np.ndarray:
            scores = vectors @ query
            best = np.argpartition(scores, len(scores) - TOP)[-TOP:]
            return best[np.argsort(-scores[best])]

        return search


class Usearch:
    """usearch with vectors as they are."""

    exact = False
    dtype = "f32"

    def build(self, folder: Path, vectors: np.ndarray) -> dict[str, float]:
        """Write into ``folder``; return named parts of the time."""
        from usearch.index import Index

        index = Index(ndim=DIM, metric="ip", dtype=self.dtype, connectivity=M, expansion_add=EF_CONSTRUCTION)
        index.add(np.arange(len(vectors)), vectors, threads=cores())
        index.save(str(folder / "graph"))
        return {}

    def load(self, folder: Path, ef: int) -> Search:
        """Open what ``build`` wrote."""
        from usearch.index import Index

        index = Index.restore(str(folder / "graph"))
        index.expansion_search = ef
        return lambda query: np.asarray(index.search(query, TOP, threads=1).keys, np.int64)


class UsearchHalf(Usearch):
    """usearch with vectors in half precision."""

    dtype = "f16"


class Faiss:
    """faiss's graph over vectors as they are."""

    exact = False

    def build(self, folder: Path, vectors: np.ndarray) -> dict[str, float]:
        """Write into ``folder``; return named parts of the time."""
        import faiss

        index = faiss.IndexHNSWFlat(DIM, M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        faiss.omp_set_num_threads(cores())
        index.add(vectors)
        faiss.write_index(index, str(folder / "graph"))
        return {}

    def load(self, folder: Path, ef: int) -> Search:
        """Open what ``build`` wrote."""
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.read_index(str(folder / "graph"))
        index.hnsw.efSearch = ef
        return lambda query: index.search(query[None], TOP)[1][0]


class Stored:
    """An encoder whose texts are row numbers and whose vectors are rows of the data."""

    name, fingerprint, dim, max_length, tokenizer = "rows", "0" * 64, DIM, 10**9, None

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str], **_: Any) -> np.ndarray:
        """Rows by the number that ends each text."""
        return self.vectors[[int(text.split()[-1]) for text in texts]]

    def save(self, directory: Any) -> None:
        """There is nothing to save."""
        raise NotImplementedError


class Vecloom:
    """The whole of it: documents in through ``Index.add``, rows, words, vectors and graph on disk."""

    exact = False
    hits = False

    def build(self, folder: Path, vectors: np.ndarray) -> dict[str, float]:
        """Write into ``folder``; return named parts of the time."""
        from vecloom.data.records import Document
        from vecloom.search import Index, ann

        if self.exact:
            ann.ANN_FROM = len(vectors) + 1
        stamps: list[float] = []
        index = Index.create(folder / "index", Stored(vectors))
        start = time.perf_counter()
        index.add(
            (Document(id=str(row), text=f"row number {row}") for row in range(len(vectors))),
            build_progress=lambda done, total: stamps.append(time.perf_counter()),
        )
        ended = time.perf_counter()
        return {"graph_s": ended - stamps[0], "rows_s": stamps[0] - start} if stamps else {"rows_s": ended - start}

    def load(self, folder: Path, ef: int) -> Search:
        """Open what ``build`` wrote."""
        from vecloom.search import Index

        index = Index.open(folder / "index")
        if self.hits:
            return lambda query: np.asarray([int(hit.document_id) for hit in index.search_vector(query, TOP)])
        return lambda query: index.nearest(query[None], TOP)[0][0]  # rows are added in order: offset = row number


class VecloomExact(Vecloom):
    """The same without a graph."""

    exact = True


class VecloomHits(Vecloom):
    """The same index, asked for whole hits."""

    hits = True


SYSTEMS: dict[str, Any] = {
    "numpy": NumPy(),
    "vecloom exact": VecloomExact(),
    "usearch f32": Usearch(),
    "usearch f16": UsearchHalf(),
    "faiss": Faiss(),
    "vecloom ann": Vecloom(),
    "vecloom ann hits": VecloomHits(),
}
SHARES = {"vecloom ann hits": "vecloom ann"}  # asks the index that another one built


# ---- one process: build or ask -------------------------------------------------------------------------------------


def child_build(name: str, data: Path) -> dict[str, Any]:
    system, folder = SYSTEMS[name], data / name.replace(" ", "-")
    vectors, queries, expected = (np.load(data / f"{part}.npy") for part in ("vectors", "queries", "expected"))
    folder.mkdir()
    start = time.perf_counter()
    parts = system.build(folder, vectors)
    took = time.perf_counter() - start
    peak = peak_mib()
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    ef = 0
    if not system.exact and not isinstance(system, Vecloom):
        reached = (step for step in STEPS if recall(system.load(folder, step), queries, expected) >= AIM)
        ef = next(reached, STEPS[-1])
    if isinstance(system, Vecloom) and not system.exact:
        from vecloom.search import Index

        found = Index.open(folder / "index").info().ann
        assert found is not None
        ef, parts["own_recall"] = found.expansion, found.recall
    return {"build_s": took, **parts, "disk_mib": disk, "build_peak_mib": peak, "ef": ef}


def child_ask(name: str, data: Path, ef: int) -> dict[str, Any]:
    system, folder = SYSTEMS[name], data / SHARES.get(name, name).replace(" ", "-")
    queries, expected = np.load(data / "queries.npy"), np.load(data / "expected.npy")
    if system.exact:
        queries, expected = queries[:100], expected[:100]
    start = time.perf_counter()
    search = system.load(folder, ef)
    search(queries[0])
    opened = time.perf_counter() - start
    found = recall(search, queries, expected)  # warms up, too
    times = []
    for query in queries:
        start = time.perf_counter()
        search(query)
        times.append(time.perf_counter() - start)
    p50, p95 = np.quantile(times, [0.5, 0.95]) * 1e3
    rates = {f"qps_{threads}": rate(search, queries, threads) for threads in (1, 4)}
    return {"recall": found, "p50_ms": p50, "p95_ms": p95, **rates, "open_s": opened, "ask_peak_mib": peak_mib()}


def rate(search: Search, queries: np.ndarray, threads: int) -> float:
    """Queries per second with so many threads asking at once."""
    asked = [query for _ in range(3) for query in queries]
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        for _ in pool.map(search, asked, chunksize=16):
            pass
        return len(asked) / (time.perf_counter() - start)


def peak_mib() -> float:
    """The most memory that this process held; mapped files count as far as they were touched."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure is inherited from the parent
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cores() -> int:
    return len(os.sched_getaffinity(0))


# ---- the run -------------------------------------------------------------------------------------------------------


def run_child(kind: str, name: str, data: Path, ef: int = 0) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", kind, "--system", name, "--data", str(data), "--ef", str(ef)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One result per system."""
    with tempfile.TemporaryDirectory(prefix="vecloom-bench-", dir=options.scratch) as scratch:
        data = Path(scratch)
        vectors, queries = mixture(options.rows, options.queries, options.seed)
        np.save(data / "vectors.npy", vectors)
        np.save(data / "queries.npy", queries)
        np.save(data / "expected.npy", truth(vectors, queries))
        del vectors
        names = [name for name in SYSTEMS if name in options.systems]
        built = {}
        for name in names:
            if name not in SHARES:
                built[name] = run_child("build", name, data)
                print(f"built {name}: {built[name]['build_s']:.1f} s", file=sys.stderr)
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                ef = built[SHARES.get(name, name)]["ef"]
                rounds[name].append(run_child("ask", name, data, ef))
        for name in names:
            medians = {key: statistics.median(one[key] for one in rounds[name]) for key in rounds[name][0]}
            yield {"system": name, **built.get(name, {}), "ef": built[SHARES.get(name, name)]["ef"], **medians}
        shutil.rmtree(data, ignore_errors=True)


COLUMNS = {
    "recall": "recall@10",
    "ef": "ef",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "qps_1": "QPS, 1 thread",
    "qps_4": "QPS, 4 threads",
    "build_s": "build s",
    "disk_mib": "disk MiB",
    "build_peak_mib": "peak MiB, build",
    "ask_peak_mib": "peak MiB, ask",
}


def table(results: list[dict[str, Any]]) -> str:
    """The results in Markdown."""
    lines = ["| system | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for result in results:
        cells = [shown(result.get(key)) for key in COLUMNS]
        lines.append(f"| {result['system']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(value: float | None) -> str:
    if not value:
        return ""
    return f"{value:.3f}" if value < 10 else f"{value:,.0f}"


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    versions = {name: version(name) for name in ("numpy", "usearch", "faiss-cpu", "pylance")}
    return {"cpu": model.partition(": ")[2] or platform.processor(), "cores": cores(), "versions": versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--scratch", help="folder for the indices; the system's temporary folder by default")
    parser.add_argument("--json", help="write the results to this file, too")
    parser.add_argument("--child", choices=["build", "ask"], help=argparse.SUPPRESS)
    parser.add_argument("--system", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ef", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "build":
        print(json.dumps(child_build(options.system, options.data)))
    elif options.child == "ask":
        print(json.dumps(child_ask(options.system, options.data, options.ef)))
    else:
        show(options)


def show(options: argparse.Namespace) -> None:
    results = list(measure(options))
    print(f"{options.rows:,} x {DIM}, {options.queries} queries, seed {options.seed}, {options.rounds} rounds\n")
    print(table(results))
    if options.json:
        settings = {key: vars(options)[key] for key in ("rows", "queries", "seed", "rounds")}
        when = datetime.now(UTC).isoformat(timespec="seconds")
        content = {"when": when, **settings, "machine": machine(), "results": results}
        Path(options.json).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
