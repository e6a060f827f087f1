"""CUDA graphs that somebody captures beside a run."""

from __future__ import annotations

import gc
import threading

import pytest

from flowload.errors import FlowloadError
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device.page_lock import PageLock
from tests.device.conftest import Install
from tests.device.flows import read, rows
from tests.device.simulated.cards import MODES, Mode
from tests.device.test_flows import on_cpu


def test_a_capture_that_is_the_threads_own_does_no_harm(cards: Install) -> None:
    card = cards(mode="prompt")
    with rows("cuda", 8).iterate(seed=1) as batches:
        next(batches)
        with card.capturing("thread_local"):
            for _ in batches:
                pass
    assert not card.faults


@pytest.mark.parametrize("mode", MODES)
def test_a_capture_that_forbids_calls_says_what_to_do(
    mode: Mode, cards: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """And what cannot be released meanwhile stays, until the next run may."""
    card = cards(mode=mode)
    wanted = r'torch.cuda.graph\(..., capture_error_mode="thread_local"\)'
    with rows("cuda", 8).iterate(seed=1) as batches:
        next(batches)
        with card.capturing("global"):
            with pytest.raises(FlowloadError, match=wanted):
                list(batches)
            for thread in threading.enumerate():  # the run ends by itself, while the graph is captured
                if thread.name == "flowload-loop":
                    thread.join(60)
            assert card.locked
    del batches  # it keeps the error, whose traceback keeps what was being copied
    assert not caplog.messages
    read(rows("cuda"), card, on_cpu("rows"))
    gc.collect()
    card.synchronize()
    assert not card.locked
    assert all(fault.endswith("during a capture") for fault in card.faults)


def test_memory_that_a_capture_keeps_locked_is_not_unmapped(cards: Install) -> None:
    card, pool = cards(), BufferPool()
    array = pool.lease(4096, PageLock(0))
    start = array.ctypes.data
    with card.capturing("global"):
        del array
        pool.close()
        del pool
        gc.collect()
        assert list(card.locked) == [start]
        assert BufferPool().lease(4096).ctypes.data != start  # it is still somebody's
    BufferPool().lease(4096, PageLock(0))
    assert start not in card.locked
