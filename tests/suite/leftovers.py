"""No process is left behind: neither by a test nor by a run of the suite that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .sitter import VARIABLE, kill_marked, marked

__all__ = ["Leftovers"]

#: multiprocessing's own, which live as long as the process that they serve.
SERVANTS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


class Leftovers:
    """Plugin of the process that the user started (not of xdist's workers, which are its children)."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        outer = os.environ.get(VARIABLE)  # a test that runs pytest: its processes are those of both runs
        self.sitter = self.start_sitter()
        os.environ[VARIABLE] = f"{outer}:{self.mark}" if outer else self.mark
        self.left: list[str] = []

    def start_sitter(self) -> subprocess.Popen[bytes]:
        """In a session of its own: what ends the suite's process group must not end it, too."""
        script = Path(__file__).with_name("sitter.py")
        return subprocess.Popen(
            [sys.executable, "-I", str(script), self.mark, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around xdist's, which ends the workers
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Whatever a test started must have ended; if not, the run has failed, and says of what."""
        yield
        own = [process for process in marked(self.mark) if process.pid != os.getpid()]
        patience = float(session.config.getini("left_patience"))
        _, alive = psutil.wait_procs([process for process in own if not serves(process)], timeout=patience)
        self.left = [told for process in alive if (told := describe(process))]
        if self.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.left:  # here, as pytest's own summary has been written by now
            terminal = session.config.pluginmanager.getplugin("terminalreporter")
            terminal.section("processes left behind", red=True)
            for line in self.left:
                terminal.line(line)

    def pytest_unconfigure(self) -> None:
        """End what was left, and the sitter."""
        kill_marked(self.mark) if self.left else None
        self.sitter.kill()
        self.sitter.wait()


def serves(process: psutil.Process) -> bool:
    """One that Python keeps for this process."""
    return any(name in describe(process) for name in SERVANTS)


def describe(process: psutil.Process) -> str:
    """Its number and its command line; nothing if it has ended."""
    try:
        return f"{process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return ""
