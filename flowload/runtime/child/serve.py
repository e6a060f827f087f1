"""The process that has the run: an ordinary one, whose batches, statistics and errors are sent away."""

from __future__ import annotations

import contextlib
import logging
import pickle
import signal
import socket
import sys
import threading
import warnings
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowload.abc.operators import Block
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.observe.trace import Trace
from flowload.processes.child import Memory, failure, leave_with, pack, places, receive, send
from flowload.runtime.faces.asynchronous import hand_over
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.faces.handoff import OutputEnd

from .wire import AHEAD, dumps, plain

__all__ = ["main"]


class Slots:
    """Memory for batches: what the reader has let go of is used again."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.all: dict[int, Memory] = {}
        self.free: list[int] = []
        self.made = 0

    def take(self, nbytes: int) -> tuple[int, bool, Sequence[int]]:
        """A slot that has room, whether it is new, and those that are let go for it: free, and too small."""
        with self.lock:
            for place in range(len(self.free) - 1, -1, -1):  # used last: in the cache
                if self.all[self.free[place]].size >= nbytes:
                    return self.free.pop(place), False, ()
            gone, self.free = self.free, []
            for number in gone:
                del self.all[number]
            self.made += 1
            self.all[self.made] = Memory(size=nbytes)
            return self.made, True, gone

    def give_back(self, numbers: Sequence[int]) -> None:
        """Of batches that nobody holds any more."""
        with self.lock:
            self.free += [number for number in numbers if number in self.all]


class Server:
    """Sends a run's batches, as many ahead as the reader has room for, and answers what it asks.

    A batch counts as delivered when the reader has taken it, not when it was sent: statistics, state and pass
    are those of the reader.
    """

    def __init__(self, sock: socket.socket, batches: Batches, outputs: Sequence[str]) -> None:
        self.sock = sock
        self.batches = batches
        self.slots = Slots()
        self.sending = threading.Lock()
        self.room = {name: threading.Semaphore(AHEAD) for name in outputs}
        self.sent: dict[str, deque[Block]] = {name: deque() for name in outputs}  #: and not taken yet
        self.left = False
        self.trace: Trace | None = None

    def enter(self) -> None:
        """Begin the run."""
        self.batches.__enter__()
        self.inner = self.batches._begun()  # noqa: SLF001 - its two faces are one to us

    def tell(self, *message: Any, memory: Memory | None = None) -> None:
        """Send, from any thread; a reader that is gone hears nothing, and this process ends by itself."""
        with self.sending, contextlib.suppress(OSError):
            send(self.sock, message, memory)

    def forward(self, output: str) -> None:
        """All batches of an output, then its end or its error; in a thread of its own."""
        try:
            while True:
                self.room[output].acquire()
                if self.left:
                    return
                block, _ = self.batches.take(output)
                if isinstance(block, OutputEnd):
                    self.tell("end", output)
                    return
                self.sent[output].append(block)
                self.send(output, hand_over(block))
        except BaseException as error:  # noqa: BLE001 - all that a reader in this process would be raised
            if not self.left:
                self.tell("error", output, *failure(error)[1:])

    def send(self, output: str, batch: Any) -> None:
        """One batch, copied into memory that the reader maps."""
        meta, buffers = pack(batch, dumps)
        sizes = [buffer.nbytes for buffer in buffers]
        number, fresh, gone = self.slots.take(places(sizes)[-1])
        for each in gone:
            self.tell("gone", each)
        memory = self.slots.all[number]
        for place, buffer in zip(memory.views(sizes), buffers, strict=True):
            np.copyto(place, buffer)
        self.tell("batch", (output, number), meta, sizes, memory=memory if fresh else None)

    def answer(self, what: str, *given: Any) -> Any:
        """What was asked. Raises whatever that raises."""
        if what in ("check", "wait_for"):
            return getattr(self, what)(*given)
        if what == "stats":
            return plain(self.batches.stats())
        if what == "dump":
            return plain(self.batches.dump())
        if what == "record":
            return self.record(*given)
        return getattr(self.batches, what)(*given)

    def answer_to(self, number: int, what: str, *given: Any) -> None:
        """The same, sent."""
        try:
            self.tell("answer", number, self.answer(what, *given), None)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
            self.tell("answer", number, None, failure(error)[1:])

    def taken(self, output: str, waited: float, numbers: Sequence[int]) -> None:
        """The reader has taken a batch, after so many seconds, and let go of others."""
        self.slots.give_back(numbers)
        self.inner.count(output, self.sent[output].popleft(), waited)
        self.room[output].release()

    def check(self, output: str) -> None:
        """The reader has all of an output. Raises LedgerError where samples were lost."""
        self.inner.check_delivered(output)

    def wait_for(self, chunks: int, since: str | None) -> int:
        """See `Batches.wait`."""
        return self.batches.wait(chunks=chunks, since=since)

    def record(self, most: int | None) -> Any:
        """Begin a trace of so many slices; or end it (None), and give what it has."""
        if most is not None:
            self.trace = Trace(most)
            self.batches.record(self.trace)
            return None
        self.batches.record(None)
        trace, self.trace = self.trace, None
        return None if trace is None else trace.detached()

    def serve(self) -> None:
        """Until the reader leaves. Raises EOFError when it is gone."""
        threads = [
            threading.Thread(target=self.forward, args=(name,), name=f"flowload-send-{name}", daemon=True)
            for name in self.room
        ]
        for thread in threads:
            thread.start()
        while True:
            (kind, *given), _ = receive(self.sock)
            if kind == "taken":
                self.taken(*given)
            elif kind == "leave":
                self.leave(threads)
                return
            elif given[1] == "wait_for":  # for long, perhaps: others are answered meanwhile
                threading.Thread(target=self.answer_to, args=given, daemon=True).start()
            else:
                self.answer_to(*given)

    def leave(self, threads: Sequence[threading.Thread]) -> None:
        """End the run; its last word are its statistics and its state."""
        self.left = True
        told: Any = None
        try:
            self.batches.close()
        except BaseException as error:  # noqa: BLE001 - raised where it is left
            told = failure(error)[1:]
        for semaphore in self.room.values():
            semaphore.release()
        for thread in threads:
            thread.join()
        epochs = {name: self.batches.epoch_of(name) for name in self.room}
        self.tell("left", plain(self.batches.stats()), self.batches.state(), epochs, told)


class Forward(logging.Handler):
    """Sends what is logged to the reader's process, whose handlers show it."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def emit(self, record: logging.LogRecord) -> None:
        """One line: its words are made here, since what it has to show may not be picklable."""
        plain_values = str, int, float
        own: dict[str, Any] = {k: v for k, v in vars(record).items() if isinstance(v, plain_values)}
        told = {**own, "msg": record.getMessage(), "args": None, "exc_info": None, "exc_text": None}
        if record.exc_info:
            told["msg"] += "\n" + logging.Formatter().formatException(record.exc_info)
        with contextlib.suppress(Exception):  # something of a user's `extra`
            pickle.dumps(told)
            self.server.tell("log", told)


