"""Page-locked memory: the card reads it while kernels run, and copies from it need no one to wait.

Imports torch: see `cuda`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from flowload.abc.operators import Bytes
from flowload.errors import FlowloadError

__all__ = ["CAPTURE", "CAPTURING", "PageLock", "forbids", "told_of_captures"]

log = logging.getLogger("flowload")

PORTABLE = 1  #: cudaHostRegisterPortable: page-locked for every context of the process
UNLOADING = 4  #: cudaErrorCudartUnloading: the process ends, and releases everything by itself
#: cudaErrorStreamCaptureUnsupported and ...Invalidated: somebody captures a graph.
CAPTURING = 900, 901

TOLD: dict[tuple[int, int], object] = {}  #: cards that do not page-lock, and why; see `tell_pageable`
CAPTURE = (
    "a CUDA graph is being captured in this process, and that forbids what copies need: capture it with"
    ' torch.cuda.graph(..., capture_error_mode="thread_local"), or while no run is open'
)


@dataclass(frozen=True)
class PageLock:
    """A `Device` that page-locks memory, so that the GPU reads it while kernels run."""

    index: int

    def register(self, memory: Bytes) -> bool:
        """Page-lock; False where the driver refuses: copies then read pageable memory, through the driver's.

        Raises FlowloadError while a graph is captured.
        """
        with torch.cuda.device(self.index):
            code = int(torch.cuda.cudart().cudaHostRegister(memory.ctypes.data, memory.nbytes, PORTABLE))
        if code in CAPTURING:
            raise FlowloadError(CAPTURE)
        if code:
            tell_pageable(self.index, code)
        return not code

    def unregister(self, memory: Bytes) -> bool:
        """Release, in whichever thread lets go last; a refusal is logged, so that the rest goes too.

        False while a graph is captured: the memory must stay where it is until it is asked again.
        """
        with torch.cuda.device(self.index):
            code = int(torch.cuda.cudart().cudaHostUnregister(memory.ctypes.data))
        if code not in (0, UNLOADING, *CAPTURING):
            log.error("cuda:%d: could not release page-locked memory: CUDA error %d", self.index, code)
        return code not in CAPTURING


def tell_pageable(index: int, code: int) -> None:
    """A warning, once for each card: it could not page-lock memory. Several threads may find out at once."""
    mine = object()
    if TOLD.setdefault((index, code), mine) is not mine:
        return
    log.warning(
        "cuda:%d: the driver does not page-lock memory (CUDA error %d; as on WSL, Tegra and gVisor, or where"
        " `ulimit -l` is low): copies go on from ordinary memory, and are slower",
        index,
        code,
    )


def forbids(error: RuntimeError) -> bool:
    """Whether torch says that a call is forbidden because somebody captures a graph."""
    return "captur" in str(error)


@contextmanager
def told_of_captures() -> Iterator[None]:
    """Raise FlowloadError that says what to do, where a capture of a graph forbids a call."""
    try:
        yield
    except RuntimeError as error:
        if forbids(error):
            raise FlowloadError(CAPTURE) from error
        raise
