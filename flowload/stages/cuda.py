"""Copies to a GPU: page-locked sources, a stream of their own, and who may let go of what, when.

    The source     is a lease in page-locked memory; it stays alive until the copy's event has completed,
                   even if the batch is dropped before.
    The copy       is queued in a stream of this stage, and runs beside the consumer's kernels.
    The hand-over  happens in the consumer's thread: its current stream waits for the event, its thread
                   does not, and the allocator is told that this stream uses the tensors.

Imports torch: imported only when a GPU may be there.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from numpy.typing import NDArray

from flowload.blocks import Batch, check_rows
from flowload.errors import FlowloadError, GraphError
from flowload.protocols import Block, Bytes, Call

from .tensor import SharedTensors, as_batch, as_tensors
from .to_device import in_order

__all__ = ["CudaBatch", "PageLock", "ToCuda", "Underway", "find_gpu"]

log = logging.getLogger("flowload")

PORTABLE = 1  #: cudaHostRegisterPortable: page-locked for every context of the process
UNLOADING = 4  #: cudaErrorCudartUnloading: the process ends, and releases everything by itself


def find_gpu(target: str) -> int | None:
    """The number of the GPU that "auto", "cuda" or "cuda:1" means; None: none is there, and none is needed.

    Raises GraphError that names what torch found.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if target == "auto" and not count:
        return None
    _, _, number = target.partition(":")
    index = int(number) if number else current_gpu(count)
    if index < count:
        return index
    found = ", ".join(f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(count))
    raise GraphError(
        f"to_device: device is {target!r}, but torch {torch.__version__} finds {found or no_gpu()}"
    )


def current_gpu(count: int) -> int:
    """The current GPU; where nobody chose one, and torchrun started us, that of our local rank."""
    current = torch.cuda.current_device() if count else 0
    rank = os.environ.get("LOCAL_RANK", "")
    # A run may be opened in another thread than the one that chose a card, and torch keeps one a thread.
    return int(rank) if current == 0 and rank.isdecimal() and int(rank) < count else current


def no_gpu() -> str:
    """Why there is no GPU, as far as torch knows."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "no GPU: it is built for the CPU alone; install a build for CUDA, or use 'auto' or 'cpu'"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    return f"no GPU{hidden}; check the driver, or use 'auto' or 'cpu'"


@dataclass(frozen=True)
class PageLock:
    """A `Device` that page-locks memory, so that the GPU reads it while kernels run."""

    index: int

    def register(self, memory: Bytes) -> None:
        """Page-lock; FlowloadError if the driver refuses."""
        with torch.cuda.device(self.index):
            code = int(torch.cuda.cudart().cudaHostRegister(memory.ctypes.data, memory.nbytes, PORTABLE))
        if code:
            raise FlowloadError(
                f"cuda:{self.index}: could not page-lock {memory.nbytes:,} bytes: CUDA error {code}"
            )

    def unregister(self, memory: Bytes) -> None:
        """Release, in whichever thread lets go last; a refusal is logged, so that the rest goes too."""
        with torch.cuda.device(self.index):
            code = int(torch.cuda.cudart().cudaHostUnregister(memory.ctypes.data))
        if code not in (0, UNLOADING):
            log.error("cuda:%d: could not release page-locked memory: CUDA error %d", self.index, code)


class Event(Protocol):
    """What `torch.cuda.Event` is to us."""

    def query(self) -> bool:
        """Everything that was queued before it is done."""

    def synchronize(self) -> None:
        """Wait for that."""


class Underway:
    """Copies that may not be done, oldest first, each with what it reads; used by several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.copies: deque[tuple[Event, object]] = deque()

    def add(self, done: Event, source: object) -> None:
        """Keep `source` alive until the event has completed, and let go of what completed before."""
        with self.lock:
            while self.copies and self.copies[0][0].query():
                self.copies.popleft()
            self.copies.append((done, source))

    def finish(self) -> None:
        """Wait for all copies, and let go of what they read."""
        with self.lock:
            while self.copies:
                self.copies[0][0].synchronize()
                self.copies.popleft()


@dataclass(frozen=True, slots=True)
class CudaBatch(Batch):
    """Tensors that a stream is still filling; `ready` completes when it is done."""

    ready: torch.cuda.Event = field(compare=False, kw_only=True)

    def deliver(self) -> dict[str, Any]:
        """The tensors, safe in the current stream of the calling thread."""
        tensors = {**self.arrays, **self.whole}
        for tensor in tensors.values():
            stream = torch.cuda.current_stream(tensor.device)
            stream.wait_event(self.ready)
            tensor.record_stream(stream)
        return tensors

    def select(self, which: NDArray[Any] | slice) -> Batch:
        """The rows that an index array, a mask or a slice names, taken in the calling thread's stream."""
        check_rows(self)
        rows = which if isinstance(which, slice) else torch.as_tensor(which)
        arrays = {key: tensor[rows] for key, tensor in self.deliver().items()}
        ready = torch.cuda.Event()
        ready.record()
        return CudaBatch(arrays, ready=ready)


class ToCuda:
    """A map that queues the copy of a batch and does not wait for it."""

    def __init__(self, index: int) -> None:
        self.device = torch.device("cuda", index)
        self.stream = torch.cuda.Stream(self.device)
        self.underway = Underway()
        self.shared = SharedTensors(self.device)

    def apply(self, block: Block, call: Call) -> CudaBatch:
        """The batch on the GPU, some time."""
        batch = as_batch(block, call)
        with torch.cuda.stream(self.stream):
            source, shared = as_tensors(batch, self.shared)
            arrays, own = self.copied(source.arrays), self.copied(source.whole)
            ready = torch.cuda.Event()
            ready.record(self.stream)
        self.underway.add(ready, (source, batch))  # the batch holds what it shares with others
        whole = in_order({**own, **shared}, batch.whole)
        return CudaBatch(arrays, whole, more=batch.more, ready=ready)

    def copied(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Copies that are under way, in the current stream."""
        return {key: tensor.to(self.device, non_blocking=True) for key, tensor in tensors.items()}

    def close(self) -> None:
        """No copy reads memory that is about to be unlocked."""
        self.underway.finish()
