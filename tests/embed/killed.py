"""Run by test_killed in a process of its own: embeds slowly enough to be killed in the middle."""

import importlib.util
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("embed_fakes", Path(__file__).with_name("fakes.py"))
fakes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fakes)

from vecloom.embed import Limits, Settings, run_documents  # noqa: E402

if __name__ == "__main__":
    output, dtype = sys.argv[1:]
    settings = Settings(dtype=dtype, buffer=Limits(texts=16))
    print("started", flush=True)
    run_documents(fakes.documents(160), fakes.HashEncoder(seconds_per_text=0.0002), output, settings)
    print("done", flush=True)
