#!/usr/bin/env bash
# pylatexenc 2.11: the text within \texttt{} and \mbox{} is dropped by latex_to_text.
#
# Expected:  `\emph{a} \texttt{b} \mbox{c}` gives "a b c": these commands change how text looks, not what it says.
# Seen:      \emph keeps its text, and the text of \texttt and \mbox is gone, unsaid.
# Why it matters: titles of papers on software set names in \texttt; a search for the name does not find them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check setuptools==80.9.0 wheel 2>/dev/null
venv/bin/pip install --quiet --disable-pip-version-check --no-build-isolation pylatexenc==2.11 2>/dev/null
venv/bin/python - <<'END'
from pylatexenc.latex2text import LatexNodes2Text

converter = LatexNodes2Text()
seen = {source: converter.latex_to_text(source) for source in (r"\emph{kept}", r"\texttt{name}", r"\mbox{box}")}
for source, text in seen.items():
    print(f"{source:16} -> {text!r}")
raise SystemExit([text.strip() for text in seen.values()] != ["kept", "", ""])
END
echo "as described"
