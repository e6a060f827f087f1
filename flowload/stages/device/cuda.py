"""Copies to a GPU: page-locked sources, a stream of their own, and who may let go of what, when.

    The source     is a lease in page-locked memory; it stays alive until the copy's event has completed,
                   even if the batch is dropped before, or the copy of its next array fails.
    The copy       is queued in a stream that all runs of the process share, and runs beside the consumer's
                   kernels. Few are under way, and few batches lie on the card ahead of the consumer.
    The hand-over  happens in the consumer's thread: its current stream waits for the event, its thread
                   does not, and the allocator is told that this stream uses the tensors. See `on_card`.

Imports torch: imported only when a GPU may be there.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch

from flowload.abc.operators import Block, Bytes, Call, State
from flowload.blocks import Batch, is_shared
from flowload.errors import FlowloadError, GraphError

from .card_memory import CardMemory, Copied
from .key_order import in_order
from .on_card import CudaBatch, hand_over, is_on_card, wrapped
from .tensor import SharedTensors, as_batch, as_tensors

__all__ = ["CudaBatch", "PageLock", "ToCuda", "Underway", "copy_stream", "find_gpu"]

log = logging.getLogger("flowload")

PORTABLE = 1  #: cudaHostRegisterPortable: page-locked for every context of the process
#: cudaErrorStreamCaptureUnsupported and ...Invalidated: somebody captures a graph.
CAPTURING = 900, 901
UNDER_WAY = 4  #: copies that are queued and not done, at most
UNLOADING = 4  #: cudaErrorCudartUnloading: the process ends, and releases everything by itself


TOLD: dict[tuple[int, int], object] = {}  #: cards that do not page-lock, and why; see `tell_pageable`
CAPTURE = (
    "a CUDA graph is being captured in this process, and that forbids what copies need: capture it with"
    ' torch.cuda.graph(..., capture_error_mode="thread_local"), or while no run is open'
)


def find_gpu(target: str, current: int | None = None) -> int | None:
    """The number of the GPU that "auto", "cuda" or "cuda:1" means; None: none is there, and none is needed.

    Args:
        target: the name.
        current: the GPU that is current for whoever asked for the run; None: that of this thread.

    Raises GraphError that names what torch found.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if target == "auto" and not count:
        return None
    _, _, number = target.partition(":")
    index = int(number) if number else current_gpu(count, current)
    if index < count:
        return index
    found = ", ".join(f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(count))
    raise GraphError(
        f"to_device: device is {target!r}, but torch {torch.__version__} finds {found or no_gpu()}"
    )


def current_gpu(count: int, current: int | None = None) -> int:
    """The current GPU; where nobody chose one, and torchrun started us, that of our local rank.

    The first card is taken for no choice: torch does not tell a card that was set from one that was not.
    """
    if current is None:  # torch keeps one a thread
        current = torch.cuda.current_device() if count else 0
    rank = os.environ.get("LOCAL_RANK", "")
    return int(rank) if current == 0 and rank.isdecimal() and int(rank) < count else current


def no_gpu() -> str:
    """Why there is no GPU, as far as torch knows."""
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "no GPU: it is built for the CPU alone; install a build for CUDA or ROCm, or use 'auto' or 'cpu'"
        )
    names = ["CUDA_VISIBLE_DEVICES"]
    if torch.version.hip is not None:
        names += ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"]
    hidden = ", ".join(f"{name} is {os.environ[name]!r}" for name in names if name in os.environ)
    return f"no GPU{f' ({hidden})' * bool(hidden)}; check the driver, or use 'auto' or 'cpu'"


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

    def unregister(self, memory: Bytes) -> None:
        """Release, in whichever thread lets go last; a refusal is logged, so that the rest goes too."""
        with torch.cuda.device(self.index):
            code = int(torch.cuda.cudart().cudaHostUnregister(memory.ctypes.data))
        if code not in (0, UNLOADING):
            log.error("cuda:%d: could not release page-locked memory: CUDA error %d", self.index, code)


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


@cache
def copy_stream(index: int) -> torch.cuda.Stream:
    """The stream of all copies to a card.

    One for the process: torch keeps memory by stream, so one a run would reserve all of it again each time.
    """
    return torch.cuda.Stream(torch.device("cuda", index))


@contextmanager
def told_of_captures() -> Iterator[None]:
    """Raise FlowloadError that says what to do, where a capture of a graph forbids a call."""
    try:
        yield
    except RuntimeError as error:
        if "captur" in str(error):
            raise FlowloadError(CAPTURE) from error
        raise


class Event(Protocol):
    """What `torch.cuda.Event` is to us."""

    def query(self) -> bool:
        """Everything that was queued before it is done."""

    def synchronize(self) -> None:
        """Wait for that."""


