"""Python's lock: who waits for it and who has it, by real threads and by moments that are made up."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import thread_time

import anyio
import pytest

from flowload.runtime.threads import lock_probe
from flowload.runtime.threads.executor import Executor, Job
from flowload.runtime.threads.lock_probe import (
    Addresses,
    Line,
    LockProbe,
    addresses,
    open_line,
    read_line,
)
from flowload.runtime.threads.lock_times import CONSUMER, LockTimes, Seen, Who
from flowload.runtime.threads.monitor import RunLock
from tests.threads import give_way

WHERE = Addresses(usleep=1, pread=2, state=0x7F0000000000, futex=b"202")
TRIES = 2000  #: looks, of which one is enough; a busy machine hides many

sees = pytest.mark.skipif(addresses() is None, reason="the system does not tell what threads do")


def stage(number: int) -> Who:
    return number, f"s{number}"


def runs(*who: int) -> list[Seen]:
    return [Seen(stage(one), waits=False, runs=True) for one in who]


def waits(*who: int) -> list[Seen]:
    return [Seen(stage(one), waits=True, runs=False) for one in who]


def sleeps(*who: int) -> list[Seen]:
    return [Seen(stage(one), waits=False, runs=False) for one in who]


@pytest.mark.parametrize(
    ("line", "waits", "runs"),
    [
        (b"running\n", False, True),
        (b"202 0x7f0000001230 0x189 0x0", True, False),
        (b"202 0x7effffffffff 0x189 0x0", False, False),
        (b"202 0x7f0000100000 0x189 0x0", False, False),
        (b"230 0x7f0000001230 0x0", False, False),
        (b"-1 0x7ffd 0x7f0000", False, False),
        (b"202", False, False),
        (b"", False, False),
    ],
    ids=["runs", "lock", "below", "above", "sleep", "no call", "cut off", "gone"],
)
def test_lines_of_the_system(line: bytes, waits: bool, runs: bool) -> None:
    assert read_line(stage(5), line, WHERE) == Seen(stage(5), waits=waits, runs=runs)


def test_who_runs_while_another_waits_has_the_lock() -> None:
    times = LockTimes()
    times.add(runs(1) + waits(2), 0.05, late=False)
    times.add(runs(1), 0.05, late=True)
    times.add(runs(1), 0.05, late=False)  # nobody wants it
    times.add(sleeps(1, 2), 0.05, late=True)  # nobody is there who could have it
    assert times.locked == pytest.approx(0.1)
    assert times.held({}) == pytest.approx({stage(1): 0.1})


def test_what_is_doubtful_is_shared_as_what_is_sure() -> None:
    times = LockTimes()
    for _ in range(9):
        times.add(runs(1), 1.0, late=True)
    times.add(runs(2), 1.0, late=True)
    for _ in range(10):
        times.add(runs(1, 2), 1.0, late=True)
    held = times.held({})
    assert sum(held.values()) == pytest.approx(20)
    assert held[stage(1)] / held[stage(2)] == pytest.approx(9.5 / 1.5)


def test_nobody_holds_it_longer_than_it_computes() -> None:
    times = LockTimes()
    for _ in range(10):
        times.add(runs(1, 2), 1.0, late=True)
    assert times.held({stage(1): 1.0, stage(2): 20.0}) == pytest.approx({stage(1): 1.0, stage(2): 9.0})
    assert times.held({stage(1): 1.0, stage(2): 2.0}) == pytest.approx({stage(1): 1.0, stage(2): 2.0})
    assert times.held({stage(1): 1.0}) == pytest.approx({stage(1): 1.0, stage(2): 9.0})
    assert LockTimes().held({stage(1): 1.0}) == {}


def test_waits_are_the_part_of_what_needed_no_cpu() -> None:
    times = LockTimes()
    for _ in range(3):
        times.add(waits(1) + runs(2), 0.05, late=False)
    times.add(sleeps(1) + runs(2), 0.05, late=False)
    assert times.waited(stage(1), work=10.0, cpu=2.0) == pytest.approx(6.0)
    assert times.waited(stage(2), work=10.0, cpu=2.0) == 0.0
    assert times.waited(stage(3), work=10.0, cpu=2.0) == 0.0
    assert times.waited(stage(1), work=1.0, cpu=2.0) == 0.0


def test_a_rare_wait_is_the_probes_own() -> None:
    times = LockTimes()
    times.add(waits(1) + runs(2), 0.05, late=False)
    for _ in range(99):
        times.add(runs(1), 0.05, late=False)
    assert times.waited(stage(1), work=10.0, cpu=2.0) == 0.0


@contextmanager
def at_work(*works: Callable[[], object]) -> Iterator[list[tuple[Who, int]]]:
    """Threads that do their work again and again; what they are, as `look` takes it."""
    over = threading.Event()
    begun = threading.Barrier(len(works) + 1)

    def go_on(work: Callable[[], object]) -> None:
        begun.wait()
        while not over.is_set():
            work()

    threads = [threading.Thread(target=go_on, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        yield [(stage(k), thread.native_id or 0) for k, thread in enumerate(threads)]
    finally:
        over.set()
        for thread in threads:
            thread.join()


def python() -> int:
    return sum(k * k for k in range(20_000))


def kernel() -> bytes:
    return hashlib.sha256(bytes(1 << 22)).digest()


@pytest.mark.slow
@sees
def test_two_that_compute_in_python_wait_for_each_other() -> None:
    probe = LockProbe()
    with at_work(python, python) as threads:
        for _ in range(TRIES):
            probe.look(threads, 1.0)
            # Both may wait at one look, while whoever woke them lets go of the lock: then nobody has it.
            if min(probe.times.waits.get(stage(k), 0) for k in (0, 1)) and len(probe.times.held({})) == 2:
                break
    probe.close()
    assert min(probe.times.waits.get(stage(k), 0) for k in (0, 1)) > 0
    assert probe.times.held({}).keys() == {stage(0), stage(1)}


@sees
def test_a_kernel_and_a_lock_of_the_users_are_not_pythons_lock() -> None:
    probe, mine = LockProbe(), threading.Lock()
    with mine, at_work(kernel, lambda: mine.acquire(timeout=0.02)) as threads:
        for _ in range(20):
            probe.look(threads, 1.0)
    probe.close()
    assert probe.times.waits.get(stage(1), 0) <= 2  # between two tries it is Python, for a moment
    assert probe.times.sleeps.get(stage(1), 0) > 10


@sees
def test_files_are_closed_and_threads_that_ended_are_let_go() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    probe = LockProbe()
    with at_work(kernel) as threads:
        probe.look(threads, 1.0)
        assert len(probe.lines) == 1
        looks = dict(probe.times.looks)
    probe.look([*threads, (stage(1), 2**22 + 1)], 1.0)  # the first has ended, the second never was
    assert not probe.lines
    assert probe.times.looks == looks, "who has ended does not sleep"
    probe.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@sees
def test_a_run_for_days_keeps_few_files_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_probe, "MOST", 2)
    probe = LockProbe()
    with at_work(kernel, kernel, kernel, kernel) as threads:
        for k in range(4):
            probe.look([threads[k]], 1.0)
            assert len(probe.lines) <= 2
            assert threads[k][1] in probe.lines
        probe.look(threads, 1.0)
        assert len(probe.lines) == 4
    probe.close()
    assert not probe.lines


def test_where_the_system_does_not_tell_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_probe, "addresses", lambda: None)
    probe = LockProbe()
    probe.look([(stage(1), os.getpid())], 1.0)
    assert probe.times.held({}) == {}
    assert not probe.lines
    probe.close()


def test_others_are_the_consumers() -> None:
    found = lock_probe.threads_of([], {})
    own = threading.get_native_id()
    assert own not in [native for _, native in found]
    assert {who for who, _ in found} <= {CONSUMER}


def test_a_thread_is_at_the_node_whose_code_it_runs() -> None:
    executor, at = Executor("kernel", 1, RunLock()), dict[int, str]()
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        at[threading.get_ident()] = "encode"
        inside.set()
        over.wait()

    executor.submit(Job(work), priority=3)
    inside.wait()
    try:
        found = lock_probe.threads_of([executor], at)
        assert [who for who, native in found if native == executor.threads[0].native_id] == [(3, "encode")]
    finally:
        over.set()
        anyio.run(executor.close, 10)


def spin(seconds: float) -> None:
    until = thread_time() + seconds
    while thread_time() < until:
        pass


@sees
def test_the_cpu_of_threads_outside_the_run_is_counted_and_no_others() -> None:
    probe, turn = LockProbe(), threading.Barrier(3)

    def work() -> None:
        for _ in range(2):
            turn.wait()
            spin(0.01)
            turn.wait()  # it has computed
        turn.wait()  # until it was looked at

    outside, inside = threading.Thread(target=work), threading.Thread(target=work)
    outside.start()
    inside.start()
    threads = [(CONSUMER, outside.native_id or 0), (stage(1), inside.native_id or 0)]
    told = []
    for _ in range(2):
        turn.wait()
        turn.wait()
        probe.look(threads, 1.0)
        told.append(probe.outside_cpu)
    turn.wait()
    outside.join()
    inside.join()
    while any(Path(f"/proc/self/task/{thread.native_id}").exists() for thread in (outside, inside)):
        give_way()  # Python is done with a thread a little before the system is
    probe.look(threads, 1.0)
    probe.close()
    assert told[0] == 0.0  # what it did before it was first seen is not the run's
    assert 0.01 <= told[1] < 0.02  # one of the two
    assert not probe.clocks


@sees
def test_a_thread_may_end_between_its_files_are_opened_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> bytes:
        raise ProcessLookupError

    monkeypatch.setattr(os, "pread", gone)
    with Line(threading.get_native_id()) as line:
        assert line.gained() == (0, 0)
        assert not line.readable()


def scheduled(monkeypatch: pytest.MonkeyPatch, *times: tuple[int, int]) -> LockProbe:
    """A probe that is told these nanoseconds of a thread, look by look."""
    told = iter(times)
    monkeypatch.setattr(Line, "times", lambda self: next(told))
    return LockProbe()


@sees
def test_who_waits_for_a_cpu_is_counted_as_if_it_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = scheduled(monkeypatch, (1_000, 9_000), (3_000, 13_000), (4_000, 14_000))
    assert probe.stretch == 1.0
    with at_work(kernel) as threads:
        probe.look(threads, 1.0)
        assert probe.stretch == 3.0  # what it had before it was seen is not the run's
        probe.look(threads, 1.0)
        assert probe.stretch == pytest.approx(1 + 5 / 3)
    probe.close()


@sees
def test_a_kernel_that_counts_no_waits_and_a_thread_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_work(kernel) as threads:
        line = open_line(threads[0][1])
    assert line.times()[0] >= line.before[0] >= 0
    line.close()
    monkeypatch.setattr("os.open", refuse_schedule)
    line = open_line(threading.get_native_id())
    assert line.gained() == (0, 0)
    assert line.readable()
    line.close()


def refuse_schedule(path: str, flags: int, real: Callable[[str, int], int] = os.open) -> int:
    if path.endswith("schedstat"):
        raise OSError(path)
    return real(path, flags)
