"""Where the time of encoding goes: outside the network, and by kind of operation inside it.

    python benchmarks/where_time_goes.py

The outside is timed step by step on the short texts of ``encode.py``; the inside comes from OpenVINO's own counters, on one
thread, for the batches that those texts make. Needs ``VECLOOM_DATA``.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any

from encode import document_texts, flops, short_texts
from vecloom.encoders.transformer import TransformerEncoder
from vecloom.runtime import cpu
from vecloom.runtime.batching import Batch, batches
from vecloom.runtime.openvino_session import OpenVinoSession
from vecloom.runtime.pipeline import blocks

NAMES = {
    "FullyConnected": "linear layers (bias and GELU included)",
    "Subgraph": "attention: scores, softmax, mixing",
    "MVN": "layer norms",
    "Add": "residual sums",
    "MulAdd": "layer norms",
    "Transpose": "attention: heads apart and together",
    "Gather": "embedding look-up",
}


def main() -> None:
    from vecloom.encoders.resolve import resolve

    encoder = TransformerEncoder(resolve("minilm"))
    session = encoder.session
    assert isinstance(session, OpenVinoSession)
    print(f"{cpu.name()}, {cpu.threads()} threads, {session.backend} {session.precision}")
    for name, texts in (("short", short_texts()), ("documents", document_texts())):
        tokens, tokenizing = timed(lambda texts=texts: [encoder._source.tokenize(texts[a:b]) for a, b in blocks(texts)])
        made, laying = timed(lambda tokens=tokens: [b for part in tokens for b in layout(part, session)])
        _, running = timed(lambda made=made: session.run(iter(made), lambda batch, vectors: None))
        _, whole = timed(lambda texts=texts: encoder.encode(texts))
        useful = sum(len(ids) for part in tokens for ids in part)
        cells = sum(batch.cells for batch in made)
        work = sum(flops(len(ids)) for part in tokens for ids in part) / 1e12
        print(f"\n{name}: {len(texts)} texts in {whole:.3f} s; {work / whole:.2f} TFLOP/s of useful work")
        print(
            f"  network alone {running:.3f} s ({100 * running / whole:.0f} %); before it, overlapped with it: ", end=""
        )
        print(f"tokenising {tokenizing:.3f} s, layout {laying:.3f} s")
        print(f"  cells that hold a token: {100 * useful / cells:.0f} %")
        print(f"  with one text a row instead of packed rows: {padded(encoder, session, texts):.3f} s")
        inside(session, made[:40])


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Result and best of three durations in seconds."""
    action()
    best, result = float("inf"), None
    for _ in range(3):
        start = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - start)
    return result, best


def layout(tokens: list[list[int]], session: OpenVinoSession) -> list[Batch]:
    return list(
        batches(tokens, pooling="mean", packing=session.packing, parallel=session.parallel, cells=session.cells)
    )


def padded(encoder: TransformerEncoder, session: OpenVinoSession, texts: list[str]) -> float:
    """Seconds for the same texts in length-sorted batches of one text a row."""
    session.packing = False
    try:
        return timed(lambda: encoder.encode(texts))[1]
    finally:
        session.packing = True


def inside(session: OpenVinoSession, made: list[Batch]) -> None:
    """Share of each kind of operation, from the plugin's counters."""
    import openvino as ov

    from vecloom.runtime.openvino_session import _make_graph

    settings = {
        "INFERENCE_PRECISION_HINT": session.precision,
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": 1,
        "PERF_COUNT": True,
    }
    request = ov.Core().compile_model(_make_graph(session._spec), "CPU", settings).create_infer_request()
    spent: collections.Counter[str] = collections.Counter()
    for warm in (True, False):
        for batch in made:
            request.infer(session._inputs(batch))
            for node in request.profiling_info if not warm else ():
                spent[NAMES.get(node.node_type, "the rest")] += node.real_time.total_seconds()
    total = sum(spent.values())
    for name, seconds in spent.most_common():
        print(f"  {100 * seconds / total:5.1f} %  {name}")


if __name__ == "__main__":
    main()
