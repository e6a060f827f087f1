"""A run in a process of its own ends however it may: it is named, and nothing of it is left."""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
import flowload.runtime.child.connection as connection_module
from flowload.errors import ClosedRun, ProcessDied
from flowload.runtime.child.frames import Frames
from tests.runtime.child import functions
from tests.threads import give_way

ROOT = Path(__file__).parents[3]


def numbers(count: int = 40, size: int = 4) -> fl.Graph:
    return fl.rows({"x": np.arange(count)}) >> fl.batch(size)


@pytest.mark.slow
def test_a_process_that_is_killed_is_named_and_leaves_nothing() -> None:
    batches: Any
    with numbers(4000).iterate(process=True) as batches:
        next(batches)
        os.kill(batches._connection.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="killed by SIGKILL"):
            list(batches)
        with pytest.raises(ProcessDied):
            batches.stats()


@pytest.mark.slow
def test_who_leaves_while_a_call_does_not_end_waits_for_no_longer_than_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "PATIENCE", 0.2)
    with (numbers() >> fl.map(functions.waits)).iterate(process=True) as batches:
        assert next(batches)["x"][0] == 0


@pytest.mark.slow
def test_a_run_that_nobody_has_any_more_ends_its_process() -> None:
    batches: Any = numbers(4000).iterate(process=True)
    next(batches)
    process = batches._connection.process
    del batches
    gc.collect()
    assert process.wait(60) is not None


@pytest.mark.slow
def test_a_parent_that_is_killed_leaves_no_process() -> None:
    script = (
        "import sys, time, numpy as np, flowload as fl\n"
        "batches = (fl.rows({'x': np.arange(99999)}) >> fl.batch(2)).iterate(process=True)\n"
        "next(batches)\n"
        "print(batches._connection.process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        child = os.pidfd_open(int(run.stdout.readline()))
        run.kill()
        assert select.select([child], [], [], 60)[0], "it has ended"
    os.close(child)


@pytest.mark.slow
def test_what_a_killed_process_had_given_stays() -> None:
    batches: Any
    with numbers(4000).iterate(process=True) as batches:
        held = [next(batches)["x"] for _ in range(3)]
        file = batches._connection.file
        assert os.fstat(file.fd).st_nlink == 0, "it has no name"
        os.kill(batches._connection.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied):
            list(batches)
    assert [each.tolist() for each in held] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.slow
def test_readers_that_wait_are_told_of_a_death() -> None:
    batches: Any
    found: list[Exception] = []

    def read() -> None:
        try:
            next(batches)
        except fl.FlowloadError as error:
            found.append(error)

    with (numbers() >> fl.map(functions.waits)).iterate(process=True) as batches:
        next(batches)
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        while batches._waiting < 3:
            give_way()
        os.kill(batches._connection.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert [type(each) for each in found] == [ProcessDied] * 3


@pytest.mark.slow
def test_ctrl_c_while_a_reader_waits_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Frames, *, wait: bool) -> None:
        raise KeyboardInterrupt

    batches: Any = (numbers(4000)).iterate(process=True)
    next(batches)
    process = batches._connection.process
    with monkeypatch.context() as patched:
        patched.setattr(Frames, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(batches)
    assert process.returncode is not None
    assert batches.stats().blocks_delivered >= 1


@pytest.mark.slow
def test_leaving_while_another_thread_reads_wakes_it() -> None:
    batches: Any
    found: list[Exception] = []

    def read() -> None:
        try:
            for _ in batches:
                pass
        except fl.FlowloadError as error:
            found.append(error)

    with numbers(400).iterate(epochs=None, process=True) as batches:
        thread = threading.Thread(target=read)
        thread.start()
        while batches.stats().blocks_delivered < 50:
            give_way()
    thread.join()
    assert [type(each) for each in found] == [ClosedRun]


@pytest.mark.hammer
@pytest.mark.parametrize("seed", range(8))
def test_a_process_is_killed_anywhere(seed: int) -> None:
    batches: Any
    with numbers(100).iterate(epochs=None, process=True) as batches:
        for _ in range(random.Random(seed).randrange(1, 400)):
            held = next(batches)
        os.kill(batches._connection.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="killed by SIGKILL"):
            for _ in batches:
                pass
        assert len(held["x"]) == 4
