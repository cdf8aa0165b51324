"""Which device and precision a run uses here, and how much memory it takes."""

from __future__ import annotations

from vecloom.errors import UsageError
from vecloom.runtime import cpu


def device_of(asked: str) -> str:
    """The device's name for torch: "cuda" where a GPU is there and "auto" was asked, else "cpu".

    Raises:
        UsageError: a device was asked for that torch does not see here.
    """
    import torch

    there = torch.cuda.is_available()
    if asked == "auto":
        return "cuda" if there else "cpu"
    if asked.partition(":")[0] not in {"cpu", "cuda"}:
        raise UsageError(f"device is {asked!r}.", "Use auto, cpu or cuda.")
    if asked.startswith("cuda") and not there:
        raise UsageError(f"device is {asked!r}, and torch sees no GPU here.", "Use device: auto.")
    return asked


def precision_of(asked: str, device: str) -> str:
    """Bf16 or fp32: auto is bf16 where the processor or the GPU multiplies bfloat16 in hardware (AMX, AVX512-BF16)."""
    import torch

    if asked != "auto":
        return asked
    on_gpu = device_of(device).startswith("cuda")
    return "bf16" if (torch.cuda.is_bf16_supported() if on_gpu else cpu.has_bf16()) else "fp32"


def memory_bytes() -> int:
    """Memory that this process holds: of the GPU where one is in use, else resident in RAM."""
    import torch

    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        return int(torch.cuda.memory_reserved())
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    import os

    return pages * os.sysconf("SC_PAGE_SIZE")


def hardware() -> str:
    """The processor or GPU that computes, for a model card."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return f"{cpu.name()}, {cpu.threads()} threads"
