"""Kernels that a run needs and this machine has not compiled yet: compiled before it begins, side by side.

lc0's pipeline needs 10 kernels, two of which take nearly all of the time. numba compiles in one thread at a
time, so that it is done by processes, which leave what they make in the cache on disk, where calls find it.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import flowload.kernels
from flowload.abc.needs import Need
from flowload.kernels.compiler import COMMAND, DONE, Job, job_of
from flowload.observe.preparation import LOGGER, level_of
from flowload.runtime.threads.eventloop import Signal

__all__ = ["Compilation", "compile_kernels", "jobs_of"]

EVERY = 1.0  #: seconds between two lines, but for the first and the last
AGAIN = 0.05  #: seconds after which it is asked again whether another process has done it
PACKAGE = str(Path(flowload.kernels.__file__).parents[1])

log = logging.getLogger("flowload")
told = logging.getLogger(LOGGER)


def jobs_of(needs: Iterable[Need]) -> list[Job]:
    """What of these has to be compiled, each once; what takes longest first."""
    found = (job_of(kernel, args) for kernel, args in needs)
    jobs = {(job.module, job.name, job.kinds): job for job in found if job is not None}
    return sorted(jobs.values(), key=Job.weight, reverse=True)


def others_of(needs: Iterable[Need]) -> list[Callable[[], object]]:
    """What of these is no kernel."""
    return [partial(call, *args) for call, args in needs if not hasattr(call, "py_func")]


async def compile_kernels(needs: Iterable[Need], cpus: int, *, quiet: bool = False) -> None:
    """Have them compiled, without holding up the event loop. Cancelled, it leaves no process and no thread.

    `quiet`: nobody waits for them, so nobody is told.

    Raises nothing: what cannot be compiled here is compiled, or raises, where it is called.
    """
    needs = list(needs)
    jobs = jobs_of(needs)
    if not jobs:
        return
    compilation, over = Compilation(jobs, cpus, others_of(needs), quiet=quiet), Signal()
    thread = threading.Thread(target=compilation.run, args=(over,), name="flowload-compile", daemon=True)
    thread.start()
    try:
        await over
    finally:
        compilation.stop()
        thread.join()


class Compilation:
    """Some kernels being compiled.

    Args:
        jobs: see `jobs_of`.
        cpus: so many processes at most.
        meanwhile: called here, while others compile.
        quiet: nobody is told how far it is.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        cpus: int,
        meanwhile: Sequence[Callable[[], object]] = (),
        *,
        quiet: bool = False,
    ) -> None:
        self.quiet = quiet
        self.jobs = jobs
        self.meanwhile = meanwhile
        self.done = 0
        weights = [job.weight() for job in jobs]
        #: More would not be ready before the one that has the heaviest of all.
        self.processes = min(cpus, math.ceil(sum(weights) / max(1, *weights)))
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._last = 0.0

    def run(self, over: Signal) -> None:
        """Compile, until all is done or it is stopped; then tell whoever waits."""
        try:
            self.tell()
            with alone(self.jobs[0].kernel.folder, self._stopped):
                self.compile()
        finally:
            over.set()

    def compile(self) -> None:
        """Compile what no other process has compiled meanwhile."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in self.jobs:
            if job.kernel.is_there(job.kinds):
                self.finished()
            else:
                waiting.put(job)
        if self.processes > 1 and sys.executable and self.jobs[0].kernel.folder is not None:
            self.elsewhere(waiting)
        else:
            self.here(waiting)

    def here(self, waiting: queue.SimpleQueue[Job]) -> None:
        """In this process, where there is one CPU, or no place on disk to share code by."""
        while not self._stopped.is_set() and (job := next_of(waiting)) is not None:
            with suppress(Exception):  # raised where it is called
                job.kernel.compile(job.kinds)
            self.finished()

    def elsewhere(self, waiting: queue.SimpleQueue[Job]) -> None:
        """In processes of their own."""
        threads = [
            threading.Thread(target=self.follow, args=(waiting,), name=f"flowload-compile-{k}", daemon=True)
            for k in range(self.processes)
        ]
        for thread in threads:
            thread.start()
        for call in self.meanwhile:
            with suppress(Exception):  # raised where it is wanted
                call()
        for thread in threads:
            thread.join()

    def follow(self, waiting: queue.SimpleQueue[Job]) -> None:
        """Give a process one job after the other."""
        with suppress(OSError), self.child() as child:  # it cannot be started, or has ended
            assert child.stdin is not None, child.stdout is not None  # noqa: S101 - they are pipes
            pickle.dump((sys.path, PACKAGE), child.stdin)
            while not self._stopped.is_set() and (job := next_of(waiting)) is not None:
                pickle.dump(job, child.stdin)
                child.stdin.flush()
                said = cast("Any", child.stdout).readline().decode().strip()
                if said != DONE:
                    log.debug("%s was not compiled ahead: %s", job.name, said or "its process has ended")
                if not said:
                    return
                self.finished()

    @contextmanager
    def child(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that compiles; it is killed on leaving. In a session of its own: Ctrl-C is not for it."""
        with self._lock:
            if self._stopped.is_set():
                raise ProcessLookupError
            child = subprocess.Popen(
                [sys.executable, "-I", "-c", COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._children.append(child)
        try:
            yield child
        finally:
            child.kill()
            with suppress(OSError):
                child.communicate()  # closes its pipes, and waits

    def stop(self) -> None:
        """Let it be; from any thread. What runs in this process goes on to the end of its kernel."""
        self._stopped.set()
        with self._lock:
            for child in self._children:
                child.kill()

    def finished(self) -> None:
        """One more is there."""
        with self._lock:
            self.done += 1
            self.tell()

    def tell(self) -> None:
        """Say how far it is, now and then."""
        now = perf_counter()
        if self.quiet:
            return
        if self.done in (0, len(self.jobs)) or now - self._last >= EVERY:
            self._last = now
            told.log(
                level_of(told),
                "compiling kernels for this machine, once: %d of %d",
                self.done,
                len(self.jobs),
            )


def next_of(waiting: queue.SimpleQueue[Job]) -> Job | None:
    """The next; None when there is none."""
    with suppress(queue.Empty):
        return waiting.get_nowait()
    return None


@contextmanager
def alone(folder: Path | None, stopped: threading.Event) -> Iterator[None]:
    """Inside, no other process compiles for this folder: ranks that start together would do the same work.

    On file systems that cannot lock, they do.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while not stopped.is_set():
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stopped.wait(AGAIN)
            except OSError:
                break
        yield
    finally:
        os.close(fd)
