"""Processes of Python that begin with flowload imported: forks of one that has done it, see `forked.py`.

For programs that are about what a process does when it runs, is interrupted or ends. One that is about
imports, or about what its traceback shows, is started as ever.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeAlias

__all__ = ["KEPT", "Started", "Warm", "end_all", "run_warm", "start_warm"]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("forked.py")
FORKS = sys.platform == "linux"  #: on macOS a fork after such imports may not call the system's libraries


class Warm:
    """A process, with the words of `subprocess.Popen`, and text; its stderr is read when it has ended."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, forks: socket.socket) -> None:
        self.args = ["python", *argv]
        self.returncode: int | None = None
        self.asking = threading.Lock()  # its status is told once, and any thread may wait for it
        told, telling = os.pipe()
        out, stdout = os.pipe()
        self.errors = os.memfd_create("stderr")
        order = json.dumps({"argv": list(argv), "env": dict(env), "cwd": str(cwd)}).encode() + b"\n"
        with Path(os.devnull).open("rb") as nothing:
            socket.send_fds(forks, [order], [nothing.fileno(), stdout, self.errors, telling])
        os.close(stdout)
        os.close(telling)
        self.stdout = os.fdopen(out, encoding="utf-8")
        self.told = os.fdopen(told, encoding="ascii")
        self.pid = int(self.told.readline())

    def poll(self) -> int | None:
        """Its status, if it has ended: that of Popen."""
        if self.returncode is None and select.select([self.told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its status, once it has ended; raises TimeoutExpired."""
        with self.asking:
            if self.returncode is None:
                if not select.select([self.told], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self.returncode = int(self.told.readline())
            return self.returncode

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """The rest of stdout, and stderr, when it has ended. Raises TimeoutExpired; it is killed then."""
        late: list[float] = []

        def end() -> None:
            late.append(timeout)
            self.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            out = self.stdout.read()
            self.wait()
        finally:
            timer.cancel()
            timer.join()
        if late:
            raise subprocess.TimeoutExpired(self.args, timeout)
        with open(self.errors, encoding="utf-8", closefd=False) as file:
            file.seek(0)
            return out, file.read()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill() if error is not None else None
        self.wait()
        self.close()

    def close(self) -> None:
        """Give back what reads from it."""
        self.stdout.close()
        self.told.close()
        if self.errors >= 0:
            os.close(self.errors)
            self.errors = -1

    def __del__(self) -> None:
        self.close()


Started: TypeAlias = Warm | subprocess.Popen[str]


KEPT: set[int] = set()  #: descriptors that stay open from the first such process on, until this one ends


class Forks:
    """A process that has imported modules, and forks; it ends with this one's tests, see `end_all`."""

    def __init__(self, modules: Sequence[str], flags: Sequence[str]) -> None:
        self.socket, other = socket.socketpair()
        command = [sys.executable, *flags, str(PROGRAM), str(other.fileno()), *modules]
        with other, Path(os.devnull).open("r+b") as nothing:
            self.process = subprocess.Popen(
                command,
                pass_fds=[other.fileno()],
                stdin=nothing,
                stdout=nothing,
                cwd=ROOT,
                env=environment({"OPENBLAS_NUM_THREADS": "1"}),  # no thread of numpy's: none survives a fork
            )
        KEPT.add(self.socket.fileno())

    def end(self) -> None:
        """Leave it without a socket, of which it dies."""
        KEPT.discard(self.socket.fileno())
        self.socket.close()
        self.process.wait()


THERE: dict[tuple[tuple[str, ...], tuple[str, ...]], Forks] = {}  #: by what was imported, and Python's flags


def forks_of(modules: tuple[str, ...], flags: tuple[str, ...]) -> Forks:
    """The one that has imported these modules."""
    if (modules, flags) not in THERE:
        THERE[modules, flags] = Forks(modules, flags)
    return THERE[modules, flags]


@atexit.register
def end_all() -> None:
    """End them when all tests have run."""
    while THERE:
        THERE.popitem()[1].end()


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's, with the project on the path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def start_warm(
    *argv: str,
    modules: Sequence[str] = ("flowload",),
    flags: Sequence[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
    cwd: Path = ROOT,
) -> Started:
    """Start `python FLAGS ARGV`, where ARGV is `-c CODE`, `-m MODULE` or a script, and what follows.

    Args:
        argv: the words behind python's own flags.
        modules: what is imported before it begins.
        flags: of the interpreter, such as "-W", "error".
        more: environment variables, beside those of this process; not such as an import asks for.
        cwd: its folder.
    """
    if FORKS:
        return Warm(argv, environment(more), cwd, forks_of(tuple(modules), tuple(flags)).socket)
    return subprocess.Popen(
        [sys.executable, *flags, *argv],
        cwd=cwd,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_warm(
    *argv: str,
    modules: Sequence[str] = ("flowload",),
    flags: Sequence[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    with start_warm(*argv, modules=modules, flags=flags, more=more, cwd=cwd) as process:
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(list(argv), process.wait(), out, err)
