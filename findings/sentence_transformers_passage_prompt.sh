#!/usr/bin/env bash
# sentence-transformers 6.2.0: `encode_document` never applies a stored "passage" or "corpus" prompt.
#
# Its documentation: "uses the first available prompt from the following candidates: document, passage, corpus".
# Expected:  a model saved with the prompts {"query": ..., "passage": ...} gets its "passage" prompt before documents.
# Seen:      the empty prompt. Every model is given an empty "document" prompt when it is loaded, and that one is found first.
# Why it matters: models of the E5 kind name their prompts "query" and "passage"; their documents are encoded without it, unsaid.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 tokenizers sentence-transformers==6.2.0 2>/dev/null
venv/bin/python - 2>/dev/null <<'END'
import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "passage": 1, "cat": 2}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
weights = np.eye(3, dtype=np.float32)
prompts = {"query": "", "passage": "passage "}
SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], prompts=prompts, device="cpu").save("model")

model = SentenceTransformer("model", device="cpu")
document = model.encode_document(["cat"])[0].round(2).tolist()
named = model.encode(["cat"], prompt_name="passage")[0].round(2).tolist()
print("prompts after loading:", model.prompts)
print("encode_document:              ", document)
print("encode(prompt_name='passage'):", named)
raise SystemExit(not (document == [0.0, 0.0, 1.0] and named == [0.0, 0.5, 0.5]))
END
echo "as described"
