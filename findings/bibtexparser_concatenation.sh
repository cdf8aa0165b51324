#!/usr/bin/env bash
# bibtexparser 2.1.0: the concatenation operator of BibTeX is left in the value.
#
# BibTeX's format: `title = first # { and curd}` joins the string `first` and the braced text.
# Expected:  with the default middleware, which resolves @string references, the field is "Whey and curd".
# Seen:      the field's value is the source text, `first # { and curd}`; nothing is reported as failed.
# Why it matters: titles, journals and months built with `#` come out as program text, in silence.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check bibtexparser==2.1.0 2>/dev/null
venv/bin/python - <<'END'
import bibtexparser

source = '@string{first = "Whey"}\n@article{k, title = first # { and curd}, journal = first}\n'
library = bibtexparser.parse_string(source)
fields = {field.key: field.value for field in library.entries[0].fields}
print("version:", bibtexparser.__version__, "failed blocks:", len(library.failed_blocks))
print("journal (a plain reference):", repr(fields["journal"]))
print("title (a concatenation):    ", repr(fields["title"]))
raise SystemExit(not (fields["journal"] == "Whey" and "#" in fields["title"] and not library.failed_blocks))
END
echo "as described"
