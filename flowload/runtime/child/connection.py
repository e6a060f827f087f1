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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, NamedTuple

from flowload.abc.operators import Setting, State
from flowload.abc.powers import AtReader
from flowload.errors import ClosedRun, ProcessDied
from flowload.graph import Plan
from flowload.observe.stats import RunStats
from flowload.processes.child import receive, send
from flowload.processes.failure import raised
from flowload.processes.pickling import search_path
from flowload.runtime.capture import Noted
from flowload.runtime.memory.page_locks import PageLocks
from flowload.runtime.memory.shared_file import SharedFile

from .inbox import Finishing, Inbox

__all__ = ["Connection"]

PATIENCE = 10.0  #: seconds in which a run that is left has to end, before its process is killed

#: What `python -c` is given: where modules are found, then descriptors: of its line, of those of outputs, of
#: the memory of both, and of the pipe that ends with its parent.
COMMAND = (
    "import ast, sys; sys.path[:] = ast.literal_eval(sys.argv[1]);"
    " from flowload.runtime.child.serve import main; main(*map(int, sys.argv[2:]))"
)


class Left(NamedTuple):
    """The last word of a run."""

    stats: RunStats
    state: State
    epochs: Mapping[str, int]  #: of the last batch that the reader took, by output
    error: Any  #: what leaving raised


class Connection:
    """A process with a run in it, from its start to its end.

    Args:
        order: what is run, pickled, and how.
        plan: what the user asked for, drawn.
        run: how a run of it in this process would be.
    """

    def __init__(self, order: tuple[bytes, Mapping[str, Any]], plan: Plan, run: Setting) -> None:
        self.begun: SimpleQueue[BaseException | None] = SimpleQueue()
        self.left: Left | None = None
        self.died: ProcessDied | None = None
        self.asked: dict[int, SimpleQueue[Any]] = {}
        self.numbers = itertools.count()
        self.sending, self.stopping = threading.Lock(), threading.Lock()
        self.stopped = False
        self.file = SharedFile()
        lines = Lines([end.name for end in plan.ends], self.file.fd)
        self.sock, self.life, self.process = lines.sock, lines.life, lines.started()
        self.thread = threading.Thread(target=self.listen, name="flowload-child", daemon=True)
        self.thread.start()
        mapping = threading.Lock()
        self.locks = PageLocks(self.file)
        self.inboxes = {
            end.name: Inbox(lines.outputs[end.name], self.file, mapping, self.end, self.raised)
            for end in plan.ends
        }
        try:
            self.ask_for(order, plan, run)
        except BaseException:
            self.stop()
            raise

    def ask_for(self, order: tuple[bytes, Mapping[str, Any]], plan: Plan, run: Setting) -> None:
        """Say what is to be run, and find what is left to do here. Raises GraphError for an absent device."""
        names = ("", "flowload", "flowload.progress")
        levels = {name: logging.getLogger(name or None).level for name in names}
        # Else Python shows warnings there as it would here.
        logs = logging.getLogger("flowload").hasHandlers()
        # Before that begins, which takes as long as importing torch here does.
        stages = {end.name: plan[end.node] for end in plan.ends}
        locked = any(getattr(placed.stage, "page_locks", False) for placed in stages.values())
        self.tell(*order, levels, logs, locked)
        for name, placed in stages.items():
            if isinstance(placed.stage, AtReader):
                finish = placed.stage.at_reader(placed.setting(run))
                if finish is not None:
                    noted = Noted(placed.name, placed.node.where)
                    self.inboxes[name].finished_by(Finishing(finish, noted), self.locks)

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
            self.tell_taken()
            self.tell("ask", number, what, *given)
            value, error = answer.get()
        finally:
            del self.asked[number]
        if isinstance(error, BaseException):
            raise error
        if error is not None:
            raise raised(error, self.process.pid)
        return value

    def tell_taken(self) -> None:
        """Have it know what was taken: what it says counts that."""
        for inbox in self.inboxes.values():
            inbox.tell()

    def end(self) -> BaseException:
        """Why nothing comes from it any more."""
        self.thread.join()
        return self.died or ClosedRun("this run was left")

    def raised(self, error: tuple[Any, ...]) -> BaseException:
        """What it told of an error."""
        return raised(error, self.process.pid)

    def listen(self) -> None:
        """Take what comes until the other process has ended; in a thread of its own."""
        try:
            while True:
                (kind, *given), _ = receive(self.sock)
                getattr(self, f"on_{kind}")(*given)
        except (EOFError, OSError):
            pass
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a thread that has ended
            self.process.kill()
            self.died = ProcessDied(f"what process {self.process.pid} sent cannot be taken: {error!r}")
        if self.left is None and self.died is None:
            self.died = ProcessDied(self.death())
        end = self.died or ClosedRun("this run was left")
        self.begun.put(end)
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
            self.tell_taken()
            self.tell("leave")
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
            finally:
                self.process.kill()
                self.process.wait()
            with ExitStack() as stack:  # all of it, whatever a device says
                stack.callback(self.file.close)
                stack.callback(self.let_go)
                for inbox in self.inboxes.values():
                    stack.callback(inbox.close)
                stack.callback(os.close, self.life)
                stack.callback(self.sock.close)
                self.thread.join()

    def let_go(self) -> None:
        """Undo page-locks, then let go of all memory but what somebody looks at."""
        seen = [span for inbox in self.inboxes.values() for span in inbox.memory.seen()]
        self.file.keep([*self.locks.release(), *seen])


class Lines:
    """The ends of a process's lines, made before it.

    Args:
        outputs: names of those that have one.
        file: descriptor of the memory of both.
    """

    def __init__(self, outputs: Sequence[str], file: int) -> None:
        self.file = file
        with ExitStack() as stack:
            self.sock, control = socket.socketpair()
            stack.callback(self.sock.close)
            self.theirs = [control]
            stack.callback(self.close_theirs)
            self.outputs: dict[str, socket.socket] = {}
            for name in outputs:
                self.outputs[name], theirs = socket.socketpair()
                self.theirs.append(theirs)
                stack.callback(self.outputs[name].close)
            self.reads, self.life = os.pipe()
            stack.pop_all()

    def close_theirs(self) -> None:
        """This process needs them no more."""
        for sock in self.theirs:
            sock.close()

    def started(self) -> subprocess.Popen[bytes]:
        """The process. Where it cannot be started, nothing is left."""
        passed = *(sock.fileno() for sock in self.theirs), self.file, self.reads
        try:
            return subprocess.Popen(
                [sys.executable, "-c", COMMAND, repr(search_path()), *map(str, passed)],
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us
            )
        except BaseException:
            os.close(self.life)
            for sock in (self.sock, *self.outputs.values()):
                sock.close()
            raise
        finally:
            os.close(self.reads)
            self.close_theirs()
