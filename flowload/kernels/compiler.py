"""A process that compiles kernels for another one, and leaves them in the cache on disk.

numba compiles in one thread at a time, whatever kernels they are: only processes compile side by side. Such a
process imports kernels alone, which takes a quarter of a second of the many that it saves.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, NamedTuple

from ._jit import Kernel, Kinds

__all__ = ["COMMAND", "DONE", "Job", "job_of", "serve"]

DONE = "done"  #: what is answered for a job; anything else is why it failed

#: What `python -I -c` is given: the package's own `__init__`, which imports all of it, is left out. Its path,
#: which may be one of the user's own making, comes first of all that is read.
COMMAND = """
import gc, pickle, sys, types
gc.disable()  # a tenth of the time, for 40 MB of a process that lives for seconds
sys.path[:], folder = pickle.load(sys.stdin.buffer)
package = types.ModuleType("flowload")
package.__path__ = [folder]
sys.modules["scipy"] = None  # numba imports what it has of linear algebra, where there is a scipy: 0.2 s
sys.modules["flowload"] = package
from flowload.kernels.compiler import serve
serve(sys.stdin.buffer, sys.stdout)
"""


class Job(NamedTuple):
    """A kernel to be compiled for arguments of some types."""

    module: str
    name: str
    kinds: Kinds

    @property
    def kernel(self) -> Any:
        """The kernel itself; its module is imported."""
        return getattr(importlib.import_module(self.module), self.name)

    def weight(self) -> int:
        """About how long it takes: bytes of Python code of it and of the kernels that it calls, each once."""
        known: set[Any] = {self.kernel}
        waiting, total = [*known], 0
        while waiting:
            function = waiting.pop().py_func
            total += len(function.__code__.co_code)
            called = (function.__globals__.get(name) for name in function.__code__.co_names)
            new = {each for each in called if isinstance(each, Kernel)} - known
            known |= new
            waiting += new
        return total


def job_of(kernel: Any, args: tuple[object, ...]) -> Job | None:
    """The job for a kernel and arguments like those; None where it is there, or is not compiled at all."""
    if not isinstance(kernel, Kernel):  # under NUMBA_DISABLE_JIT
        return None
    kinds = kernel.kinds(args)
    if kernel.is_there(kinds):
        return None
    return Job(kernel.py_func.__module__, kernel.py_func.__name__, kinds)


def serve(jobs: IO[bytes], answers: IO[str]) -> None:
    """Compile what comes, pickled; a line for each. Whoever asks ends this by closing, at any time."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(jobs, waiting), daemon=True).start()
    while True:
        job = waiting.get()
        try:
            job.kernel.compile(job.kinds)
            said = DONE
        except Exception as error:  # noqa: BLE001 - it is raised where the kernel is called
            said = " ".join(f"{type(error).__name__}: {error}".split())
        answers.write(f"{said}\n")
        answers.flush()


def listen(jobs: IO[bytes], waiting: queue.SimpleQueue[Job]) -> None:
    """Put what comes where it is waited for; nobody there any more: end at once, whatever is under way."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        for job in read(jobs):
            waiting.put(job)
    os._exit(0)


def read(jobs: IO[bytes]) -> Iterator[Job]:
    """What comes, until it is closed, which raises EOFError."""
    while True:
        yield pickle.load(jobs)
