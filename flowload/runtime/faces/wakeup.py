"""From any thread into the event loop: the only way in, with repeated calls merged into one."""

from __future__ import annotations

from collections.abc import Callable

from flowload.runtime.threads.eventloop import scheduler

__all__ = ["Wakeup"]


class Wakeup:
    """Lets any thread have `answer` called in the event loop; calls before it has run count as one.

    Made inside that loop (asyncio or trio). An answer costs one wake-up of the loop however many calls there
    were meanwhile: hand-offs by the hundred a second stay cheap. Takes no lock, so a finalizer may call it.

    Args:
        answer: called in the loop's thread.
    """

    def __init__(self, answer: Callable[[], None]) -> None:
        self._answer = answer
        self._schedule = scheduler()
        self._pending = False

    def call(self) -> None:
        """Have `answer` called soon; does nothing once the loop is closed."""
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
            if not heard:  # perhaps Ctrl-C in between: one that seems pending would never call again
                self._pending = False

    def _open(self) -> None:
        # Cleared first: a call during the answer gets an answer of its own.
        self._pending = False
        self._answer()
