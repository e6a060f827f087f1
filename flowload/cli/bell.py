"""One bell for everything that ends a run from outside its stream: signals and enough batches."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Bell", "on_demand", "signals"]

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Bell:
    """Words rung by any thread or signal handler; the one who waits hears the first."""

    def __init__(self) -> None:
        # Not an Event: its lock is not safe in a signal handler that interrupts the waiting thread.
        self._words: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.opening = False  #: nobody listens yet: a signal interrupts the main thread itself

    def ring(self, word: str) -> None:
        """Say why to stop."""
        self._words.put(word)

    def wait(self, seconds: float) -> str | None:
        """The next word; None after so many seconds without one."""
        try:
            return self._words.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None


@contextmanager
def on_demand(answer: Callable[[], None]) -> Iterator[None]:
    """While inside, SIGUSR1 (where the system has it) calls this, in a thread of its own."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR1"):
        yield
        return

    def start(_number: int, _frame: FrameType | None) -> None:
        # Locks that `answer` needs may be held by the very code that the signal interrupts.
        threading.Thread(target=answer, name="flowload-dump", daemon=True).start()

    before = signal.signal(signal.SIGUSR1, start)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@contextmanager
def signals(bell: Bell) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM ring; a second one acts as it always did, should stopping take long.

    While nobody listens yet, KeyboardInterrupt is raised as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread
        return
    before = {number: signal.getsignal(number) for number in WORDS}

    def answer(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        bell.ring(WORDS[signal.Signals(number)])
        if bell.opening:
            raise KeyboardInterrupt

    for number in WORDS:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
