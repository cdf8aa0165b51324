"""MiniLM, MiniLM cut to 128 dimensions, a static table distilled from it, and counted words, on all public collections.

    VECLOOM_DATA=... python experiments/collections_report.py [--seed 0]

Every data set below ``VECLOOM_DATA`` that is a task, each as the kind that its columns say, and three classification
sets also as clustering. Intervals are 95 % bootstrap intervals over queries, pairs or documents; tests are paired and
corrected for all comparisons. Writes ``docs/results/collections.md`` and ``.csv``, and ``collections-report.html``;
the vectors and results are kept below ``--work``, so that a second run is short.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import vecloom as vl
from vecloom.evaluate.candidates import open_models
from vecloom.evaluate.job import Settings, run
from vecloom.evaluate.report import write_report
from vecloom.evaluate.tasks.local import discover

RESULTS = Path(__file__).parents[1] / "docs" / "results"
CLUSTERED = ("classification/ag-news", "classification/banking77", "classification/trec-qc")
LANGUAGES = {"de": "deu-Latn", "fr": "fra-Latn", "hi": "hin-Deva", "mr": "mar-Deva", "nl": "nld-Latn"}
LANGUAGES |= {"ru": "rus-Cyrl", "zh": "zho-Hans"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", default=str(Path(tempfile.gettempdir(), "vecloom-collections")))
    options = parser.parse_args()
    work = Path(options.work)
    teacher = vl.load("minilm")
    static = work / "minilm-static"
    if not static.is_dir():
        vl.distill(teacher, dim=256).save(static)
    tasks = [str(folder) for folder in with_languages(Path(os.environ["VECLOOM_DATA"]), work / "tasks")]
    tasks += [f"clustering:{Path(os.environ['VECLOOM_DATA'], name)}" for name in CLUSTERED]
    models = open_models([teacher, "minilm@128", str(static)], cache=work / "vectors")
    found = run(models, tasks, work / "results", settings=Settings(seed=options.seed))
    for failure in found.failures:
        print("failed:", failure, flush=True)
    for name in ("collections.md", "collections.csv", "collections-report.html"):
        write_report(found, RESULTS / name)


def with_languages(source: Path, folder: Path) -> list[Path]:
    """Each data set as a folder of links, with a ``task.yaml`` that states its language."""
    made = []
    for task in discover(source):
        own = folder / task.path.relative_to(source)
        own.mkdir(parents=True, exist_ok=True)
        for file in task.path.iterdir():
            if not (own / file.name).exists():
                (own / file.name).symlink_to(file)
        code = "mr" if task.name.startswith("mahasent") else task.name.rpartition("-")[2]
        (own / "task.yaml").write_text(f"languages: [{LANGUAGES.get(code, 'eng-Latn')}]\n", encoding="utf-8")
        made.append(own)
    return made


if __name__ == "__main__":
    main()
