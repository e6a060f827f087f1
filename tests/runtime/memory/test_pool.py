from __future__ import annotations

import gc
import mmap
import random
import threading
from collections import deque
from pathlib import Path
from types import BuiltinMethodType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.errors import ClosedRun
from flowload.platforms import size_class
from flowload.runtime.memory.pool import BufferPool
from tests.runtime.views import VIEWS, Ledger, cycle


@given(st.integers(1, 1 << 45))
def test_a_size_class_is_a_little_more_in_whole_pages(nbytes: int) -> None:
    size = size_class(nbytes)
    assert size % mmap.PAGESIZE == 0
    assert nbytes <= size < nbytes + max(mmap.PAGESIZE, nbytes / 8 + 1)
    assert size_class(size) == size


def test_slightly_different_sizes_share_a_class() -> None:
    assert len({size_class(n) for n in range(1 << 24, 1 << 25, 4097)}) == 9
    assert len({size_class(n) for n in range(29_000_000, 31_000_000, 1000)}) == 2


@given(st.integers(0, 3 << 20))
@settings(max_examples=50, deadline=None)
def test_a_lease_is_what_was_asked_for(nbytes: int) -> None:
    array = BufferPool().lease(nbytes)
    assert array.shape == (nbytes,)
    assert array.dtype == np.uint8
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert nbytes == 0 or array.ctypes.data % mmap.PAGESIZE == 0
    array[-1:] = 1


def test_big_memory_starts_on_a_huge_page() -> None:
    assert BufferPool().lease(5 << 20).ctypes.data % (2 << 20) == 0


def test_a_negative_lease_is_an_error() -> None:
    with pytest.raises(ValueError, match="a lease of -1 bytes"):
        BufferPool().lease(-1)


@pytest.mark.parametrize("name", VIEWS)
def test_whatever_is_made_of_a_lease_keeps_it(name: str) -> None:
    pool = BufferPool()
    array = pool.lease(1024)
    start = array.ctypes.data
    kept = VIEWS[name](array)
    del array
    gc.collect()
    assert pool.stats().leased == 1
    other = pool.lease(1024)
    assert other.ctypes.data != start
    del kept, other
    gc.collect()
    assert pool.stats()[:4] == (0, 0, 2, 2 * mmap.PAGESIZE)
    assert start in [array.ctypes.data for array in [pool.lease(1024), pool.lease(1024)]]


def test_the_last_used_is_given_first() -> None:
    pool = BufferPool()
    one, two, three = (pool.lease(100) for _ in range(3))
    order = [array.ctypes.data for array in (two, three, one)]
    del two
    del three
    del one
    again = [pool.lease(100) for _ in range(3)]
    assert [array.ctypes.data for array in again] == order[::-1]


def test_a_somewhat_larger_buffer_serves_too_a_much_larger_one_does_not() -> None:
    pool = BufferPool()
    pool.lease(size_class(1 << 20))
    assert pool.lease(900_000).size == 900_000
    assert pool.stats().made == 1
    pool.lease(500_000)
    assert pool.stats().made == 2


def test_a_steady_stream_makes_nothing_new() -> None:
    pool = BufferPool()
    held: deque[Bytes] = deque(pool.lease(5000) for _ in range(9))
    for step in range(5000):
        held.append(pool.lease(30_000 + 600 * (step % 7)))
        held.append(pool.lease(2500))
        held.popleft()
        held.popleft()
        if step == 20:
            made, maps, files = pool.stats().made, mappings(), descriptors()
    assert pool.stats().served == 10_009
    assert pool.stats().made == made
    assert mappings() <= maps + 2
    assert descriptors() <= files


def mappings() -> int:
    path = Path("/proc/self/maps")
    return len(path.read_text().splitlines()) if path.exists() else 0


def descriptors() -> int:
    path = Path("/proc/self/fd")
    return len(list(path.iterdir())) if path.exists() else 0


def test_memory_that_nobody_needed_for_a_window_is_let_go() -> None:
    pool = BufferPool(window=8)
    burst = [pool.lease(10_000) for _ in range(6)]
    del burst
    assert pool.stats().free == 6
    for _ in range(16):
        pool.lease(10_000)
    assert pool.stats().free == 1
    for _ in range(16):
        pool.lease(1_000_000)
    assert pool.stats()[:4] == (0, 0, 1, size_class(1_000_000))


