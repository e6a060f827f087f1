"""The parent's end: one worker process, and as many as there are calls at once."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
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
        self.values: Memory | None = None
        self.in_call = False  #: it was asked, and has not answered
        send(ours, (search_path(), text))

    def call(self, arguments: tuple[Any, ...], call: Call) -> Any:
        """The function's value. Its arrays are views of a lease; raises what the function raised.

        Raises ProcessDied when the process dies, ClosedRun when nobody waits for the call any more.
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
        if fd is not None:
            self.values = Memory(fd)
            self.values.close_fd()
        _, meta, sizes, _ = answer
        assert self.values is not None  # noqa: S101 - came with the first value
        memory = call.lease(places(sizes)[-1])
        np.copyto(memory, self.values.views([len(memory)])[0])
        return unpack(
            meta, [memory[start : start + size] for start, size in zip(places(sizes), sizes, strict=False)]
        )

    def ask(self, arguments: tuple[Any, ...]) -> None:
        """Send a call."""
        meta, buffers = pack(arguments)
        sizes = [buffer.nbytes for buffer in buffers]
        fresh = None
        if self.arguments is None or places(sizes)[-1] > self.arguments.size:
            fresh = self.arguments = Memory(size=places(sizes)[-1])
        for place, buffer in zip(self.arguments.views(sizes), buffers, strict=True):
            np.copyto(place, buffer)
        self.in_call = True
        send(self.sock, (meta, sizes), fresh)

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
        self.arguments = self.values = None  # an error that is kept keeps this


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
