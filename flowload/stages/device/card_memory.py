"""How much of a card copies take: who may still use them, and whether there is room for more.

A copy takes memory until its last tensor has gone and the streams that used it have got so far: until then
torch's allocator cannot use it again, and would reserve more. Imports torch: see `cuda`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch

__all__ = ["BUDGET", "CardMemory", "Copied", "ahead", "on_the_way"]

BUDGET = 64 << 20  #: bytes of small copies that lie ahead of the consumer, where nobody says how many
MOST = 64  #: copies, at most, that lie ahead where nobody says how many


def ahead(nbytes: int, prefetch: int | None = None) -> int:
    """Copies of so many bytes that may be on a card beside the one in use.

    Args:
        nbytes: of one of them.
        prefetch: what the user says; None: those that fit into `BUDGET`, and always one.
    """
    return max(1, min(MOST, BUDGET // max(1, nbytes))) if prefetch is None else prefetch


def on_the_way(nbytes: int, prefetch: int | None = None) -> int:
    """Bytes of a card that copies of so many bytes take, at most, as torch rounds them.

    Beside what `ahead` says, queues bound small ones: up to sixteen, or 4 MiB, lie ready for a reader in
    another thread, one in a queue, one is being copied, and the reader has two where it goes on to the next.
    """
    large, small = divmod(nbytes, 2 << 20)
    rounded = (large + 1) * (2 << 20) if small >= 1 << 20 else large * (2 << 20) + -(-small // 512) * 512
    queued = max(1, min(16, (4 << 20) // max(1, nbytes))) + 4
    return min(1 + ahead(nbytes, prefetch), queued) * rounded


class Copied:
    """Tensors that were copied together, as long as anybody may use them.

    Args:
        kind: what it is compared with: "own" of a batch, or "shared" by several.
        tensors: on the card.
        gone: called when the last of them has gone, in any thread, perhaps in a garbage collection.
    """

    def __init__(self, kind: str, tensors: Iterable[torch.Tensor], gone: Callable[[], None]) -> None:
        held = list(tensors)
        self.kind = kind
        self.nbytes = sum(tensor.nbytes for tensor in held)
        self.gone = gone
        self.kept = False  #: the consumer keeps it: nobody waits for it any more
        self.streams: set[torch.cuda.Stream] = set()  #: that used it
        self.passed: list[torch.cuda.Event] = []  #: when they have got so far; known when it has gone
        self.alive = {k: weakref.ref(tensor, partial(self.lost, k)) for k, tensor in enumerate(held)}

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether this is one of them."""
        return any(alive() is tensor for alive in tuple(self.alive.values()))

    def lost(self, number: int, _: object) -> None:
        """One of the tensors has gone. Takes no lock, for this may run inside anything."""
        self.alive.pop(number, None)
        if self.alive:
            return
        # A capture would take the record for a part of the graph: then nobody waits for the stream.
        if not torch.cuda.is_current_stream_capturing():
            for stream in tuple(self.streams):
                event = torch.cuda.Event(blocking=True)
                event.record(stream)
                self.passed.append(event)
        self.gone()


class CardMemory:
    """The copies of one stage that take memory of its card; several threads may ask.

    Args:
        prefetch: see `ahead`.
        windows: the same of arrays that batches share, where that is another number.
    """

    def __init__(self, prefetch: int | None = None, windows: int | None = None) -> None:
        self.prefetch = {"own": prefetch, "shared": prefetch if windows is None else windows}
        self.lock = threading.Lock()
        self.copies: list[Copied] = []  # oldest first
        self.moved: Callable[[], None] = lambda: None  #: called when there may be more room

    def room(self, sizes: Mapping[str, int]) -> bool:
        """Whether there is room for copies of so many bytes, by kind: not too many are in use."""
        with self.lock:
            return all(
                sum(1 for other in self.rivals(kind, nbytes) if other.alive and not other.kept)
                <= ahead(nbytes, self.prefetch[kind])
                for kind, nbytes in sizes.items()
            )

    def wait(self, sizes: Mapping[str, int]) -> None:
        """Wait until streams are done with what has gone, so that its memory is used again."""
        for kind, nbytes in sizes.items():
            while (oldest := self.oldest_gone(kind, nbytes)) is not None:
                for event in oldest.passed:
                    event.synchronize()
                with self.lock:
                    self.copies.remove(oldest)

    def waits(self, sizes: Mapping[str, int]) -> bool:
        """Whether `wait` would not return at once."""
        gone = (self.oldest_gone(kind, nbytes) for kind, nbytes in sizes.items())
        return not all(event.query() for oldest in gone if oldest is not None for event in oldest.passed)

    def oldest_gone(self, kind: str, nbytes: int) -> Copied | None:
        """What to wait for before one more is copied; None: there is room, or nothing has gone."""
        with self.lock:
            rivals = self.rivals(kind, nbytes)
            if sum(1 for other in rivals if not other.kept) <= ahead(nbytes, self.prefetch[kind]):
                return None
            return next((other for other in rivals if not other.alive), None)

    def add(self, kind: str, tensors: Iterable[torch.Tensor]) -> Copied:
        """Count a copy."""
        copied = Copied(kind, tensors, self.tell)
        with self.lock:
            self.copies = [other for other in self.copies if other.alive or not other.kept]
            self.copies.append(copied)
        return copied

    def shared(self, tensors: Iterable[torch.Tensor]) -> list[Copied]:
        """The copies that hold these tensors; what no copy holds was copied now."""
        with self.lock:
            others = [other for other in self.copies if other.kind == "shared" and other.alive]
        held, new = [], []
        for tensor in tensors:
            holder = next((other for other in others if other.holds(tensor)), None)
            if holder is None:
                new.append(tensor)
            elif holder not in held:
                held.append(holder)
        return [*held, self.add("shared", new)] if new else held

    def relieve(self) -> None:
        """The consumer waits, and keeps what there is: that counts no more."""
        with self.lock:
            for copied in self.copies:
                copied.kept = True

    def rivals(self, kind: str, nbytes: int) -> list[Copied]:
        """What is counted with a copy of so many bytes: not what is far smaller, such as constants."""
        return [other for other in self.copies if other.kind == kind and 2 * other.nbytes >= nbytes]

    def tell(self) -> None:
        """Note that copies were dropped, and wake whoever waits for room."""
        self.moved()