class Underway:
    """Copies that may not be done, oldest first, each with what it reads; used by several threads.

    Args:
        most: that may be under way.
    """

    def __init__(self, most: int = UNDER_WAY) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.copies: deque[tuple[Event, object]] = deque()

    def add(self, done: Event, source: object) -> None:
        """Keep `source` alive until the event has completed, and let go of what completed before.

        Waits for the oldest where too many are under way.
        """
        with self.lock:
            self.copies.append((done, source))
            while len(self.copies) > self.most:
                self.copies[0][0].synchronize()
                self.copies.popleft()
            while self.copies and self.copies[0][0].query():
                self.copies.popleft()

    def finish(self) -> None:
        """Wait for all copies, and let go of what they read."""
        with self.lock:
            while self.copies:
                self.copies[0][0].synchronize()
                self.copies.popleft()


class ToCuda:
    """A fold that queues the copies of batches, in order, and does not wait for them.

    A fold, for copies go one after the other anyway, and room on the card is given in the order of the
    stream: else a batch could wait for one behind it.

    Args:
        index: of the card.
        prefetch: see `card_memory.ahead`.
    """

    held = 0

    def __init__(self, index: int, prefetch: int | None = None) -> None:
        self.device = torch.device("cuda", index)
        self.stream = copy_stream(index)
        self.underway = Underway()
        self.memory = CardMemory(prefetch)
        self.shared = SharedTensors(self.device)

    def push(self, block: Block, call: Call) -> list[Block]:
        """The batch on the GPU, some time; of a bundle each."""
        with told_of_captures():
            return [self.copy(batch, call) for batch in getattr(block, "bundled", (block,))]

    def copy(self, block: Block, call: Call) -> CudaBatch:
        """Queue the copies of a batch. What they read stays alive, also where one of them fails."""
        batch = as_batch(block, call)
        if not isinstance(batch, CudaBatch):  # nobody said what fills tensors that are on a card
            batch = as_batch(wrapped(batch), call)
        sizes = self.sizes(batch)
        self.memory.wait(sizes)
        keep: list[object] = [batch]  # it holds what it shares with others
        ready = torch.cuda.Event(blocking=True)
        try:
            with torch.cuda.stream(self.stream):
                self.take(batch)
                source, shared = as_tensors(batch, self.shared)
                keep.append(source)
                arrays, own = self.copied(source.arrays), self.copied(source.whole)
        finally:
            ready.record(self.stream)
            self.underway.add(ready, keep)
        copies = [self.memory.add("own", [*arrays.values(), *own.values()])] if "own" in sizes else []
        whole = in_order({**own, **shared}, batch.whole)
        copies += self.memory.shared(shared.values())
        return CudaBatch(arrays, whole, more=batch.more, ready=(ready,), copies=(*given_by(batch), *copies))

    def take(self, batch: Batch) -> None:
        """Let the current stream wait for tensors that are on a card already."""
        if isinstance(batch, CudaBatch):
            hand_over([*batch.arrays.values(), *batch.whole.values()], batch.ready, batch.copies)

    def copied(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Copies that are under way, in the current stream."""
        return {key: tensor.to(self.device, non_blocking=True) for key, tensor in tensors.items()}

    def sizes(self, batch: Batch) -> dict[str, int]:
        """Bytes that a batch needs on the card, by kind: see `Copied`."""
        own = shared = 0
        for array in batch.whole.values():
            shared += array.nbytes if is_shared(array) and not self.shared.knows(array) else 0
        for array in (*batch.arrays.values(), *(a for a in batch.whole.values() if not is_shared(a))):
            there = is_on_card(array) and array.device == self.device
            own += 0 if there else getattr(array, "nbytes", 0)
        return {kind: size for kind, size in (("own", own), ("shared", shared)) if size}

    def room(self, block: Block) -> bool:
        """See `Paced`."""
        first = getattr(block, "bundled", (block,))[0]
        return not isinstance(first, Batch) or self.memory.room(self.sizes(first))

    def watch(self, moved: Callable[[], None]) -> None:
        """See `Paced`."""
        self.memory.moved = moved

    def relieve(self) -> None:
        """See `Paced`."""
        self.memory.relieve()

    def flush(self, call: Call) -> list[Block]:  # noqa: ARG002 - the shape of a Fold
        """Nothing is held."""
        return []

    def state(self) -> State:
        """Nothing is held."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """No copy reads memory that is about to be unlocked."""
        self.memory.moved = lambda: None
        self.shared = SharedTensors(self.device)
        self.underway.finish()


def given_by(batch: Batch) -> tuple[Copied, ...]:
    """The copies that a batch came from which is on a card already."""
    return batch.copies if isinstance(batch, CudaBatch) else ()
