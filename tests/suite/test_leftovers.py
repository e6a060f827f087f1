"""A run of the suite leaves no process behind, however it ends; and Ctrl-C reaches what tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

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


LEAVES = """
import subprocess, sys

def test_leaves():
    global child
    child = subprocess.Popen([sys.executable, "-c", {waits!r}], stdout=subprocess.PIPE)
    child.stdout.readline()
"""

FORKS = """
from tests.suite.warm import run_warm

def test_forks():
    assert run_warm("-c", "print(1)", modules=()).stdout == "1\\n"
"""


def ended(folder: Path, body: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A run of one test."""
    words = command(folder, body, *more)
    return subprocess.run(words, env=environment(), cwd=folder, capture_output=True, text=True, check=False)


def runs(pid: int) -> bool:
    """Whether a process is there, and has not ended: not everywhere somebody collects those that have."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_process_that_a_test_leaves_behind_fails_the_run_and_is_ended(tmp_path: Path, workers: str) -> None:
    done = ended(tmp_path, LEAVES.format(waits=WAITS), "-n", workers, "-o", "left_patience=1")
    assert "1 passed" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    _, _, said = done.stdout.partition("processes left behind")
    (line,) = (line for line in said.splitlines() if WAITS in line)
    assert not runs(int(line.partition(":")[0]))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_where_nothing_is_left_nothing_is_said(tmp_path: Path, workers: str) -> None:
    with waiting():  # another run's
        done = ended(tmp_path, FORKS, "-n", workers)
    assert done.returncode == 0, done.stdout
    assert "left behind" not in done.stdout


def test_a_process_bears_the_marks_of_every_run_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mark-one:mark-two")
    with waiting() as child:
        found = [[process.pid for process in marked(mark)] for mark in ("mark-one", "mark-two", "mark")]
        assert found == [[child.pid], [child.pid], []]
        kill_marked("mark")
        assert child.poll() is None
        kill_marked("mark-two")
        child.wait(LONG)
