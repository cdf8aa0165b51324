"""What a process that serves needs otherwise than one that does a single job."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

M_ARENA_MAX = -8  # malloc.h of the GNU C library
ARENAS = 2
KERNELS = "64"  # with 0, a process was seen to hang


def prepare() -> None:
    """Make this process one that serves; call it before models and indexes are loaded.

    - Matrix products use one thread. Many requests are answered at a time, each by a thread of its own; when those share
      the threads of one product after the other, they wait for each other: 4 searching threads gave 20 answers/s over
      2,000 rows, and 1,400 with one thread a product. Models have threads of their own, which this does not touch.
    - The GNU C library's allocator uses two arenas. With one for each of some fifty threads, what is freed in one cannot be
      used by another, and a process that runs for days grows: 50 writes to an index added 15 MiB, and 5 with two.
    - oneDNN, with which OpenVINO computes, remembers ``KERNELS`` compiled kernels, not 1,024, beside those that OpenVINO keeps:
      after batches of 200 shapes the process was 84 MiB smaller, and as fast.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)  # read when OpenVINO is loaded
    import numpy  # noqa: F401 - its library has to be there to be told
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1, user_api="blas")
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
