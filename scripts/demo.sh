#!/usr/bin/env bash
# From the docstrings of this Python's standard library to answers: make an index, ask it three questions.
# Called by `make demo`; run again, it only looks for what changed.
set -euo pipefail
index=${1:-demo.index}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SECONDS=0

echo "Indexing the docstrings of $(python -c 'import platform, sysconfig as s; print("Python", platform.python_version(), "in", s.get_path("stdlib"))')"
mkdir -p build
python "$here/stdlib_docs.py" > build/stdlib.jsonl
printf '\n$ vecloom index build/stdlib.jsonl -i %s\n' "$index"
vecloom index build/stdlib.jsonl -i "$index"
for question in \
    "read a csv file row by row" \
    "run a function in another process with a timeout" \
    "find the differences between two texts"; do
    printf '\n$ vecloom search %s "%s" -k 3\n' "$index" "$question"
    vecloom search "$index" "$question" -k 3
done
printf "\nThe demo took %d s. Ask more: .venv/bin/vecloom search %s \"your question\"\n" "$SECONDS" "$index"
printf "Or in a browser: .venv/bin/vecloom serve -i %s, and open http://127.0.0.1:8080\n" "$index"
