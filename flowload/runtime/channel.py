"""A bounded queue between two stages: one writer, and readers of which each takes the next word.

Stages that are moved call `try_put`, `take_now` and `put_back` inside `with moves:`, and are told of changes;
tasks of the loop await `put` and `take`, and anything else may be called from any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter

from flowload.abc.operators import Mark
from flowload.runtime.tasks.epochs import Borders
from flowload.runtime.threads.monitor import Spot, Stillness

from .item import Item, Word, weigh

__all__ = ["Channel", "EndOfStream", "Item", "ReaderGone", "Word", "weigh"]


class EndOfStream(Exception):  # noqa: N818 - the ordinary end, not an error
    """The writer has left and everything it wrote was read."""


class ReaderGone(Exception):  # noqa: N818 - the ordinary end, not an error
    """Nobody will read this any more."""


class Passed:
    """What went through a channel."""

    __slots__ = ("blocks", "in_order", "last", "nbytes", "samples")

    def __init__(self) -> None:
        self.blocks = 0
        self.samples = 0
        self.nbytes = 0
        self.last = -1  #: number of the last block
        self.in_order = True  #: every block had a higher number than the one before

    def note(self, item: Item) -> None:
        """One more block."""
        self.blocks += 1
        self.samples += item.samples
        self.nbytes += item.nbytes
        if item.number <= self.last:
            self.in_order = False
        self.last = item.number


class Channel:
    """Bounded in blocks and in bytes; one block always fits.

    The end is a closed door, not a word: when the writer has left and the queue is empty, `take` raises
    EndOfStream; when the reader has left, `put` raises ReaderGone.
    """

    def __init__(
        self, source: str, target: str, still: Stillness, *, blocks: int = 2, nbytes: int = 1 << 30
    ) -> None:
        self.still = still
        self.source = source
        self.target = target
        self.capacity = blocks
        self.max_bytes = nbytes
        self._words: deque[Word] = deque()
        self._nbytes = 0
        self._ended = False
        self.left = False  #: the reader has gone
        self.reader: Callable[[], None] | None = None  #: told when there is something to take, or an end
        self.writer: Callable[[], None] | None = None  #: told when there is room, or the reader has gone
        self.hungry: Callable[[], bool] | None = None  #: whether a reader in another thread waits
        self.borders: Borders | None = None  #: of an output: where passes end
        self._room: Spot | None = None
        self._refused = False  # a word waits for room
        self._words_came: list[Spot] = []
        self.passed = Passed()
        self._times = [0.0] * (blocks + 1)  # seconds, by how many words waited
        self._since = perf_counter()

    def __len__(self) -> int:
        return len(self._words)

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks that wait."""
        return self._nbytes

    @property
    def writer_waits(self) -> bool:
        """Its writer has a word that there was no room for."""
        return self._refused

    @property
    def next_word(self) -> Word | None:
        """What `take_now` would take; inside `with moves:`."""
        return self._words[0] if self._words else None

    def wanted(self) -> bool:
        """Whether its reader waits for a word; inside `with moves:`."""
        return bool(self._words_came) or (self.hungry is not None and self.hungry())

    @property
    def at_end(self) -> bool:
        """Nothing waits, and nothing will come."""
        return self._ended and not self._words

    @property
    def samples(self) -> int:
        """Samples of the blocks that wait."""
        return sum(word.samples for word in self._words if isinstance(word, Item))

    def mean_depth(self) -> float:
        """Blocks waiting, mean over time; from any thread, so it only reads."""
        times = self._times_now()
        passed = sum(times)
        return sum(k * seconds for k, seconds in enumerate(times)) / passed if passed else 0.0

    def depth_quantile(self, share: float) -> int:
        """Blocks waiting, at most so many for this share of the time; from any thread."""
        times = self._times_now()
        wanted, seen = share * sum(times), 0.0
        for depth, seconds in enumerate(times):
            seen += seconds
            if seen >= wanted:
                return depth
        return len(times) - 1

    async def put(self, word: Word) -> None:
        """Write a word; parks while there is no room for it. Raises ReaderGone."""
        while True:
            with self.still.moves:
                if self.try_put(word):
                    return
                spot = self._room = Spot(self.still)
            try:
                await spot.wait()
            finally:
                with self.still.moves:
                    self._room, self._refused = None, False

    async def take(self) -> Word:
        """Read the next word; parks while there is none. Raises EndOfStream."""
        while True:
            with self.still.moves:
                if (word := self.take_now()) is not None:
                    return word
                if self._ended:
                    raise EndOfStream
                spot = Spot(self.still)
                self._words_came.append(spot)
            try:
                await spot.wait()
            finally:
                with self.still.moves:  # a lane's thread may be going through them
                    self._words_came.remove(spot)

    def try_put(self, word: Word) -> bool:
        """Write a word if there is room for it; inside `with moves:`. Raises ReaderGone."""
        if self.left:
            raise ReaderGone
        size = word.nbytes if isinstance(word, Item) else 0
        if self._words and (len(self._words) >= self.capacity or self._nbytes + size > self.max_bytes):
            self._refused = True
            return False
        self._refused = False
        self._tick()
        self._words.append(word)
        if isinstance(word, Item) and word.block is not None:
            self._nbytes += size
            self.passed.note(word)
        elif word is Mark.EPOCH:
            self.passed.last = -1  # passes that are kept apart begin anew
        if self.borders is not None:
            self.borders.note(word)
        self._wake_reader()
        return True

    def take_now(self) -> Word | None:
        """The next word if one waits; inside `with moves:`."""
        if not self._words:
            return None
        self._tick()
        word = self._words.popleft()
        if isinstance(word, Item):
            self._nbytes -= word.nbytes
        self._wake_writer()
        return word

    def put_back(self, word: Word) -> None:
        """The reader has taken a word too many: it is the next one again; inside `with moves:`."""
        self._tick()
        self._words.appendleft(word)
        self._nbytes += word.nbytes if isinstance(word, Item) else 0

    def end(self) -> None:
        """The writer leaves."""
        with self.still.moves:
            self._ended = True
            self._wake_reader()

    def leave(self) -> None:
        """The reader leaves: what waits is let go, and no task of its waits for more."""
        with self.still.moves:
            self.left = True
            self.fail()
            self._wake_writer()

    def fail(self) -> None:
        """The stream broke: what waits is let go, and the reader is told at once."""
        with self.still.moves:
            self._tick()
            self._words.clear()
            self._nbytes = 0
            self.end()

    def grow(self) -> None:
        """Make room for one more block, for good."""
        with self.still.moves:
            self._times.append(0.0)
            self.capacity += 1
            self._wake_writer()

    def _wake_reader(self) -> None:
        if self.reader is not None:
            self.reader()
        # All of them: one that is being cancelled would not take the word.
        for spot in tuple(self._words_came):
            spot.wake()

    def _wake_writer(self) -> None:
        if self.writer is not None:
            self.writer()
        if self._room is not None:
            self._room.wake()

    def _times_now(self) -> list[float]:
        times = list(self._times)
        times[min(len(self._words), len(times) - 1)] += max(0.0, perf_counter() - self._since)
        return times

    def _tick(self) -> None:
        now = perf_counter()
        self._times[len(self._words)] += now - self._since
        self._since = now
