"""A bounded queue between two stages: one writer, and readers of which each takes the next message.

Tasks of Maps and Folds call `try_put`, `take_now` and `put_back` while they hold the run lock, and are
notified of changes; coroutines await `put` and `take`. Everything else may be called from any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

from flowload.abc.operators import Mark
from flowload.runtime.tasks.epochs import EpochBoundaries
from flowload.runtime.threads.monitor import Monitor, Waiter

from .message import Cut, Message, NumberedBlock, Passed, batches_of, weigh

__all__ = ["Channel", "Cut", "EndOfStream", "Message", "NumberedBlock", "ReaderGone", "weigh"]


class EndOfStream(Exception):  # noqa: N818 - the ordinary end, not an error
    """The writer has left and everything it wrote was read."""


class ReaderGone(Exception):  # noqa: N818 - the ordinary end, not an error
    """Nobody will read this any more."""


class Channel:
    """Bounded in blocks and in bytes; one block always fits.

    The end is no message: when the writer has left and the queue is empty, `take` raises EndOfStream; when
    the reader has left, `put` raises ReaderGone.

    Args:
        source: what writes, for messages and statistics.
        target: what reads.
        monitor: counts its parked tasks; of the reader's own thread, one that nobody asks.
        blocks: capacity.
        nbytes: capacity in bytes.
    """

    def __init__(
        self, source: str, target: str, monitor: Monitor, *, blocks: int = 2, nbytes: int = 1 << 30
    ) -> None:
        self.monitor = monitor
        self.source = source
        self.target = target
        self.capacity = blocks
        self.max_bytes = nbytes
        self._messages: deque[Message] = deque()
        self._nbytes = 0
        self._ended = False
        self.reader_left = False  #: the reader has gone
        self.notify_reader: Callable[[], None] | None = None  #: there is a message, or the end
        self.notify_writer: Callable[[], None] | None = None  #: there is room, or the reader has gone
        self.reader_waits: Callable[[], bool] | None = None  #: whether a reader in another thread waits
        self.boundaries: EpochBoundaries | None = None  #: of an output: where passes end
        self.counts_batches = False  #: a block counts as the batches that it is made of: see `batches_of`
        self.sent = 0  #: messages written but for cuts, those of the run that this one goes on from included
        self.surplus = 0  #: messages still to be made again that the reader has had in that run
        self.ends_cuts = False  #: nobody behind saves anything: see `state.tail`
        self.numbers_trail = False  #: what comes here says which message of its writer it is made of
        self.on_demand = False  #: a writer that makes nothing ahead waits until its reader does
        self._starves = False  # the reader waits
        self._waiting_writer: Waiter | None = None
        self._refused = False  # a message waits for room
        self._waiting_readers: list[Waiter] = []
        self.passed = Passed()
        self._times = [0.0] * (blocks + 1)  # seconds, by how many messages waited
        self._since = perf_counter()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks in the queue."""
        return self._nbytes

    @property
    def writer_waits(self) -> bool:
        """Whether the writer waits for room."""
        return self._refused

    def lacks_room(self) -> bool:
        """Whether a message would have to wait, and so does its writer; holding the run lock."""
        self._refused = len(self._messages) >= self.capacity
        return self._refused or (self.on_demand and not self._starves and not self.reader_left)

    def starves(self, *, now: bool) -> None:
        """Whether the reader, a task, waits for a message now; holding the run lock."""
        self._starves = now
        if now and self.on_demand:
            self._wake_writer()

    @property
    def next_message(self) -> Message | None:
        """What `take_now` would return; holding the run lock."""
        return self._messages[0] if self._messages else None

    def wanted(self) -> bool:
        """Whether a reader waits for a message; holding the run lock."""
        return bool(self._waiting_readers) or (self.reader_waits is not None and self.reader_waits())

    @property
    def at_end(self) -> bool:
        """The queue is empty, and the writer has left."""
        return self._ended and not self._messages

    @property
    def samples(self) -> int:
        """Samples of the blocks in the queue."""
        return sum(message.samples for message in self._messages if isinstance(message, NumberedBlock))

    def mean_depth(self) -> float:
        """Mean length of the queue over time; from any thread, so it only reads."""
        times = self._times_now()
        passed = sum(times)
        return sum(k * seconds for k, seconds in enumerate(times)) / passed if passed else 0.0

    def depth_quantile(self, share: float) -> int:
        """The length that the queue did not exceed for this share of the time; from any thread."""
        times = self._times_now()
        wanted, seen = share * sum(times), 0.0
        for depth, seconds in enumerate(times):
            seen += seconds
            if seen >= wanted:
                return depth
        return len(times) - 1

    async def put(self, message: Message) -> None:
        """Write a message; parks while there is no room for it. Raises ReaderGone."""
        while True:
            with self.monitor.run_lock:
                if self.try_put(message):
                    return
                waiter = self._waiting_writer = Waiter(self.monitor)
            try:
                await waiter.wait()
            finally:
                with self.monitor.run_lock:
                    self._waiting_writer, self._refused = None, False

    async def take(self) -> Message:
        """Read the next message; parks while there is none. Raises EndOfStream."""
        while True:
            with self.monitor.run_lock:
                if (message := self.take_now()) is not None:
                    return message
                if self._ended:
                    raise EndOfStream
                waiter = Waiter(self.monitor)
                self._waiting_readers.append(waiter)
            try:
                await waiter.wait()
            finally:
                with self.monitor.run_lock:  # an executor's thread may be iterating over them
                    self._waiting_readers.remove(waiter)

    def try_put(self, message: Message) -> bool:
        """Write a message if there is room for it; holding the run lock. Raises ReaderGone."""
        if self.reader_left:
            raise ReaderGone
        if self.surplus or isinstance(message, Cut):
            kept = self._keep(message)
            if kept is None:
                return True
            message = kept
        size = message.nbytes if isinstance(message, NumberedBlock) else 0
        if self._messages and (len(self._messages) >= self.capacity or self._nbytes + size > self.max_bytes):
            self._refused = True
            return False
        self._refused = False
        self._tick()
        if isinstance(message, NumberedBlock):
            if message.block is not None:
                if self.numbers_trail:
                    number, block, _, samples, _ = message
                    message = NumberedBlock(number, block, size, samples, (self.sent,))
                self._nbytes += size
                self.passed.note(message)
            self.sent += batches_of(message) if self.counts_batches else 1
        elif isinstance(message, Mark):
            self._mark(message)
        self._messages.append(message)
        if self.boundaries is not None:
            self.boundaries.note(message)
        self._wake_reader()
        return True

    def _mark(self, mark: Mark) -> None:
        self.sent += 1
        if mark is Mark.EPOCH:
            self.passed.last = -1  # passes that are kept apart begin anew

    def _keep(self, message: Message) -> Message | None:
        """A cut, or what may be made again, as it goes on; None: nobody saves, or the reader has had it."""
        if isinstance(message, Cut):
            return None if self.ends_cuts else Cut(message.label, self.surplus)
        count = batches_of(message) if self.counts_batches else 1
        if count > self.surplus and isinstance(message, NumberedBlock):
            return self._divide(message)
        self.surplus -= count
        self.sent += count
        if message is Mark.EPOCH:
            self.passed.last = -1
        elif isinstance(message, NumberedBlock) and message.block is not None:
            self.passed.note(message)
        return None

    def _divide(self, message: NumberedBlock) -> NumberedBlock:
        """What is left of a bundle of which the reader has had some batches; nothing was put before it."""
        block: Any = message.block
        rest = NumberedBlock.of(message.number, block.without(self.surplus))
        self.sent += self.surplus
        self.passed.samples += message.samples - rest.samples
        self.surplus = 0
        return rest._replace(trail=message.trail)

    def take_now(self) -> Message | None:
        """The next message, or None; holding the run lock."""
        if not self._messages:
            return None
        self._tick()
        message = self._messages.popleft()
        if isinstance(message, NumberedBlock):
            self._nbytes -= message.nbytes
        self._wake_writer()
        return message

    def put_back(self, message: Message) -> None:
        """Undo the latest `take_now`; holding the run lock."""
        self._tick()
        self._messages.appendleft(message)
        self._nbytes += message.nbytes if isinstance(message, NumberedBlock) else 0

    def end(self) -> None:
        """Close the writing end: the reader gets what is queued, then the end of the stream."""
        with self.monitor.run_lock:
            self._ended = True
            self._wake_reader()

    def leave(self) -> None:
        """The reader leaves: the queue is dropped, and tasks that wait for a message get the end."""
        with self.monitor.run_lock:
            self.reader_left = True
            self.fail()
            self._wake_writer()

    def fail(self) -> None:
        """The stream broke: the queue is dropped, and the reader gets the end at once."""
        with self.monitor.run_lock:
            self._tick()
            self._messages.clear()
            self._nbytes = 0
            self.end()

    def grow(self) -> None:
        """Raise the capacity by one block, for good."""
        with self.monitor.run_lock:
            self._times.append(0.0)
            self.capacity += 1
            self._wake_writer()

    def _wake_reader(self) -> None:
        if self.notify_reader is not None:
            self.notify_reader()
        # All of them: one that is being cancelled would not take the message.
        for waiter in tuple(self._waiting_readers):
            waiter.wake()

    def _wake_writer(self) -> None:
        if self.notify_writer is not None:
            self.notify_writer()
        if self._waiting_writer is not None:
            self._waiting_writer.wake()

    def _times_now(self) -> list[float]:
        times = list(self._times)
        times[min(len(self._messages), len(times) - 1)] += max(0.0, perf_counter() - self._since)
        return times

    def _tick(self) -> None:
        now = perf_counter()
        self._times[len(self._messages)] += now - self._since
        self._since = now
