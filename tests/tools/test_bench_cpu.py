"""CPU time is that of the children, too; memory of a ring comes round."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.measuring.cpu import cpu_seconds, living
from tools.bench.measuring.ring import Ring, places

BUSY = "import sys, time\nwhile time.process_time() < 0.5: pass\nprint(1, flush=True); sys.stdin.read()"

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")


@pytest.mark.slow
@needs_proc
def test_a_child_counts_while_it_lives_and_when_it_has_ended() -> None:
    before = cpu_seconds()
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        alive = cpu_seconds() - before
        assert child.pid in living(os.getpid())
    ended = cpu_seconds() - before
    assert ended >= alive >= 0.45  # ticks of a hundredth


def test_a_ring_comes_round() -> None:
    ring = Ring(3, object)
    given = [ring.next() for _ in range(6)]
    assert given[:3] == given[3:]
    assert len({id(each) for each in given}) == 3


def test_a_ring_has_more_places_than_threads_and_what_waits_for_them() -> None:
    assert all(places(threads) > 2 * threads + 3 for threads in (1, 2, 16))
