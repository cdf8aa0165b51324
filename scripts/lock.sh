#!/bin/sh
# Pin everything that `make` installs. Needs pip-tools in .venv; keeps the pins that still fit (--upgrade renews them).
set -eu
cd "$(dirname "$0")/.."
export CUSTOM_COMPILE_COMMAND="sh scripts/lock.sh"

# Nothing of this machine goes into the file: no index, no path, no local version such as +cpu.
.venv/bin/pip-compile --quiet --strip-extras --annotation-style=line --allow-unsafe \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    --extra torch --extra onnx --extra files --extra eval --extra train --extra merge --extra serve --extra otel --extra desk --extra dev --all-build-deps \
    --output-file requirements/lock.txt "$@" pyproject.toml
sed -i -e 's/^\([a-z0-9_.-]*==[^ +]*\)+[a-z0-9.]*/\1/' -e '/^vecloom @/d' \
    -e 's/vecloom (pyproject.toml)/vecloom/; s/vecloom, vecloom/vecloom/' requirements/lock.txt
