"""What happens in folders, as the operating system tells it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

import anyio
import anyio.to_thread
from watchfiles import _rust_notify as rust  # documented: "Rust backend direct usage"

__all__ = ["FileEvents", "FolderEvents"]

log = logging.getLogger("flowload")

STEP = 50  #: ms between looks at the stop event, and of silence after which events are given
DEBOUNCE = 200  #: ms that events are gathered at most
LONGEST = 3600.0  #: seconds of one wait


class FileEvents(Protocol):
    """Source of file-system events: paths at which something appeared, changed or went."""

    async def wait(self, seconds: float) -> set[str]:
        """The next paths; nothing after this many seconds of silence."""

    def close(self) -> None:
        """Stop listening to folders."""


class FolderEvents:
    """Listens to folders through watchfiles, from its making on: a search afterwards misses nothing.

    Where the system cannot listen (its limit of watches is reached), it says so and only waits: then new
    files are found by searching again.
    """

    def __init__(self, roots: Sequence[str], recursive: bool) -> None:
        self.watcher: rust.RustNotify | None = None
        try:
            self.watcher = rust.RustNotify(list(roots), False, False, 0, recursive, True)
        except (OSError, rust.WatchfilesRustInternalError) as error:
            log.warning("cannot listen to %s (%s); searching from time to time", ", ".join(roots), error)

    async def wait(self, seconds: float) -> set[str]:
        """See `FileEvents`. A cancelled wait ends the thread that it waits in."""
        if self.watcher is None:
            await anyio.sleep(seconds)
            return set()
        milliseconds = max(1, int(1000 * min(seconds, LONGEST)))  # 0 would mean for ever
        stop = threading.Event()
        found = set[str]()
        async with anyio.create_task_group() as group:
            # A thread cannot be cancelled: a task beside it passes the cancellation on as an event.
            group.start_soon(set_when_cancelled, stop)
            found = await anyio.to_thread.run_sync(self.listen, self.watcher, milliseconds, stop)
            group.cancel_scope.cancel()
        return found

    def listen(self, watcher: rust.RustNotify, milliseconds: int, stop: threading.Event) -> set[str]:
        """Block until something happens, time is up or the event is set."""
        try:
            told = watcher.watch(DEBOUNCE, STEP, milliseconds, stop)
        except rust.WatchfilesRustInternalError as error:
            log.warning("listening to folders failed (%s); searching from time to time", error)
            self.close()
            return set()
        return {path for _, path in told} if isinstance(told, set) else set()

    def close(self) -> None:
        """End the watcher's own thread."""
        if self.watcher is not None:
            self.watcher.close()
            self.watcher = None


async def set_when_cancelled(stop: threading.Event) -> None:
    """Sleep until cancelled, then set the event that ends the watcher's thread."""
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()
