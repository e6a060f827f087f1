"""Simulated cards: when what is queued on them happens, and whose memory is whose.

Nothing that is queued happens before somebody waits for it, or before the mode says so. Memory that is used
again too early, page-locked or on the card, and a stream that does not wait for a copy, show as wrong data.

    stream      first in, first out; a wait stands until its event's record at the time of the wait is reached
    event       complete when its stream reaches the record; never recorded: complete, as in CUDA
    copy        from page-locked memory: reads the address when the stream gets there; else staged at once
    allocator   a block belongs to the stream that was current when it was made, and may be used again by that
                stream at once when it is freed; where `record_stream` named others, when these have passed
                the point of the free. What is freed is spoilt, as if it was used again
    current     card and stream are each thread's own; a new thread has card 0 and its default stream
    page-lock   a range that overlaps with a locked one is refused; who releases what is not locked is told
    capture     forbids some calls: to all threads ("global"), or to the one that captures ("thread_local")
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import torch

from .allocator import Allocator

__all__ = ["MODES", "Cards", "Event", "Mode", "Point", "Stream"]

#: "lazy": nothing happens before it must; "late": the consumer's stream at once, others when they must;
#: "early": the reverse; "random": any stream, a little; "prompt": everything at once.
Mode: TypeAlias = Literal["lazy", "late", "early", "random", "prompt"]
MODES: tuple[Mode, ...] = get_args(Mode)

ALREADY_LOCKED, NOT_LOCKED = 712, 713  #: errors of CUDA
CAPTURING = 900  #: cudaErrorStreamCaptureUnsupported
STREAMS = 32  #: of a card's pool: handed out in turn, as torch does

Op: TypeAlias = Callable[[], None]
Point: TypeAlias = tuple["Stream", int]  #: a place in a stream


class Cards:
    """Some cards, and what goes wrong on them.

    Args:
        count: cards.
        mode: when what is queued happens; see `Mode`.
        seed: of mode "random".
        limit: bytes of each card; None: any number.
    """

    def __init__(
        self, count: int = 1, mode: Mode = "lazy", *, seed: int = 0, limit: int | None = None
    ) -> None:
        self.count = count
        self.initialised = True  #: somebody used a card already
        self.mode = mode
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.local = threading.local()
        self.defaults = [Stream(self, k, "default") for k in range(count)]
        self.pools = [[Stream(self, k, f"pool {i}") for i in range(STREAMS)] for k in range(count)]
        self.handed_out = [0] * count
        self.memory = [Allocator(self.unsafe, limit) for _ in range(count)]
        self.consumer: Stream = self.defaults[0]  #: whose kernels modes "late" and "early" set apart
        self.locked: dict[int, int] = {}  #: page-locked ranges: bytes by where they start
        self.registered = 0  #: times that memory was page-locked
        self.peak_locked = 0  #: bytes
        self.refuse_lock = 0  #: the error that page-locking gives
        self.copies = 0  #: queued so far
        self.fails_at: int | None = None  #: the copy that finds no memory on the card
        self.capture: tuple[int, str] | None = None  #: who captures a graph, and how strictly
        self.faults: list[str] = []
        self.checks = 0  #: kernels that compared data

    # --- what is current, by thread -----------------------------------------------------------------

    @property
    def current(self) -> int:
        """The calling thread's card."""
        return int(getattr(self.local, "card", 0))

    @current.setter
    def current(self, card: int) -> None:
        self.local.card = card

    def stream_of(self, card: int) -> Stream:
        """The calling thread's stream of a card."""
        streams: dict[int, Stream] = self.local.__dict__.setdefault("streams", {})
        return streams.get(card, self.defaults[card])

    @contextmanager
    def using(self, card: int, stream: Stream | None = None) -> Iterator[None]:
        """Another card, and stream of it, for the calling thread."""
        streams: dict[int, Stream] = self.local.__dict__.setdefault("streams", {})
        card_before, before = self.current, streams.get(card)
        self.current = card
        if stream is not None:
            streams[card] = stream
        try:
            yield
        finally:
            self.current = card_before
            if stream is not None:
                streams.pop(card)
                if before is not None:
                    streams[card] = before

    def new_stream(self, card: int) -> Stream:
        """The next of a card's pool: after `STREAMS` of them the first again."""
        with self.lock:
            number = self.handed_out[card]
            self.handed_out[card] += 1
            return self.pools[card][number % STREAMS]

    # --- time ---------------------------------------------------------------------------------------

    @property
    def streams(self) -> list[Stream]:
        """All streams."""
        return [*self.defaults, *(stream for pool in self.pools for stream in pool)]

    def pass_time(self) -> None:
        """Let happen what happens by itself after a call."""
        busy = [stream for stream in self.streams if stream.ops]
        if self.mode == "random":
            for stream in self.rng.sample(busy, min(6, len(busy))):
                stream.run(stream.done + self.rng.randrange(3))
            return
        for stream in busy:
            own = stream is self.consumer
            if self.mode == "prompt" or (self.mode == "late" and own) or (self.mode == "early" and not own):
                stream.run()

    def synchronize(self) -> None:
        """Everything happens."""
        with self.lock:
            for stream in self.streams:
                stream.run()

    # --- captures -----------------------------------------------------------------------------------

    @contextmanager
    def capturing(self, mode: str = "global") -> Iterator[None]:
        """The calling thread captures a graph."""
        with self.lock:
            self.capture = threading.get_ident(), mode
        try:
            yield
        finally:
            with self.lock:
                self.capture = None

    def forbidden(self) -> bool:
        """Whether a capture forbids the calling thread what CUDA calls unsafe."""
        capture = self.capture
        return capture is not None and (capture[1] == "global" or capture[0] == threading.get_ident())

    def unsafe(self, call: str) -> None:
        """Such a call. Raises what torch raises; the capture is spoilt, too.

        Memory for the graph itself is no such call: torch takes it in a relaxed mode.
        """
        if call == "cudaMalloc" and self.capture is not None and self.capture[0] == threading.get_ident():
            return
        if self.forbidden():
            self.faults.append(f"{call} during a capture")
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({call})")

    # --- page-locking -------------------------------------------------------------------------------

    def lock_pages(self, start: int, nbytes: int) -> int:
        """`cudaHostRegister`: an error code."""
        with self.lock:
            if self.forbidden():
                return CAPTURING
            if self.refuse_lock:
                return self.refuse_lock
            if any(at < start + nbytes and start < at + size for at, size in self.locked.items()):
                return ALREADY_LOCKED
            self.locked[start] = nbytes
            self.registered += 1
            self.peak_locked = max(self.peak_locked, sum(self.locked.values()))
            return 0

    def unlock_pages(self, start: int) -> int:
        """`cudaHostUnregister`: an error code."""
        with self.lock:
            if self.forbidden():
                return CAPTURING
            return NOT_LOCKED if self.locked.pop(start, None) is None else 0

    def lock_around(self, start: int, nbytes: int) -> int | None:
        """Where the locked range starts that holds these bytes; None: they are pageable."""
        ranges = self.locked.copy().items()  # in one step: others lock and unlock meanwhile
        return next((at for at, size in ranges if at <= start and start + nbytes <= at + size), None)


