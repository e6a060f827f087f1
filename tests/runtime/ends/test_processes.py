"""What happens to whole processes: a real Ctrl-C, a fork, and an interpreter that ends with open runs."""

from __future__ import annotations

import os
import signal
import subprocess
from textwrap import dedent, indent

import pytest

from tests.suite.warm import Started, forks_of, start_warm

PREAMBLE = """\
import asyncio, gc, itertools, logging, os, sys, threading
import anyio, trio
import flowload
logging.getLogger("asyncio").setLevel(logging.ERROR)  # that a step was slow is the machine's fault
from tests.runtime.reading import run_threads
from tests.runtime.stages import *
from tests.runtime.stages import ints

def endless():
    return origin(Yields(lambda _: (ints([n]) for n in itertools.count()))) >> plus(0)

async def waits(block, call):
    if block.values[0] > 0:
        await anyio.sleep_forever()
    return block

def waiting():
    return endless() >> step(lambda: DoesAsync(waits))

def ready():
    print("ready", flush=True)
"""


FLAGS = ("-W", "error", "-X", "dev")
IMPORTED = ("anyio", "trio", "flowload", "tests.runtime.reading", "tests.runtime.stages")


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """The process that forks is there before a test counts what it leaves."""
    forks_of(IMPORTED, FLAGS)


def start(code: str) -> Started:
    """An interpreter in which every warning is an error."""
    return start_warm("-c", PREAMBLE + dedent(code), modules=IMPORTED, flags=FLAGS)


def finish(process: Started) -> str:
    """What it wrote to stdout; it must end by itself, well, and in silence."""
    out, err = listen(process)
    assert (process.returncode, err) == (0, "")
    return out


def listen(process: Started) -> tuple[str, str]:
    """Stdout and stderr of a process that must end by itself."""
    try:
        return process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


READERS = {
    "iterate": """
        with graph().iterate() as batches:
            for batch in batches:
                ready()
        """,
    "bare": """
        for batch in graph().iterate():
            ready()
        """,
    "asyncio": """
        async def main():
            async with graph().stream() as batches:
                async for batch in batches:
                    ready()
        asyncio.run(main())
        """,
    "trio": """
        async def main():
            async with graph().stream() as batches:
                async for batch in batches:
                    ready()
        trio.run(main)
        """,
    "cell": """
        async def main():
            for batch in graph().iterate():
                ready()
        loop = asyncio.new_event_loop()  # as notebooks do: asyncio.run would take the first Ctrl-C for itself
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["waiting", "endless"])
@pytest.mark.parametrize("reader", READERS)
def test_ctrl_c(reader: str, graph: str) -> None:
    process = start(
        f"graph = {graph}\n"
        + "try:\n"
        + indent(dedent(READERS[reader]), "    ")
        + "except KeyboardInterrupt:\n    print('interrupted')\n"
        + "gc.collect()\nassert run_threads() == [], run_threads()\n"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert finish(process).endswith("interrupted\n")  # perhaps in the middle of another line


@pytest.mark.slow
def test_an_interpreter_that_ends_with_open_runs() -> None:
    code = """
    one, two = waiting().iterate(), endless().iterate()
    next(one), next(two)
    three = waiting().iterate().__enter__()
    """
    finish(start(code))


@pytest.mark.slow
def test_an_interpreter_that_ends_while_a_thread_reads() -> None:
    code = """
    run = endless().iterate()
    next(run)
    started = threading.Event()

    def read():
        for batch in run:
            started.set()

    threading.Thread(target=read, daemon=True).start()
    started.wait()
    """
    process = start(code)
    _, err = listen(process)
    assert process.returncode == 0
    assert "flowload-" not in err  # no thread of a run was in the way


@pytest.mark.slow
def test_a_failing_program_shows_its_own_error_alone() -> None:
    code = """
    for batch in endless().iterate():
        raise ValueError("of the program")
    """
    process = start(code)
    _, err = listen(process)
    assert process.returncode == 1
    assert err.count("Traceback") == 1
    assert err.endswith("ValueError: of the program\n")


@pytest.mark.slow
def test_a_failing_stage_shows_its_own_error_alone() -> None:
    code = """
    def fail(block, call):
        raise ValueError("of the stage")

    for batch in (endless() >> step(lambda: Does(fail), name="bad")).iterate():
        pass
    """
    process = start(code)
    _, err = listen(process)
    assert process.returncode == 1
    assert err.count("Traceback") == 1
    assert "ValueError: of the stage\nin stage 'bad', declared at " in err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_finds_the_run_closed_and_the_parent_goes_on() -> None:
    code = """
    import warnings
    from flowload.errors import ClosedRun
    warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads: here it is the question

    def refused(use):
        try:
            use()
        except ClosedRun as error:
            return "fork" in str(error)
        return False

    run = (numbers(20) >> fan_out("a", "b")).iterate().__enter__()
    a, b = run["a"], run["b"]
    got = flat([next(a), next(b)])
    child = os.fork()
    if child == 0:
        answers = [refused(lambda: next(a)), refused(lambda: next(run["b"])), refused(run.stats)]
        run.__exit__(None, None, None)
        del run, a, b
        gc.collect()
        inner = flat((numbers(3) >> plus(1)).iterate())  # a run of its own is what a child may have
        os._exit(0 if all(answers) and inner == [1, 2, 3] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    for _ in range(9):
        got += flat([next(a), next(b)])
    assert sorted(got) == list(range(20))
    run.__exit__(None, None, None)
    assert run_threads() == []
    """
    finish(start(code))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_that_ends_as_programs_do_disturbs_nobody() -> None:
    code = """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    run = endless().iterate()
    next(run)
    child = os.fork()
    if child == 0:
        sys.exit(0)  # with all that an interpreter does at its end
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert flat(itertools.islice(run, 5)) == [1, 2, 3, 4, 5]
    """
    finish(start(code))
