"""A run of the suite leaves no process behind, however it ends; and Ctrl-C reaches what tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.suite import leftovers
from tests.suite.leftovers import Leftovers
from tests.suite.sitter import VARIABLE, kill_marked, marked

ROOT = Path(__file__).parents[2]
LONG = 60  #: seconds; what takes so long has failed
WAITS = "import signal; print('up', flush=True); signal.pause()"

#: A child whose own child says who it is, and waits; and the test waits for both.
CHILDREN = """
import subprocess, sys

GRANDCHILD = "import os, signal, sys; open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])"

def test_waits():
    subprocess.run([sys.executable, "-c", CHILD, {fifo!r}, GRANDCHILD])
"""

INTERRUPTS = """
import signal, subprocess, sys

def test_interrupts():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    command = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            child.stdout.readline()
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == -signal.SIGINT
        finally:
            child.kill()
"""


def command(folder: Path, body: str, *more: str) -> list[str]:
    """pytest on one test, with this suite's plugin and nothing else of this project."""
    (folder / "test_inner.py").write_text(body)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = quick\n")
    plugins = ["-p", "tests.suite.plugin", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", "-q", *plugins, *more, "--rootdir", str(folder), str(folder)]


def environment() -> dict[str, str]:
    """What the project's own modules are found by; and no trace of the worker that this test runs in."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return own | {"PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_is_killed_takes_its_children_along(tmp_path: Path, workers: int) -> None:
    fifo = tmp_path / "told"
    os.mkfifo(fifo)
    words = command(tmp_path, CHILDREN.format(fifo=str(fifo)), "-n", str(workers))
    with subprocess.Popen(words, env=environment(), cwd=tmp_path, stdout=subprocess.DEVNULL) as run:
        try:
            grandchild = psutil.Process(int(fifo.read_text()))
            child = grandchild.parent()
            assert child is not None
        finally:
            run.kill()
    _, alive = psutil.wait_procs([child, grandchild], timeout=LONG)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_as_a_background_job_children_can_be_interrupted(tmp_path: Path, workers: int) -> None:
    """There a shell ignores SIGINT, and so would everything below it."""
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command(tmp_path, INTERRUPTS, "-n", str(workers))]
    done = subprocess.run(words, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def waiting() -> Iterator[subprocess.Popen[str]]:
    """A child that waits for ever."""
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "up\n"
            yield child
        finally:
            child.kill()


class Lines:
    """What is written of a run."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def section(self, title: str, **_: Any) -> None:
        self.told.append(title)

    def line(self, text: str) -> None:
        self.told.append(text)


def finished(plugin: Leftovers) -> tuple[int, list[str]]:
    """How a run ends in which every test has passed, and what is written of it."""
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    around = plugin.pytest_sessionfinish(session)
    next(around)
    assert next(around, None) is None
    lines: Any = Lines()
    plugin.pytest_terminal_summary(lines)
    plugin.pytest_unconfigure()
    return int(session.exitstatus), lines.told


def test_a_process_that_a_test_leaves_behind_fails_the_run_and_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE", 0)
    monkeypatch.setenv(VARIABLE, "outer")
    plugin = Leftovers()
    with waiting() as child:
        status, told = finished(plugin)
        child.wait(LONG)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert told[0] == "processes left behind"
    assert told[1].startswith(f"{child.pid}: ")
    assert WAITS in told[1]


def test_where_nothing_is_left_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "outer")
    with waiting():  # another run's
        assert finished(Leftovers()) == (pytest.ExitCode.OK, [])


def test_a_process_bears_the_marks_of_every_run_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mark-one:mark-two")
    with waiting() as child:
        found = [[process.pid for process in marked(mark)] for mark in ("mark-one", "mark-two", "mark")]
        assert found == [[child.pid], [child.pid], []]
        kill_marked("mark")
        assert child.poll() is None
        kill_marked("mark-two")
        child.wait(LONG)
