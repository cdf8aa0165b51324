"""Peak memory of ``vecloom embed`` over many lines of jsonl: it must not grow with the input.

    python benchmarks/memory.py --rows 1000000 --json out.json

Writes a jsonl file of short distinct sentences, runs the command as a user would, and samples its resident memory (its
children included) twice a second. Prints the peak and the peak of each tenth of the run.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vecloom.files import write_text

WORDS = ["river", "engine", "report", "window", "market", "signal", "garden", "letter", "theory", "station", "budget"]
TAIL = [
    "was",
    "measured",
    "again",
    "after",
    "the",
    "committee",
    "had",
    "asked",
    "for",
    "a",
    "second",
    "opinion",
    "in",
    "spring",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "lines.jsonl"
        write_lines(source, options.rows)
        start = time.perf_counter()
        samples = watch(
            [sys.executable, "-m", "vecloom", "embed", str(source), "-o", str(Path(folder) / "out.parquet")]
        )
        seconds = time.perf_counter() - start
    report = {
        "rows": options.rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(options.rows / seconds, 1),
        "peak_mib": round(max(samples)),
        "peak_mib_by_tenth": [round(max(part)) for part in tenths(samples)],
    }
    print(json.dumps(report, indent=1))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")


def write_lines(path: Path, rows: int) -> None:
    """Distinct sentences of 6 to 14 words: repeated ones would be computed once and make it look fast."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            words = [
                f"Entry {row}:",
                *chance.choices(WORDS, k=chance.randint(3, 6)),
                *TAIL[: chance.randint(4, len(TAIL))],
            ]
            file.write(json.dumps({"id": str(row), "text": " ".join(words)}) + "\n")


def watch(command: list[str]) -> list[float]:
    """Run a command; resident memory of it in MiB, twice a second."""
    process = subprocess.Popen(command)
    samples = []
    while process.poll() is None:
        samples.append(resident(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"The command failed with exit code {process.returncode}.")
    return samples


def resident(pid: int) -> float:
    """Resident memory of a process and its children in MiB; 0 where it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = next((float(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)
    return own + sum(resident(int(child)) for child in children)


def tenths(samples: list[float]) -> list[list[float]]:
    size = max(1, -(-len(samples) // 10))
    return [samples[start : start + size] for start in range(0, len(samples), size)]


if __name__ == "__main__":
    main()
