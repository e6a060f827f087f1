from __future__ import annotations

import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from flowload.abc.operators import Setting
from flowload.blocks import Batch
from flowload.errors import FlowloadError, GraphError
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device import find_card, page_lock
from flowload.stages.device.cuda import ToCuda
from flowload.stages.device.find_card import find_gpu
from flowload.stages.device.page_lock import PageLock
from flowload.stages.device.to_device import ToDeviceStage
from flowload.stages.device.under_way import Underway
from tests.stages.fakes import FakeCall

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
SETTING = Setting(seed=0, epochs=1, cpus=2)


class Done:
    """An event that completes when the test says so."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.done = False
        self.log = [] if log is None else log

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.done = True
        self.log.append("waited")

    def record(self, stream: object = None) -> None:
        self.log.append(f"recorded in {stream}")


class Source:
    """Something to keep alive."""


# --- which GPU --------------------------------------------------------------------------------------


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two cards that torch says it has."""
    state = SimpleNamespace(count=2, current=0, initialised=True)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: state.count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: state.count)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: state.current)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: state.initialised)
    monkeypatch.setattr(find_card, "SETTLED", set())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda k: f"Card {k}")
    return state


@pytest.mark.parametrize(
    ("target", "current", "rank", "index"),
    [
        ("auto", 0, None, 0),
        ("cuda", 1, None, 1),
        ("auto", 1, None, 1),
        ("cuda:0", 1, "1", 0),
        ("cuda:1", 0, None, 1),
        ("cuda", 0, "1", 1),
        ("auto", 0, "1", 1),
        ("cuda", 1, "0", 1),
        ("cuda", 0, "7", 0),
        ("cuda", 0, "x", 0),
    ],
)
def test_which_card(
    cards: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    current: int,
    rank: str | None,
    index: int,
) -> None:
    cards.current = current
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert find_gpu(target) == index


