"""The process that has the run: an ordinary one, whose batches, statistics and errors are sent away."""

from __future__ import annotations

import contextlib
import logging
import pickle
import signal
import socket
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.observe.trace import Trace
from flowload.processes.child import failure, leave_with, receive, send
from flowload.runtime.engine import Runtime
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.memory.shared_file import SharedFile

from .sender import Sender
from .wire import plain

__all__ = ["main"]


class Server:
    """Has senders send a run's batches, and answers what its reader asks."""

    def __init__(self, sock: socket.socket, batches: Batches, senders: Mapping[str, Sender]) -> None:
        self.sock = sock
        self.batches = batches
        self.senders = senders
        self.sending = threading.Lock()
        self.trace: Trace | None = None

    def tell(self, *message: Any) -> None:
        """Send, from any thread; a reader that is gone hears nothing, and this process ends by itself."""
        with self.sending, contextlib.suppress(OSError):
            send(self.sock, message)

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

    def check(self, output: str) -> None:
        """The reader has all of an output. Raises LedgerError where samples were lost."""
        self.batches.check_delivered(output)

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

    def hear(self) -> None:
        """Note all that the reader has taken by now."""
        for sender in self.senders.values():
            with contextlib.suppress(EOFError, OSError):  # the reader is gone
                sender.hear()

    def serve(self) -> None:
        """Until the reader leaves. Raises EOFError when it is gone."""
        for sender in self.senders.values():
            sender.thread.start()
        while True:
            (kind, *given), _ = receive(self.sock)
            self.hear()
            if kind == "leave":
                self.leave()
                return
            if given[1] == "wait_for":  # for long, perhaps: others are answered meanwhile
                threading.Thread(target=self.answer_to, args=given, daemon=True).start()
            else:
                self.answer_to(*given)

    def leave(self) -> None:
        """End the run; its last word are its statistics and its state."""
        for sender in self.senders.values():
            sender.left = True
        told: Any = None
        try:
            self.batches.close()
        except BaseException as error:  # noqa: BLE001 - raised where it is left
            told = failure(error)[1:]
        for sender in self.senders.values():
            sender.stop()
        epochs = {name: self.batches.epoch_of(name) for name in self.senders}
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


def opened(sock: socket.socket, outputs: Sequence[int], file: SharedFile) -> Server:
    """The run that was asked for. Raises what is wrong with it.

    Args:
        sock: where that is told.
        outputs: descriptors of their lines.
        file: memory of both processes.
    """
    (text, given, levels, logs, file.locked), _ = receive(sock)
    graph, own = pickle.loads(text), RunOrder(**given)
    assert isinstance(graph, Graph)  # noqa: S101 - our own parent sent it
    engine = graph.bound_engine()
    assert isinstance(engine, Runtime)  # noqa: S101 - of this package
    batches = engine.run_for(graph, own, file)
    ends = zip(graph.plan.ends, outputs, strict=True)
    senders = {end.name: Sender(socket.socket(fileno=fd), batches, end.name, file) for end, fd in ends}
    server = Server(sock, batches, senders)
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


def main(fd: int, *fds: int) -> None:
    """Serve until the other end is gone.

    Args:
        fd: of the line to the reader.
        fds: of those of outputs, of the memory of both, and of the pipe that ends with the parent.
    """
    *outputs, memory, life = fds
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    threading.Thread(target=leave_with, args=(life,), daemon=True).start()
    with socket.socket(fileno=fd) as sock, contextlib.suppress(EOFError, ConnectionError):
        server: Server | None = None
        try:
            server = opened(sock, outputs, SharedFile(memory))
            server.batches.__enter__()
        except BaseException as error:  # noqa: BLE001 - raised where the run was asked for
            told = "wrong", *failure(error)[1:]
            send(sock, told) if server is None else server.tell(*told)
            return
        server.tell("begun")  # not past its lock: others may be logging
        try:
            server.serve()
        finally:
            server.batches.close()