def opened(sock: socket.socket) -> Server:
    """The run that was asked for. Raises what is wrong with it."""
    (text, given, levels, logs), _ = receive(sock)
    graph, own = pickle.loads(text), RunOrder(**given)
    assert isinstance(graph, Graph)  # noqa: S101 - our own parent sent it
    batches = graph.bound_engine().iterate(graph, own)
    assert isinstance(batches, Batches)  # noqa: S101 - of this package's engine
    server = Server(sock, batches, [end.name for end in graph.plan.ends])
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
    if logs:
        logging.getLogger().addHandler(Forward(server))
    shown = warnings.showwarning

    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        try:
            pickle.loads(pickle.dumps(category))
            server.tell("warning", str(message), category, filename, lineno)
        except Exception:  # noqa: BLE001 - a category of the user's own that is in no module
            shown(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    return server


def main(fd: int, life: int) -> None:
    """Serve the socket of this number until its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    threading.Thread(target=leave_with, args=(life,), daemon=True).start()
    with socket.socket(fileno=fd) as sock, contextlib.suppress(EOFError, ConnectionError):
        server: Server | None = None
        try:
            server = opened(sock)
            server.enter()
        except BaseException as error:  # noqa: BLE001 - raised where the run was asked for
            told = "wrong", *failure(error)[1:]
            send(sock, told) if server is None else server.tell(*told)
            return
        server.tell("begun")  # not past its lock: others may be logging
        try:
            server.serve()
        finally:
            server.batches.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