def test_the_first_card_is_nobodys_choice_before_cuda_is_initialised(
    cards: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """torch initialises it when a card is chosen; and flowload does, so later runs must not warn either."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    cards.initialised = False
    assert find_gpu("cuda") == 1
    cards.initialised = True
    assert find_gpu("cuda") == 1
    assert not caplog.messages


def test_a_first_card_that_may_have_been_chosen_is_told_once(
    cards: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert [find_gpu("cuda"), find_gpu("auto", 0), find_gpu("cuda:0")] == [1, 1, 0]
    (told,) = caplog.messages
    assert "takes cuda:1, for LOCAL_RANK is 1, though cuda:0 is current" in told
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert find_gpu("cuda") == 0
    assert len(caplog.messages) == 1


def test_a_card_that_is_not_there_is_named_with_those_that_are(cards: SimpleNamespace) -> None:
    with pytest.raises(
        GraphError, match=r"is 'cuda:2', but torch .* finds cuda:0 \(Card 0\), cuda:1 \(Card 1\)"
    ):
        find_gpu("cuda:2")


def test_auto_without_a_card_is_the_cpu(cards: SimpleNamespace) -> None:
    cards.count = 0
    assert find_gpu("auto") is None


@pytest.mark.parametrize("target", ["cuda", "cuda:0"])
def test_cuda_without_a_card_is_an_error(
    cards: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    cards.count = 0
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    with pytest.raises(
        GraphError, match="no GPU: it is built for the CPU alone; install a build for CUDA or ROCm"
    ):
        find_gpu(target)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(GraphError, match="finds no GPU; check the driver"):
        find_gpu(target)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(GraphError, match=r"finds no GPU \(CUDA_VISIBLE_DEVICES is ''\)"):
        find_gpu(target)
    with pytest.raises(GraphError, match="finds no GPU"):
        ToDeviceStage(target=target).device(SETTING)
    with pytest.raises(GraphError, match="finds no GPU"):
        ToDeviceStage(target=target).open(SETTING)


def test_amds_cards_are_cuda_to_torch_and_are_hidden_by_other_words(
    cards: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert find_gpu("auto") == find_gpu("cuda") == 0
    cards.count = 0
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "")
    with pytest.raises(GraphError, match=r"finds no GPU \(HIP_VISIBLE_DEVICES is ''\); check the driver"):
        find_gpu("cuda:0")


# --- page-locking -----------------------------------------------------------------------------------


class Driver:
    """What torch.cuda.cudart() gives."""

    def __init__(self) -> None:
        self.locked: dict[int, int] = {}
        self.code = 0

    def cudaHostRegister(self, start: int, nbytes: int, flags: int) -> int:  # noqa: N802
        assert flags == page_lock.PORTABLE
        if not self.code:
            self.locked[start] = nbytes
        return self.code

    def cudaHostUnregister(self, start: int) -> int:  # noqa: N802
        if not self.code:
            del self.locked[start]
        return self.code


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(torch.cuda, "cudart", lambda: made)
    monkeypatch.setattr(torch.cuda, "device", lambda index: nullcontext())
    return made


def test_leases_for_a_card_are_page_locked_once(driver: Driver) -> None:
    pool = BufferPool()
    for _ in range(5):
        array = pool.lease(5000, PageLock(0))
        start = array.ctypes.data
        del array
    assert driver.locked == {start: 8192}
    pool.close()
    assert not driver.locked


def test_a_driver_that_refuses_is_told_once_and_memory_stays_pageable(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.code = 801
    page_lock.TOLD.clear()
    pool = BufferPool()
    held = [pool.lease(5000, PageLock(1)) for _ in range(3)]
    assert len(caplog.messages) == 1
    assert "cuda:1: the driver does not page-lock memory (CUDA error 801" in caplog.messages[0]
    driver.code = 713  # whoever released them now would be told
    held.clear()
    pool.close()
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("code", page_lock.CAPTURING)
def test_page_locking_while_a_graph_is_captured_is_an_error(driver: Driver, code: int) -> None:
    driver.code = code
    with pytest.raises(FlowloadError, match='capture_error_mode="thread_local"'):
        BufferPool().lease(5000, PageLock(0))


def test_memory_that_is_not_released_is_logged(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    pool = BufferPool()
    held = pool.lease(10, PageLock(1)), pool.lease(10, PageLock(1))
    driver.code = 700
    del held
    pool.close()
    assert caplog.messages == ["cuda:1: could not release page-locked memory: CUDA error 700"] * 2


def test_a_driver_that_is_gone_already_has_released_everything(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.code = page_lock.UNLOADING
    PageLock(0).unregister(np.zeros(4, np.uint8))
    assert not caplog.messages


def test_equal_cards_share_memory(driver: Driver) -> None:
    assert PageLock(0) == PageLock(0)
    assert PageLock(0) != PageLock(1)
    assert hash(PageLock(0)) == hash(PageLock(0))


# --- what a copy reads stays alive ------------------------------------------------------------------


def test_a_source_lives_until_its_copy_is_done() -> None:
    underway, events = Underway(10), [Done() for _ in range(3)]
    gone: list[int] = []
    for k, event in enumerate(events):
        source = Source()
        weakref.finalize(source, gone.append, k)
        underway.add(event, source)
        del source
    assert gone == []
    events[1].done = True  # not the oldest: a stream completes in order, so nobody asks
    underway.add(Done(), None)
    assert gone == []
    events[0].done = True
    underway.add(Done(), None)
    assert gone == [0, 1]
    underway.finish()
    assert gone == [0, 1, 2]
    assert events[2].done


def test_no_more_copies_are_under_way_than_may_be() -> None:
    underway, events = Underway(2), [Done() for _ in range(4)]
    for event in events:
        underway.add(event, None)
    assert [event.done for event in events] == [True, True, False, False]


# --- on a real card ---------------------------------------------------------------------------------


@needs_gpu
def test_page_locked_memory_is_what_torch_calls_pinned() -> None:
    pool = BufferPool()
    tensor = torch.from_numpy(pool.lease(1 << 20, PageLock(0)))
    assert tensor.is_pinned()
    del tensor
    pool.close()


@needs_gpu
def test_batches_arrive_as_they_were() -> None:
    pool = BufferPool()
    declared = ToDeviceStage(target="cuda:0")
    (operator,) = declared.open(SETTING)
    assert isinstance(operator, ToCuda)
    rng = np.random.default_rng(0)
    batches, wanted = [], []
    for _ in range(20):
        x = pool.lease(4 << 20, declared.device(SETTING)).view(np.float32)
        x[:] = rng.random(x.size, np.float32)
        wanted.append(x.copy())
        batches.append(
            operator.copy(Batch({"x": x.reshape(64, -1), "n": np.arange(64, dtype=np.uint64)}), FakeCall())
        )
        del x
    for batch, x in zip(batches, wanted, strict=True):
        assert len(batch) == 64
        part = batch.select(np.array([3, 5])).deliver()
        given = batch.deliver()
        assert given["x"].device == torch.device("cuda", 0)
        assert np.array_equal(given["x"].cpu().numpy().ravel(), x)
        assert np.array_equal(part["x"].cpu().numpy(), x.reshape(64, -1)[[3, 5]])
    operator.close()
    assert pool.stats().leased == 0
    pool.close()


@needs_gpu
def test_a_copy_does_not_wait_for_the_consumers_kernels() -> None:
    # The consumer's stream is kept busy until the test says so: the copy must be done before that.
    (operator,) = ToDeviceStage(target="cuda:0").open(SETTING)
    assert isinstance(operator, ToCuda)
    host = torch.from_numpy(BufferPool().lease(1 << 20, PageLock(0)))
    torch.cuda._sleep(2_000_000_000)
    busy = torch.cuda.Event()
    busy.record()
    batch = operator.copy(Batch({"x": host}), FakeCall())
    batch.ready[0].synchronize()
    assert not busy.query()
    batch.deliver()
    torch.cuda.synchronize()
    operator.close()