class Stream:
    """A queue of work on a card."""

    def __init__(self, cards: Cards, card: int, name: str) -> None:
        self.cards = cards
        self.card = card
        self.name = name
        self.ops: deque[Op | Point | None] = deque()  # a kernel, a wait, or the record of an event
        self.done = 0
        self.queued = 0
        self.device = torch.device("cuda", card)

    def put(self, op: Op | Point | None) -> None:
        """Queue something."""
        with self.cards.lock:
            self.ops.append(op)
            self.queued += 1
            self.records()
            self.cards.pass_time()

    def run(self, until: int | None = None) -> None:
        """Do what is queued, up to a place."""
        while self.ops and (until is None or self.done < until):
            op = self.ops.popleft()
            if isinstance(op, tuple) and op[0] is not self:
                op[0].run(op[1])
            elif callable(op):
                op()
            self.done += 1
        self.records()

    def records(self) -> None:
        """Reach the records that nothing stands before: they take no time."""
        while self.ops and self.ops[0] is None:
            self.ops.popleft()
            self.done += 1

    def wait_event(self, event: Event) -> None:
        """Nothing that is queued from now on happens before the event."""
        if event.point is not None:
            self.put(event.point)

    def wait_stream(self, other: Stream) -> None:
        """Nor before what is queued in another stream now."""
        self.wait_event(other.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """An event of what is queued so far."""
        event = Event(self.cards) if event is None else event
        event.record(self)
        return event

    def synchronize(self) -> None:
        """Everything that is queued happens."""
        self.cards.unsafe("cudaStreamSynchronize")
        with self.cards.lock:
            self.run()

    def __repr__(self) -> str:
        return f"<{self.name} of cuda:{self.card}>"


class Event:
    """A place in a stream."""

    def __init__(self, cards: Cards) -> None:
        self.cards = cards
        self.point: Point | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Be what is queued so far; without a stream in the current one of the current card."""
        with self.cards.lock:
            stream = self.cards.stream_of(self.cards.current) if stream is None else stream
            stream.put(None)
            self.point = stream, stream.queued

    def query(self) -> bool:
        """Whether it is reached."""
        self.cards.unsafe("cudaEventQuery")
        with self.cards.lock:
            self.cards.pass_time()
            return self.point is None or self.point[0].done >= self.point[1]

    def synchronize(self) -> None:
        """It is reached."""
        self.cards.unsafe("cudaEventSynchronize")
        with self.cards.lock:
            if self.point is not None:
                self.point[0].run(self.point[1])

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait for it."""
        (self.cards.stream_of(self.cards.current) if stream is None else stream).wait_event(self)
