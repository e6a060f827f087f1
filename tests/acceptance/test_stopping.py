"""However a run is left, nothing of it stays: no thread, no task, no descriptor, no warning, no noise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.acceptance.lines import chess
from tests.descriptors import none_left_open
from tests.runtime.reading import FACES, Face, run_threads
from tests.suite.warm import Started, forks_of, start_warm

ROOT = Path(__file__).parents[2]
HANG = 60  #: seconds after which a process hangs; it takes a second or two
BACKENDS = ["asyncio", "trio"]
FLAGS = ("-W", "error")


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """The process that forks is there before a test counts what it leaves."""
    forks_of(("flowload",), FLAGS)


def endless(sample: list[Path]) -> Any:
    return chess(sample, size=64, layout="bits")


@pytest.mark.parametrize("seen", [1, 2, 60])
def test_a_break(sample: list[Path], face: Face, seen: int) -> None:
    assert len(face.read(endless(sample), seen, epochs=None)) == seen


def test_an_error_in_the_loop_stays_bare(sample: list[Path], face: Face) -> None:
    def fails(batch: Any, run: Any) -> bool:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        face.use(endless(sample), fails, epochs=None)
    assert caught.value.__context__ is None
    assert not hasattr(caught.value, "__notes__")


def test_entered_and_left(sample: list[Path]) -> None:
    with endless(sample).iterate(epochs=None):
        assert run_threads()
    assert run_threads() == []


def test_never_entered(sample: list[Path]) -> None:
    endless(sample).iterate()
    endless(sample).stream()


def test_garbage(sample: list[Path]) -> None:
    run = iter(endless(sample).iterate(epochs=None))
    next(run)
    assert run_threads()
    del run
    assert run_threads() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_cancellation_from_outside(sample: list[Path], backend: str) -> None:
    async def main() -> int:
        seen = 0
        with anyio.CancelScope() as scope:
            async with endless(sample).stream(epochs=None) as batches:
                async for _ in batches:
                    seen += 1
                    if seen == 5:
                        scope.cancel()
        assert scope.cancelled_caught
        assert run_threads() == []
        return seen

    assert anyio.run(main, backend=backend) == 5


def test_in_a_thread(sample: list[Path]) -> None:
    found: list[int] = []

    def work() -> None:
        found.append(len(FACES[0].read(endless(sample), 10, epochs=None)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(HANG)
    assert found == [10]


@pytest.mark.hammer
@pytest.mark.parametrize("runs", [20])
def test_many_runs_leave_nothing(sample: list[Path], face: Face, runs: int) -> None:
    graph = endless(sample)
    face.read(graph, 2, epochs=None)
    with none_left_open():
        for number in range(runs):
            face.read(graph, number % 3 + 1, epochs=None, seed=number)


Start = Callable[..., "subprocess.Popen[str]"]


def started(*argv: str) -> subprocess.Popen[str]:
    """A Python process that treats warnings as errors, with the project on its path."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )


def interrupted(process: Started, word: str) -> tuple[int, str, str]:
    """Ctrl-C once a process has said a word: its status, the rest of its output, its errors."""
    with process:
        try:
            assert process.stdout is not None
            assert any(word in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=HANG)
        finally:
            process.kill()
        return process.wait(), out, err


ITERATE = """
    with graph.iterate(epochs=None) as batches:
        for number, batch in enumerate(batches):
            if number == 3:
                print("going")
"""
FOREVER = """
    batches = iter(graph.iterate(epochs=None))
    next(batches)
    print("going")
    for batch in batches:
        pass
"""
STREAM = """
    import anyio
    async def main():
        async with graph.stream(epochs=None) as batches:
            number = 0
            async for batch in batches:
                number += 1
                if number == 3:
                    print("going")
    anyio.run(main, backend={backend!r})
"""
SCRIPTS = [ITERATE, FOREVER, *(STREAM.format(backend=backend) for backend in BACKENDS)]


@pytest.mark.slow
@pytest.mark.parametrize("body", SCRIPTS, ids=["iterate", "no with", *BACKENDS])
def test_ctrl_c_in_a_script(body: str, tmp_path: Path) -> None:
    head = """
    import threading
    import flowload as fl
    from flowload.sample import sample_path
    head = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.shuffle_pool(5) >> fl.unpack()
    graph = head >> fl.reservoir(100) >> fl.batch(64)
    try:
    {body}
    except KeyboardInterrupt:
        batches = None
        print("stopped", [t.name for t in threading.enumerate() if t.name.startswith("flowload")])
        raise
    """
    script = tmp_path / "script.py"
    inside = textwrap.indent(textwrap.dedent(body), "    ")
    script.write_text(textwrap.dedent(head).format(body=inside))
    process = start_warm(str(script), flags=FLAGS, more={"PYTHONUNBUFFERED": "1"})
    status, out, err = interrupted(process, "going")
    assert status in (-signal.SIGINT, 130)
    assert "stopped []" in out
    assert err.rstrip().endswith("\nKeyboardInterrupt")
    assert "Warning" not in err
    assert "Exception ignored" not in err


@pytest.mark.slow
def test_ctrl_c_of_the_command() -> None:
    argv = ["-m", "flowload.cli", "run", "pipelines/chess.py", "--epochs", "inf", "--layout", "bits"]
    process = started(*argv)
    # A run that is no terminal's tells how it goes once in a while: the first such line means that it goes.
    status, out, err = interrupted(process, "batches")
    assert status == 130
    assert "The run was interrupted" in out
    assert err == ""
