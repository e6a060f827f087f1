"""A reader's end of the line to the process that has its run."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any, NamedTuple

from flowload.abc.operators import State
from flowload.errors import ClosedRun, ProcessDied
from flowload.observe.stats import RunStats
from flowload.processes.child import Memory, receive, send, unpack
from flowload.processes.failure import raised
from flowload.processes.pickling import search_path

__all__ = ["Connection", "Received"]

PATIENCE = 10.0  #: seconds in which a run that is left has to end, before its process is killed

#: What `python -c` is given: where modules are found, then the ends of its lines.
COMMAND = (
    "import ast, sys; sys.path[:] = ast.literal_eval(sys.argv[3]);"
    " from flowload.runtime.child.serve import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


class Received(NamedTuple):
    """What came for an output."""

    value: Any = None
    error: BaseException | None = None
    ended: bool = False


class Left(NamedTuple):
    """The last word of a run."""

    stats: RunStats
    state: State
    epochs: Mapping[str, int]  #: of the last batch that the reader took, by output
    error: Any  #: what leaving raised


class Loan(weakref.ref[Any]):
    """A batch that the reader may still look at, and its slot."""

    __slots__ = ("number",)

    number: int


class Connection:
    """A process with a run in it, from its start to its end.

    Args:
        order: what is run, pickled, and how.
        outputs: their names.
    """

    def __init__(self, order: tuple[bytes, Mapping[str, Any]], outputs: tuple[str, ...]) -> None:
        self.inboxes: dict[str, SimpleQueue[Received]] = {name: SimpleQueue() for name in outputs}
        self.begun: SimpleQueue[BaseException | None] = SimpleQueue()
        self.left: Left | None = None
        self.died: ProcessDied | None = None
        self.asked: dict[int, SimpleQueue[Any]] = {}
        self.numbers = itertools.count()
        self.memories: dict[int, Memory] = {}
        self.loans: dict[int, Loan] = {}
        self.returned: deque[Loan] = deque()  # filled by callbacks, in any thread: no lock, no Python
        self.sending, self.stopping = threading.Lock(), threading.Lock()
        self.stopped = False
        self.sock, theirs = socket.socketpair()
        reads, self.life = os.pipe()
        try:
            with theirs:
                ends = str(theirs.fileno()), str(reads)
                self.process = subprocess.Popen(
                    [sys.executable, "-c", COMMAND, *ends, repr(search_path())],
                    pass_fds=(theirs.fileno(), reads),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for us
                )
        except BaseException:
            os.close(self.life)
            self.sock.close()
            raise
        finally:
            os.close(reads)
        self.thread = threading.Thread(target=self.listen, name="flowload-child", daemon=True)
        self.thread.start()
        names = ("", "flowload", "flowload.progress")
        levels = {name: logging.getLogger(name or None).level for name in names}
        logs = logging.getLogger(
            "flowload"
        ).hasHandlers()  # else Python shows warnings there as it would here
        self.tell(*order, levels, logs)

    def tell(self, *message: Any) -> None:
        """Send; whoever listens there may have died, which `listen` hears, too."""
        with self.sending, contextlib.suppress(OSError):
            send(self.sock, message)

    def ask(self, what: str, *given: Any) -> Any:
        """The answer of the other process. Raises what it raised there; ProcessDied, ClosedRun."""
        number, answer = next(self.numbers), SimpleQueue[Any]()
        self.asked[number] = answer
        try:
            if self.died is not None or self.stopped:
                raise self.died or ClosedRun("this run was left")
            self.tell("ask", number, what, *given)
            value, error = answer.get()
        finally:
            del self.asked[number]
        if isinstance(error, BaseException):
            raise error
        if error is not None:
            raise raised(error, self.process.pid)
        return value

    def taken(self, output: str, waited: float) -> None:
        """The reader has a batch, and room for one more; and what it has let go of goes back."""
        numbers = []
        while self.returned:
            numbers.append(self.returned.popleft().number)
        for number in numbers:
            self.loans.pop(number, None)
        self.tell("taken", output, waited, numbers)

    def listen(self) -> None:
        """Take what comes until the other process has ended; in a thread of its own."""
        try:
            while True:
                (kind, *given), fd = receive(self.sock)
                getattr(self, f"on_{kind}")(*given, *(() if fd is None else (Memory(fd),)))
        except (EOFError, OSError):
            pass
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a thread that has ended
            self.process.kill()
            self.died = ProcessDied(f"what process {self.process.pid} sent cannot be taken: {error!r}")
        if self.left is None and self.died is None:
            self.died = ProcessDied(self.death())
        end = self.died or ClosedRun("this run was left")
        self.begun.put(end)
        for inbox in self.inboxes.values():
            inbox.put(Received(error=end))
        for answer in list(self.asked.values()):
            answer.put((None, end))

    def death(self) -> str:
        """How the process ended."""
        code = self.process.wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        memory = "; the system does that where memory is short" if code == -signal.SIGKILL else ""
        return f"process {self.process.pid}, which had the run, was {how}{memory}"

    def on_begun(self) -> None:
        """The run goes."""
        self.begun.put(None)

    def on_wrong(self, *error: Any) -> None:
        """There is no run."""
        self.begun.put(raised(error, self.process.pid))

    def on_gone(self, number: int) -> None:
        """Memory that is too small for what comes, and in which nobody has anything any more."""
        del self.memories[number]

    def on_batch(
        self, where: tuple[str, int], meta: bytes, sizes: list[int], memory: Memory | None = None
    ) -> None:
        """A batch, shown where it lies; `where`: its output, its slot."""
        output, number = where
        if memory is not None:
            memory.close_fd()
            self.memories[number] = memory
        try:
            views = self.memories[number].views(sizes)
            loan = Loan(self.memories[number].seen(), self.returned.append)
            loan.number = number
            self.loans[number] = loan
            self.inboxes[output].put(Received(unpack(meta, views)))
        except Exception as error:  # noqa: BLE001 - of a user's class, which is not found here
            self.inboxes[output].put(Received(error=error))

    def on_end(self, output: str) -> None:
        """An output has ended."""
        self.inboxes[output].put(Received(ended=True))

    def on_error(self, output: str, *error: Any) -> None:
        """An output has failed."""
        self.inboxes[output].put(Received(error=raised(error, self.process.pid)))

    def on_answer(self, number: int, value: Any, error: Any) -> None:
        """Of a question."""
        if (waiting := self.asked.get(number)) is not None:
            waiting.put((value, error))

    def on_left(self, *left: Any) -> None:
        """The last word."""
        self.left = Left(*left)

    def on_log(self, told: dict[str, Any]) -> None:
        """A line that was logged there."""
        record = logging.makeLogRecord(told)
        with contextlib.suppress(Exception):  # of a handler of the user's
            logging.getLogger(record.name).handle(record)

    def on_warning(self, message: str, category: type[Warning], filename: str, line: int) -> None:
        """A warning that was given there."""
        with contextlib.suppress(
            Exception
        ):  # a warning that is an error here, by the filters, has no one to go to
            warnings.warn_explicit(message, category, filename, line)

    def stop(self) -> None:
        """End the run and its process; may be called again, from any thread."""
        with self.stopping:
            if self.stopped:
                return
            self.stopped = True
            self.tell("leave")
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
            finally:
                self.process.kill()
                self.process.wait()
            self.thread.join()
            self.sock.close()
            os.close(self.life)
            self.memories.clear()  # an error that is kept keeps this; a batch has its own
