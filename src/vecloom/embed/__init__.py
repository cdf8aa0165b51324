"""Many texts into one file of vectors: streaming, resumable, in the precision you choose.

``embed.run(["docs/"], vecloom.load("minilm"), "docs.parquet", dtype="int8")`` is all that most need;
``embed.run_documents`` takes documents from anywhere, and ``embed.quantize`` turns codes back into vectors.
"""

from vecloom.embed.job import EmbedSummary, check_output, run, run_documents
from vecloom.embed.quantize import DTYPES, Dtype, Int8Range
from vecloom.embed.rows import Limits
from vecloom.embed.settings import Settings

__all__ = [
    "DTYPES",
    "Dtype",
    "EmbedSummary",
    "Int8Range",
    "Limits",
    "Settings",
    "check_output",
    "run",
    "run_documents",
]
