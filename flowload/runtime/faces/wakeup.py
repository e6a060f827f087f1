"""The only door from threads into the event loop."""

from __future__ import annotations

from collections.abc import Callable

from flowload.runtime.threads.eventloop import scheduler

__all__ = ["Wakeup"]


class Wakeup:
    """Lets any thread have `answer` called in the loop; rings before the answer count as one.

    Made inside the loop that answers (asyncio or trio). An answer costs one wake-up however many calls
    finished meanwhile: hand-offs by the hundred a second stay cheap.
    """

    def __init__(self, answer: Callable[[], None]) -> None:
        self._answer = answer
        self._schedule = scheduler()
        self._pending = False

    def call(self) -> None:
        """Ask for an answer soon; a loop that is gone does not answer any more."""
        if self._pending:
            return
        heard = False
        try:
            self._pending = True
            self._schedule(self._open)
            heard = True
        except RuntimeError:
            pass  # both event loops say this once they are closed: nobody is left to be told
        finally:
            if not heard:  # perhaps Ctrl-C in between: a wakeup that seems rung would never ring again
                self._pending = False

    def _open(self) -> None:
        # Cleared first: what is rung for during the answer gets an answer of its own.
        self._pending = False
        self._answer()
