"""What this machine can do: threads, CPU features, GPUs. Nothing heavy is imported to find out."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_NAMED = {  # /proc/cpuinfo flag -> the name people know
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX-BF16",
    "amx_int8": "AMX-INT8",
    "asimd": "NEON",
    "bf16": "ARM-BF16",
    "sve": "SVE",
}


def threads() -> int:
    """CPUs that this process may use: affinity, and ``VECLOOM_THREADS`` where it is set."""
    asked = os.environ.get("VECLOOM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def name() -> str:
    """The processor as its maker calls it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def features() -> list[str]:
    """The instruction sets that matter for inference, in ``_NAMED``'s order."""
    flags = set((_cpuinfo().get("flags") or _cpuinfo().get("Features") or "").split())
    return [label for flag, label in _NAMED.items() if flag in flags]


def has_bf16() -> bool:
    """Whether bfloat16 products run in hardware (AMX or AVX512-BF16)."""
    return not {"AMX-BF16", "AVX512-BF16"}.isdisjoint(features())


def has_nvidia() -> bool:
    """Whether an NVIDIA device node is there; importing torch to ask costs a second."""
    return Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists()


def identity() -> str:
    """A string that changes when compiled kernels or measured timings no longer fit."""
    return " ".join([platform.machine(), name(), *features(), str(threads())])
