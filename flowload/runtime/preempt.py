"""Leaving in time when the machine is wanted for something else: a signal, a state, the usual exit status."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, TypeAlias

from flowload.abc.operators import State
from flowload.files.replacing import replacing
from flowload.graph.keywords import names_keywords

__all__ = ["Going", "on_preempt"]

Save: TypeAlias = str | os.PathLike[str] | Callable[[State], object]


class Wanted(BaseException):
    """Raised where the reader waits for a batch, and caught around it."""


class Readable(Protocol):
    """A run, in this process or in one of its own."""

    def __iter__(self) -> Iterator[Any]: ...

    def reader_waits(self) -> bool: ...

    def state_dict(self) -> State: ...


class Going:
    """Batches until the signal comes: `for batch in going:`.

    Args:
        batches: the run.
    """

    def __init__(self, batches: Readable) -> None:
        self.batches = batches
        self.signal: int | None = None  #: the number of the one that came

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.batches)
        end = object()
        while self.signal is None:
            try:
                batch = next(batches, end)
            except Wanted:
                return
            if batch is end:
                return
            yield batch

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """The signal's handler: note it, and wake who waits for a batch. Such a one has got none."""
        self.signal = number
        if self.batches.reader_waits():
            raise Wanted


@names_keywords
@contextmanager
def on_preempt(batches: Any, save: Save, *, number: int = signal.SIGTERM) -> Iterator[Going]:
    """While inside, SIGTERM ends the loop over `going` behind the batch that is worked on, then the program.

    ```python
    with graph.iterate(seed=0, state=state) as batches, fl.on_preempt(batches, "state.json") as going:
        for batch in going:
            ...
    ```

    Behind the loop the state is saved and SystemExit raised, with 128 and the signal's number as its status.
    In the main thread alone; a second signal acts as it did before.

    Args:
        batches: the run, from `graph.iterate()`.
        save: a file for the state, as JSON, whole or not at all; or a function that is given it.
        number: the signal.

    Examples:
        >>> import signal
        >>> graph = fl.rows(100) >> fl.batch(10)
        >>> try:
        ...     with graph.iterate() as batches, fl.on_preempt(batches, "state.json") as going:
        ...         for step, batch in enumerate(going):
        ...             if step == 2:
        ...                 signal.raise_signal(signal.SIGTERM)
        ... except SystemExit as end:
        ...     print(end.code)
        143
        >>> import json
        >>> from pathlib import Path
        >>> with graph.iterate(state=json.loads(Path("state.json").read_text())) as batches:
        ...     print(sum(1 for _ in batches))
        7
    """
    going = Going(batches)
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("on_preempt: signals come to the main thread alone; call it there")
    before = signal.getsignal(number)

    def answer(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before)
        going.ask(number, frame)

    signal.signal(number, answer)
    try:
        yield going
    finally:
        signal.signal(number, before)
    if going.signal is not None:
        write(save, batches.state_dict())
        raise SystemExit(128 + going.signal)


def write(save: Save, state: State) -> None:
    """Save a state. Raises OSError."""
    if callable(save):
        save(state)
        return
    with replacing(save) as file:
        file.write(json.dumps(state).encode())
