"""What a run takes: page-locks that end, few copies under way, little memory of the card, the right card."""

from __future__ import annotations

import gc
import os
import threading
from collections import deque
from typing import Any

import anyio
import numpy as np
import pytest
import torch

import flowload as fl
from flowload.errors import DataError
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device.card_memory import on_the_way
from flowload.stages.device.page_lock import PageLock
from tests.device.conftest import Install
from tests.device.flows import read, record, rows, windows
from tests.device.simulated.cards import MODES, Mode
from tests.device.test_flows import on_cpu
from tests.device.test_guards import locked_after, windows_on_card

WINDOW = 2048 * 256 * 4  #: bytes


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(str(tmp_path_factory.mktemp("recording")), 8192, 256)


# --- page-locks -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_page_lock_is_left_by_maps_that_fail(cards: Install) -> None:
    card = cards(mode="prompt")
    assert locked_after(card, runs=10) == 0
    for seed in range(20):
        read(rows("cuda"), card, on_cpu("rows", seed), seed=seed)
    gc.collect()
    assert not card.locked
    assert not card.faults


def skipping(batch: dict[str, Any]) -> dict[str, Any]:
    """A map that leaves out a block."""
    if batch["n"].min() < 50:
        raise ValueError("a mistake of the user's")
    return batch


@pytest.mark.slow
def test_no_page_lock_is_left_by_a_run_that_skips_and_ends_well(cards: Install) -> None:
    card = cards(mode="random")
    host = fl.rows({"n": np.arange(6400)}) >> fl.shuffle() >> fl.batch(128)
    graph = host >> fl.map(skipping, on_error="skip") >> fl.to_device("cuda")

    def count(seed: int) -> int:
        with graph.iterate(seed=seed) as batches:
            return sum(1 for _ in batches)

    assert all(count(seed) < 50 for seed in range(8))
    gc.collect()
    assert not card.locked


def test_no_page_lock_is_left_by_an_error_that_is_kept(cards: Install) -> None:
    """Its traceback leads to the run; it goes, and so does the lock."""
    card = cards(mode="prompt")
    host = fl.rows({"n": np.arange(6400)}) >> fl.shuffle() >> fl.batch(128)
    graph = host >> fl.map(refusing) >> fl.to_device("cuda")

    def kept() -> DataError:
        with pytest.raises(DataError) as caught, graph.iterate() as batches:
            list(batches)
        return caught.value

    error = kept()
    assert error.reason == "bad"
    del error
    gc.collect()
    assert not card.locked


def refusing(batch: dict[str, Any]) -> dict[str, Any]:
    if batch["n"].min() < 50:
        raise DataError("bad", where="here")
    return batch


@pytest.mark.parametrize("mode", MODES)
def test_a_driver_that_does_not_page_lock_is_told_once(
    mode: Mode, cards: Install, caplog: pytest.LogCaptureFixture
) -> None:
    card = cards(mode=mode)
    card.refuse_lock = 801
    for _ in range(2):
        read(rows("cuda"), card, on_cpu("rows"))
    card.synchronize()
    assert not card.faults
    told = [line for line in caplog.messages if "does not page-lock memory (CUDA error 801" in line]
    assert len(told) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_leaves_page_locked_memory_where_the_card_reads_it(cards: Install) -> None:
    """The pages that the card reads are those that this process writes, and the child unlocks nothing."""
    card = cards()
    pool = BufferPool()
    array = pool.lease(4096, PageLock(0))
    array[:] = 1
    (read_end, write_end) = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read_end, 1)
        ok = (array == 2).all()  # the same page: no copy was made for the parent's write
        locked = len(card.locked)
        del array
        pool.close()
        os._exit(0 if ok and len(card.locked) == locked else 1)
    array[:] = 2
    os.write(write_end, b".")
    assert os.waitpid(child, 0)[1] == 0
    del array
    pool.close()
    os.close(read_end)
    os.close(write_end)


# --- bounds -----------------------------------------------------------------------------------------


def test_few_copies_are_under_way(cards: Install) -> None:
    """For a reader that never waits, on a card that does nothing by itself."""
    peaks = []
    for count in (2, 8):
        card = cards(mode="lazy")
        host = fl.rows({"x": np.zeros((4096 * count, 64), np.float32)}) >> fl.batch(256)
        with (host >> fl.to_device("cuda")).iterate(seed=1) as batches:
            for _ in batches:
                pass
        peaks.append(card.peak_locked / (256 * 64 * 4))
    assert peaks[1] <= 1.5 * peaks[0]


@pytest.mark.parametrize("mode", MODES)
def test_two_windows_are_on_the_card_and_no_third(mode: Mode, path: str, cards: Install) -> None:
    assert windows_on_card(cards(mode=mode), path) == 2


@pytest.mark.parametrize("lag", [0, 2, 8])
@pytest.mark.parametrize("mode", MODES)
def test_nor_for_a_reader_that_waits_for_its_steps(mode: Mode, lag: int, path: str, cards: Install) -> None:
    card, marks = cards(mode=mode), deque[Any]()
    graph = fl.windows(path, 2048, count=12) >> fl.to_device("cuda", prefetch=1)
    with graph.iterate(seed=1) as batches:
        for batch in batches:
            batch["start"].sum()
            marks.append(torch.cuda.Event())
            marks[-1].record()
            if len(marks) > lag:
                marks.popleft().synchronize()
    del batch, batches
    card.synchronize()
    assert card.memory[0].peak_reserved < 2.1 * WINDOW


def test_a_reader_that_keeps_windows_gets_all_of_them(path: str, cards: Install) -> None:
    card = cards(mode="random")
    graph = fl.windows(path, 2048, count=12) >> fl.to_device("cuda", prefetch=1)
    run, held = graph.iterate(seed=1), list[Any]()
    reader = threading.Thread(target=lambda: held.extend(run), daemon=True)  # not the test's: it may hang
    reader.start()
    reader.join(60)
    assert len(held) == 12
    run.__exit__(None, None, None)
    assert card.memory[0].peak_allocated >= 12 * WINDOW


def test_nor_does_a_loop_wait_for_ever_that_keeps_them(path: str, cards: Install) -> None:
    """The same where the run is in the reader's own loop, and where a map stands between."""

    async def stream() -> int:
        graph = fl.windows(path, 2048, count=12) >> fl.to_device("cuda", prefetch=1) >> fl.map(lambda b: b)
        async with graph.stream(seed=1) as batches:
            return len([batch async for batch in batches])

    cards(mode="random")
    assert anyio.run(stream) == 12


@pytest.mark.slow
def test_a_new_run_reserves_nothing_more(path: str, cards: Install) -> None:
    card = cards(mode="prompt")
    reserved = set()
    for seed in range(6):
        with windows(path, "cuda", size=2048, prefetch=1).iterate(seed=seed) as batches:
            for batch in batches:
                del batch
        reserved.add(card.memory[0].reserved // WINDOW)
    assert len(reserved) == 1


@pytest.mark.parametrize(("nbytes", "most"), [(1000, 20), (1 << 20, 8), (8 << 20, 5), (100 << 20, 2)])
def test_memory_of_small_batches_is_bounded_by_queues(nbytes: int, most: int) -> None:
    assert most * nbytes <= on_the_way(nbytes) <= 2.1 * most * nbytes
    assert on_the_way(nbytes, 1) <= 2.1 * 2 * nbytes
