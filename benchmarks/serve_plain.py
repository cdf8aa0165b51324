"""What one writes without any of these servers: FastAPI around sentence-transformers. A peer in ``benchmarks/serve.py``.

python benchmarks/serve_plain.py MODEL PORT
"""

import base64
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

app, model = FastAPI(), SentenceTransformer(sys.argv[1], device="cpu")


class Embeddings(BaseModel):
    """OpenAI's request, what is needed of it."""

    model: str
    input: str | list[str]
    encoding_format: str = "float"


@app.post("/v1/embeddings")
def embeddings(asked: Embeddings) -> dict:  # a plain function: FastAPI runs it in one of 40 threads
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    coded = [
        base64.b64encode(row.tobytes()).decode() if asked.encoding_format == "base64" else row.tolist()
        for row in vectors
    ]
    data = [{"object": "embedding", "index": place, "embedding": value} for place, value in enumerate(coded)]
    return {"object": "list", "data": data, "model": asked.model, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
