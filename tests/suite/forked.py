"""An interpreter that has imported what many programs of the tests want, and forks for each of them.

`forked.py FD MODULE...`: starts by what comes over the socket FD, a line of JSON and four descriptors each:
stdin, stdout, stderr, and where the process's number and then its status are written. A fork has what a
fresh process has by then, but for the imports, which take half a second of CPU for flowload, two for torch.

The process that forks has one thread, and stays as it is; it ends when nobody holds the socket any more.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Any

__all__: list[str] = []


def serve(listening: socket.socket) -> list[str]:
    """Fork for every order; the arguments of the program, in the fork that is to run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for a program is not waited for
    while True:
        said, descriptors, _, _ = socket.recv_fds(listening, 1 << 20, 4)
        while said and not said.endswith(b"\n"):
            said += listening.recv(1 << 20)
        if not said:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listening.close()
            order = json.loads(said)
            if watch(descriptors.pop()):
                begin(order, descriptors)
                argv: list[str] = order["argv"]
                return argv
        for descriptor in descriptors:
            os.close(descriptor)


def watch(telling: int) -> bool:
    """Fork once more: True in the fork; who stays tells its number and how it ended, and ends with it."""
    child = os.fork()
    if child == 0:
        os.close(telling)
        return True
    os.write(telling, f"{child}\n".encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    os.write(telling, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def begin(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be the process that was asked for: its streams, folder and environment."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    # Streams of this process's own: those of the one that forks believe that they can seek.
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    out = BufferedWriter(FileIO(1, "w", closefd=False))
    err = BufferedWriter(FileIO(2, "w", closefd=False))
    streams = {
        "stdin": TextIOWrapper(BufferedReader(FileIO(0, closefd=False)), "utf-8"),
        "stdout": TextIOWrapper(out, "utf-8", line_buffering=at_once),
        "stderr": TextIOWrapper(err, "utf-8", "backslashreplace", line_buffering=True),
    }
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def program(argv: list[str]) -> None:
    """What `python ARGV...` runs, in a `__main__` of its own."""
    if argv[0] == "-m":
        sys.argv, sys.path[0] = argv[1:], str(Path.cwd())
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        return
    if argv[0] == "-c":
        name, code = "<string>", argv[1]
        sys.argv, sys.path[0] = ["-c", *argv[2:]], ""
    else:
        name, code = argv[0], Path(argv[0]).read_text(encoding="utf-8")
        sys.argv, sys.path[0] = argv, str(Path(name).parent)
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(compile(code, name, "exec", dont_inherit=True), vars(main))


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # what is there is nobody's garbage: a collection would copy its pages
    program(serve(socket.socket(fileno=int(sys.argv[1]))))