def test_free_memory_is_bounded_whatever_the_sizes() -> None:
    pool = BufferPool(window=1 << 30)
    for power in range(12, 24):
        for eighth in range(8, 16, 3):
            pool.lease((eighth << power) // 8)
            stats = pool.stats()
            assert stats.free_bytes <= 3 * size_class(1 << power + 1)


def test_leases_of_a_device_are_its_own() -> None:
    pool, one, two = BufferPool(), Ledger(), Ledger()
    places = {
        name: pool.lease(5000, device).ctypes.data for name, device in (("1", one), ("2", two), ("", None))
    }
    assert len(set(places.values())) == 3
    assert pool.lease(5000, one).ctypes.data == places["1"]
    assert pool.lease(5000, two).ctypes.data == places["2"]
    assert pool.lease(5000).ctypes.data == places[""]
    assert one.registered == {places["1"]: size_class(5000)}
    assert (one.count, two.count) == (1, 1)
    pool.close()
    assert not one.registered
    assert not two.registered


def test_what_is_let_go_is_unregistered() -> None:
    pool, device = BufferPool(window=4), Ledger()
    burst = [pool.lease(10_000, device) for _ in range(6)]
    del burst
    for _ in range(8):
        pool.lease(10_000, device)
    assert len(device.registered) == 1
    assert device.count == 6


class Refusing(Ledger):
    def register(self, memory: Bytes) -> None:
        raise RuntimeError("no more page-locked memory")


def test_memory_that_the_device_refuses_is_not_kept() -> None:
    pool = BufferPool()
    with pytest.raises(RuntimeError, match="no more page-locked memory"):
        pool.lease(5000, Refusing())
    assert pool.stats()[:4] == (0, 0, 0, 0)
    pool.lease(5000)
    pool.close()


def test_no_python_runs_when_a_last_view_goes_while_the_run_does() -> None:
    """A Ctrl-C that came in a callback's Python would be lost, and the memory with it."""
    pool = BufferPool()
    array = pool.lease(100)
    (memory,) = pool.leased
    assert memory.watch is not None
    assert isinstance(memory.watch.__callback__, BuiltinMethodType)
    del array
    assert pool.stats().free == 1


def test_after_the_end_leased_memory_goes_with_its_last_view() -> None:
    pool, device = BufferPool(), Ledger()
    held = pool.lease(5000, device)
    free = pool.lease(5000, device)
    del free
    view = held[10:20]
    held[:] = 7
    del held
    pool.close()
    pool.close()
    assert len(device.registered) == 1
    assert pool.stats()[:4] == (1, 8192, 0, 0)
    assert (view == 7).all()
    del view
    assert not device.registered
    assert pool.stats()[:4] == (0, 0, 0, 0)
    with pytest.raises(ClosedRun, match="after the run was left"):
        pool.lease(1)


def test_after_the_end_the_mapping_itself_is_gone() -> None:
    before = mappings()
    pool = BufferPool()
    held = [pool.lease(3 << 20) for _ in range(20)]
    pool.close()
    assert mappings() > before or before == 0
    del held, pool
    gc.collect()
    assert mappings() <= before + 2


def test_a_last_view_that_goes_while_a_lease_is_made() -> None:
    # A garbage collection may run the callback inside `lease`, under its lock, in the same thread.
    pool = BufferPool()
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(300):
            cycle(pool.lease(100))
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert pool.stats().leased == 0
    assert pool.stats().made < 300


def test_four_threads_never_share_a_buffer() -> None:
    pool, device = BufferPool(window=64), Ledger()
    wrong: list[str] = []
    shelf: deque[Bytes] = deque()  # so that mostly another thread drops the last view
    start = threading.Barrier(4)

    def work(me: int) -> None:
        rng = random.Random(me)
        start.wait()
        for step in range(1500):
            array = pool.lease(rng.randrange(16, 40_000), device if me % 2 else None)
            tag = array[:8].view(np.int64)
            tag[0] = me * 1_000_003 + step
            array[-8:] = array[:8]
            if tag[0] != me * 1_000_003 + step or not np.array_equal(array[:8], array[-8:]):
                wrong.append(f"{me} at {step}")
            shelf.append(array[:8])
            if step > 5:
                shelf.popleft()  # never empty: everybody puts before taking

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tags = [int(view.view(np.int64)[0]) for view in shelf]
    assert not wrong
    assert len(set(tags)) == len(tags) == pool.stats().leased == 24
    assert pool.stats().made < 3000
    pool.close()
    assert len(device.registered) <= len(tags)
    shelf.clear()
    assert not device.registered
    assert pool.stats().leased == 0


def test_close_while_others_let_go() -> None:
    for _ in range(20):
        pool, device = BufferPool(), Ledger()
        held = [pool.lease(100, device) for _ in range(200)]
        parts = [held[i::3] for i in range(3)]
        del held
        start = threading.Barrier(4)
        threads = [threading.Thread(target=let_go, args=(start, part)) for part in parts]
        for thread in threads:
            thread.start()
        start.wait()
        pool.close()
        for thread in threads:
            thread.join()
        assert not device.registered
        assert pool.stats()[:4] == (0, 0, 0, 0)


def let_go(start: threading.Barrier, held: list[Bytes]) -> None:
    start.wait()
    while held:
        held.pop()
