"""Leaving in time when the machine is wanted for something else: a signal, a state, the usual exit status."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import FrameType
from typing import Any, Protocol, TypeAlias

from flowload.abc.operators import State
from flowload.errors import GraphError
from flowload.files.replacing import replacing
from flowload.graph.keywords import names_keywords

from .wishes import Wishes, wishes_of_ranks

__all__ = ["Going", "on_preempt"]

Save: TypeAlias = str | os.PathLike[str] | Callable[[State], object]

TORCHRUN = "TORCHELASTIC_RUN_ID"  #: it passes on what it gets, so that one signal comes twice


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
        wishes: where several ranks leave together; None: this process is alone.
    """

    def __init__(self, batches: Readable, wishes: Wishes | None = None) -> None:
        self.batches = batches
        self.wishes = wishes
        self.asked: int | None = None  #: the number of the signal that came to this process
        self.signal: int | None = None  #: of that which ends the loop: the same on all ranks

    def __iter__(self) -> Iterator[Any]:
        return self.alone() if self.wishes is None else self.together(self.wishes)

    def alone(self) -> Iterator[Any]:
        """Until the signal comes to this process."""
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

    def together(self, wishes: Wishes) -> Iterator[Any]:
        """Until all ranks have heard that the signal came to one of them: all after the same step."""
        for batch in self.batches:
            yield batch
            if heard := wishes.tell(self.asked or 0):
                self.signal = heard
                return
        # the stream has ended, for all in the same step: what was not heard yet
        self.signal = max(wishes.tell(self.asked or 0), wishes.hear()) or None

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """The signal's handler: note it, and wake who waits for a batch. Such a one has got none."""
        self.asked = number
        if self.wishes is None:
            self.signal = number
            if self.batches.reader_waits():
                raise Wanted


@names_keywords
@contextmanager
def on_preempt(
    batches: Any, save: Save, *, number: int | Collection[int] = signal.SIGTERM
) -> Iterator[Going]:
    """While inside, SIGTERM ends the loop over `going` behind the batch that is worked on, then the program.

    ```python
    with graph.iterate(seed=0, state=state) as batches, fl.on_preempt(batches, "state.json") as going:
        for batch in going:
            ...
    ```

    Behind the loop the state is saved and SystemExit raised, with 128 and the signal's number as its status.
    In the main thread alone; a second signal acts as it did before.

    Under a torch process group of several ranks all of them call this, and all leave after the same step,
    whichever got the signal: they exchange a number after each, which no step waits for. There, and under
    torchrun, which passes signals on, a second one says nothing new, until the program has ended.

    Args:
        batches: the run, from `graph.iterate()`.
        save: a file for the state, as JSON, whole or not at all; or a function that is given it, on every
            rank. A file of several ranks needs `fl.shard(lanes=...)`: then it is the state of all of them.
        number: the signal, or several.

    Raises ValueError in another thread; GraphError for one file of several ranks without lanes; in the loop
    RankError where another rank is gone.

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
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("on_preempt: signals come to the main thread alone; call it there")
    wishes = wishes_of_ranks()
    with nullcontext() if wishes is None else closing(wishes):
        if wishes is not None and not callable(save) and "lanes" not in batches.state_dict():
            raise GraphError(
                f"on_preempt: each rank has a state of its own, and {os.fspath(save)!r} is one file. Give a"
                " function (of save_checkpoint, say), or divide the stream by fl.shard(lanes=...)"
            )
        going = Going(batches, wishes)
        numbers = [number] if isinstance(number, int) else list(number)
        with answered(numbers, going, again=wishes is not None or TORCHRUN in os.environ):
            yield going
            if going.signal is not None:
                write(save, batches, wishes)
                raise SystemExit(128 + going.signal)
    if going.asked is not None:  # too late for this loop, so it acts as it did before
        signal.raise_signal(going.asked)


@contextmanager
def answered(numbers: Collection[int], going: Going, *, again: bool) -> Iterator[None]:
    """While inside, these signals ask to go.

    Args:
        numbers: of the signals.
        going: who is asked.
        again: each as often as it comes, and when this process leaves for it, it means nothing any more; else
            each acts as it did before when it comes for the second time.
    """
    before = {number: signal.getsignal(number) for number in numbers}

    def answer(number: int, frame: FrameType | None) -> None:
        if not again:
            signal.signal(number, before[number])
        going.ask(number, frame)

    for number in numbers:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if again and going.signal is not None else handler)


def write(save: Save, batches: Any, wishes: Wishes | None) -> None:
    """Save the state; a file by the first rank: all return when it is there. Raises OSError, RankError."""
    if callable(save):
        save(batches.state_dict())
        return
    if wishes is None:
        write_file(save, batches.state_dict())
        return
    from flowload.adapters.torch_stateful import state_of_all_ranks  # noqa: PLC0415 - there is a process group, so it is loaded

    state = state_of_all_ranks(batches)
    try:
        if wishes.first:
            write_file(save, state)
    finally:
        wishes.tell(0)  # the others wait for it
        wishes.hear()


def write_file(path: str | os.PathLike[str], state: State) -> None:
    """One file, whole or not at all. Raises OSError."""
    with replacing(path) as file:
        file.write(json.dumps(state).encode())
