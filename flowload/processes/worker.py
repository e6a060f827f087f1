"""The parent's end: one worker process, and as many as there are calls at once."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from flowload.abc.operators import Call
from flowload.errors import ClosedRun, ProcessDied

from . import child
from .child import Memory, pack, places, receive, send, unpack
from .failure import raised
from .pickling import search_path

__all__ = ["WorkerPool"]

LOOK = 50  #: ms between two looks whether anybody still waits for a call
FILE = str(Path(child.__file__))


class Loan(weakref.ref[Any]):
    """A value that somebody may still look at, and the slot that it lies in."""

    __slots__ = ("slot",)

    slot: int


class Worker:
    """A process that has the function.

    Args:
        text: the pickled function.
    """

    def __init__(self, text: bytes) -> None:
        ours, theirs = socket.socketpair()
        reads, self.life = os.pipe()  # closed by our end, however that comes
        self.sock = ours
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, FILE, str(theirs.fileno()), str(reads)],
                    pass_fds=(theirs.fileno(), reads),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for us
                )
        except BaseException:
            os.close(self.life)
            ours.close()
            raise
        finally:
            os.close(reads)
        self.arguments: Memory | None = None
        self.values: dict[int, Memory] = {}
        self.returned: deque[Loan] = deque()  # filled by callbacks, in any thread: no lock, no Python
        self.loans: dict[int, Loan] = {}
        self.unseen: list[int] = []  # slots of values without arrays
        self.in_call = False  #: it was asked, and has not answered
        send(ours, (search_path(), text))

    def call(self, arguments: tuple[Any, ...], call: Call) -> Any:
        """The function's value. Its arrays are views of the memory that the worker has written them to.

        Raises what the function raised, ProcessDied when the process dies, ClosedRun when nobody waits for
        the call any more.
        """
        try:
            self.ask(arguments)
            self.wait(call)
            answer, fd = receive(self.sock)
        except (EOFError, ConnectionError):
            raise ProcessDied(self.death(call)) from None
        self.in_call = False
        if answer[-1]:
            self.arguments = None  # somebody there looks at it
        if answer[0] == "error":
            raise raised(answer[1:-1], self.process.pid)
        _, meta, sizes, slot, gone, _ = answer
        for number in gone:
            del self.values[number]
        if fd is not None:
            self.values[slot] = Memory(fd)
            self.values[slot].close_fd()
        views = self.values[slot].views(sizes)
        if (seen := self.values[slot].seen()) is None:  # of no array
            self.unseen.append(slot)
        else:
            self.loans[slot] = loan = Loan(seen, self.returned.append)
            loan.slot = slot
        return unpack(meta, views)

    def ask(self, arguments: tuple[Any, ...]) -> None:
        """Send a call's arguments: what is large by shared memory, the rest by the socket."""
        meta, buffers = pack(arguments)
        sizes = [buffer.nbytes for buffer in buffers]
        fresh = None
        if self.arguments is None or places(sizes)[-1] > self.arguments.size:
            fresh = self.arguments = Memory(size=places(sizes)[-1])
        for place, buffer in zip(self.arguments.views(sizes), buffers, strict=True):
            np.copyto(place, buffer)
        self.in_call = True
        send(self.sock, (meta, sizes, self.free()), fresh)

    def free(self) -> list[int]:
        """Slots of values that nobody sees any more."""
        found, self.unseen = self.unseen, []
        while self.returned:
            found.append(self.returned.popleft().slot)
            del self.loans[found[-1]]
        return found

    def wait(self, call: Call) -> None:
        """Until there is an answer. Without Python's lock, and not for longer than anybody wants it."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while not poll.poll(LOOK):
            call.go_on()

    def death(self, call: Call) -> str:
        """What is known of how the process ended."""
        code = self.process.wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        memory = "; the system does that where memory is short" if code == -signal.SIGKILL else ""
        return f"worker process {self.process.pid} was {how} in block {call.number}{memory}"

    def close(self) -> None:
        """End it now, whatever it is doing; once."""
        self.process.kill()
        self.process.wait()
        self.sock.close()
        os.close(self.life)
        self.arguments = None  # an error that is kept keeps this
        self.values.clear()


class WorkerPool:
    """Processes that all have one function: started when a call finds none that is idle.

    Args:
        text: the pickled function.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.lock = threading.Lock()
        self.idle: list[Worker] = []
        self.all: set[Worker] = set()
        self.closed = False

    def call(self, arguments: tuple[Any, ...], call: Call) -> Any:
        """See `Worker.call`; in any thread. A worker that died or was left in a call is not used again."""
        worker = self.take()
        try:
            return worker.call(arguments, call)
        finally:
            self.give_back(worker)

    def take(self) -> Worker:
        """One that is idle, or a new one. Raises ClosedRun after `close`."""
        with self.lock:
            if self.closed:
                raise ClosedRun("a worker process was asked for after the run was left")
            if self.idle:
                return self.idle.pop()
        worker = Worker(self.text)  # outside the lock: it takes a millisecond
        with self.lock:
            self.all.add(worker)
        return worker  # if it was closed meanwhile, the call sees that nobody waits for it

    def give_back(self, worker: Worker) -> None:
        """Keep it for the next call, if it can take one."""
        with self.lock:
            if not self.closed and not worker.in_call:
                self.idle.append(worker)
                return
            self.all.discard(worker)
        worker.close()

    def close(self) -> None:
        """End them all, also those in a call. May be called again."""
        with self.lock:
            self.closed = True
            idle, self.idle = self.idle, []
            self.all.difference_update(idle)
            busy = tuple(self.all)
        for worker in idle:
            worker.close()
        for worker in busy:  # whose thread closes them
            worker.process.kill()
