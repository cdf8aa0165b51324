"""A process that adds documents and says what was reported as added, to be killed at any moment.

    python killed.py INDEX DOCUMENTS

Batches, compaction and the graph are made small enough that a kill can hit each of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fakes import HashEncoder

from vecloom.search import Index, ann, maintain, writer

writer.BATCH_CHUNKS = 20
writer.COMPACT_EVERY = 3
maintain.BEHIND_LEAST = 20
ann.ANN_FROM, ann.LEAST, ann.SAMPLE = 100, 50, 20


def documents(count):
    """Every third one has several chunks, every fifth one changes from what the index was begun with."""
    for n in range(count):
        text = " ".join(f"word{n * 7 % 50} text{m}" for m in range(60 if n % 3 == 0 else 5))
        yield {"id": f"d{n}", "text": text if n % 5 else f"changed {text}", "n": n}


def main(path, count):
    index = Index.open(path, HashEncoder())
    done = 0

    def progress(more):
        nonlocal done
        done += more
        print(done, flush=True)

    index.add(documents(count), progress=progress)
    print("end", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
