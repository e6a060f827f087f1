"""A run in a process of its own whose batches go to a card: its reader copies them, of the memory of both."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections import deque
from itertools import islice
from typing import Any, cast

import anyio
import numpy as np
import pytest
import torch

import flowload as fl
from flowload.errors import FlowloadError, GraphError, ProcessDied
from flowload.graph import Graph
from flowload.runtime.child.inbox import Inbox
from flowload.runtime.memory.mapping import release_late
from flowload.stages.device.cuda import ToCuda
from flowload.stages.device.reader.numbered import NumberedTensors
from flowload.stages.device.under_way import Underway
from tests.device.conftest import Install
from tests.device.flows import FLOWS, READERS, check, read, record, rows, windows
from tests.device.simulated.cards import MODES, Mode
from tests.device.test_flows import on_cpu
from tests.device.test_guards import windows_on_card
from tests.runtime.child import functions

pytestmark = pytest.mark.slow  # processes

COUNT, EPOCHS = 40, 20  #: batches of a pass, and passes: 100 MiB, of which less than half lie ahead
BATCH = 16 << 13  #: bytes


def large(device: str, **options: Any) -> Graph:
    """Batches of 128 KiB, in another order in each pass: memory that is used again has other numbers."""
    values = np.arange(BATCH // 4 * COUNT, dtype=np.float32).reshape(-1, 1 << 11)
    return fl.rows({"x": values}) >> fl.shuffle() >> fl.batch(16) >> fl.to_device(device, **options)


def inbox_of(batches: Any) -> Inbox:
    """Where a run's batches come in."""
    found: Inbox = batches._connection.inboxes["out"]
    return found


@pytest.fixture(scope="module")
def wanted() -> list[list[Any]]:
    """What they should be."""
    with large("cpu").iterate(epochs=EPOCHS) as batches:
        return [[batch["x"].numpy().copy()] for batch in batches]


@pytest.mark.covering
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mode", MODES)
def test_memory_is_page_locked_here_and_used_again_there_when_its_copy_is_done(
    mode: Mode, reader: str, cards: Install, wanted: list[list[Any]]
) -> None:
    card = cards(mode=mode)
    with large("cuda").iterate(epochs=EPOCHS, process=True) as batches:
        READERS[reader](card, iter(batches), wanted)
        if reader not in ("breaks", "holds"):
            assert card.registered
    card.synchronize()
    assert not card.faults
    assert card.checks >= (4 if reader == "breaks" else EPOCHS * COUNT)
    assert not card.locked


def test_the_control_memory_that_is_given_back_before_its_copy(
    cards: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody keeps what copies read: then the other process writes to it."""

    def add(underway: Underway, done: Any, source: list[object], *, at_once: bool = False) -> None:
        del underway, done, at_once
        source.clear()

    monkeypatch.setattr(Underway, "add", add)
    card = cards(mode="lazy")
    with large("cpu").iterate(epochs=None) as right, large("cuda").iterate(epochs=None, process=True) as run:
        for number, (batch, other) in enumerate(zip(run, right, strict=False)):
            check(batch, [other["x"].numpy()], number)
            if card.faults or number > 5000:
                break
    assert card.faults


@pytest.mark.covering
@pytest.mark.parametrize("name", ["rows", "small", "molecules", "pairs", "chess", "games", "physnet"])
@pytest.mark.parametrize("mode", MODES)
def test_every_graph_gives_what_it_gives_on_the_cpu(name: str, mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    read(FLOWS[name]("cuda"), card, on_cpu(name), process=True)
    card.synchronize()
    assert not card.faults
    assert card.checks >= len(on_cpu(name))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(str(tmp_path_factory.mktemp("recording")))


@pytest.mark.covering
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mode", MODES)
def test_windows_that_batches_share_are_copied_once(
    mode: Mode, reader: str, path: str, cards: Install
) -> None:
    with windows(path, "cpu", count=24).iterate(seed=1) as batches:
        wanted = [[np.asarray(leaf).copy() for leaf in batch.values()] for batch in batches]
    card = cards(mode=mode)
    read(windows(path, "cuda", count=24), card, wanted, reader, process=True)
    card.synchronize()
    assert not card.faults
    if reader != "breaks":
        own = sum(1 for batch in wanted for leaf in batch if np.shape(leaf)[:1] == (64,))
        assert card.copies < own + 24 * 6, "of each batch its own arrays, of each window its few"


# --- room -------------------------------------------------------------------------------------------


def test_what_there_was_no_room_for_is_copied_as_soon_as_the_reader_lets_go(
    cards: Install, wanted: list[list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does something else: nobody asks for a batch."""
    card, queued, queue = cards(mode="prompt"), threading.Semaphore(0), ToCuda.queue

    def told(copies: ToCuda, batch: Any) -> Any:
        made = queue(copies, batch)
        queued.release()
        return made

    monkeypatch.setattr(ToCuda, "queue", told)
    with large("cuda", prefetch=1).iterate(epochs=EPOCHS, process=True) as batches:
        last = next(batches)
        for number in range(1, 8):
            before, last = last, next(batches)
            check(last, wanted[number], number)
            inbox = inbox_of(batches)
            while not inbox.came:  # until the next has come
                inbox.receive(wait=True)
            assert inbox.ahead_of is not None
            for waits in (True, False):  # what was not there when the last one was taken was not tried yet
                inbox.ahead_of.go_on(waits=waits)
            del before
            while card.copies < number + 2:
                assert queued.acquire(timeout=60), "nobody copies ahead"
    card.synchronize()
    assert not card.faults


def test_little_of_the_card_is_taken(cards: Install, wanted: list[list[Any]]) -> None:
    card, marks = cards(mode="random"), deque[Any]()
    with large("cuda", prefetch=1).iterate(epochs=EPOCHS, process=True) as batches:
        for number, batch in enumerate(batches):
            check(batch, wanted[number], number)
            marks.append(torch.cuda.Event())
            marks[-1].record()
            if len(marks) > 2:
                marks.popleft().synchronize()
    card.synchronize()
    assert not card.faults
    assert card.memory[0].peak_reserved <= 3 * BATCH


@pytest.mark.parametrize("mode", ["lazy", "prompt"])
def test_two_windows_are_on_the_card_and_no_third(mode: Mode, wide: str, cards: Install) -> None:
    assert windows_on_card(cards(mode=mode), wide, process=True) <= 2


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(str(tmp_path_factory.mktemp("wide")), 8192, 256)


def test_windows_in_turn_are_kept_when_they_come_again() -> None:
    """The budget grows by what was let go in vain."""
    card = torch.device("cpu")
    kept = NumberedTensors(card, budget=1000)
    arrays = [np.full(200, k) for k in range(3)]
    for array in arrays:
        array.flags.writeable = False
    made = []
    for _ in range(4):
        for number, array in enumerate(arrays):
            view = array[:]
            kept.at_work({"x": view}, {"x": number})
            made.append(kept.get(view, "x"))
            assert made[-1].tolist() == array.tolist()
    found = {id(tensor) for tensor in made[-6:]}
    assert len(found) == 3, "the last two rounds copied nothing"
    kept.at_work({"x": arrays[0]}, {})
    assert not kept.knows(arrays[0])


# --- ends -------------------------------------------------------------------------------------------


def test_a_full_card_is_an_error_of_the_stage_and_the_batch_comes_again(
    cards: Install, wanted: list[list[Any]]
) -> None:
    card = cards(mode="lazy")
    with large("cuda", prefetch=0).iterate(epochs=EPOCHS, process=True) as batches:
        for number in range(EPOCHS * COUNT):
            if number == 70:
                card.fails_at = card.copies + 1
                state = batches.state_dict()["delivered"]
                with pytest.raises(torch.OutOfMemoryError) as caught:
                    next(batches)
                assert "in stage 'to_device', declared at" in caught.value.__notes__[0]
                assert batches.state_dict()["delivered"] == state == {"out": 70}
                card.fails_at = None
            batch = next(batches)  # while the last one is held: this one was not copied ahead
            check(batch, wanted[number], number)
    card.synchronize()
    assert not card.faults


def test_what_cannot_be_copied_ahead_is_tried_again_when_it_is_due(
    cards: Install, wanted: list[list[Any]]
) -> None:
    card = cards(mode="late")
    with large("cuda").iterate(epochs=EPOCHS, process=True) as batches:
        for number, batch in enumerate(batches):
            card.fails_at = card.copies + 1 if number % 5 == 0 else None
            check(batch, wanted[number], number)
            ahead = inbox_of(batches).ahead_of
            assert ahead is not None
            ahead.go_on()
            card.fails_at = None
    assert number == EPOCHS * COUNT - 1
    card.synchronize()
    assert not card.faults


def test_a_process_that_is_killed(cards: Install, wanted: list[list[Any]]) -> None:
    card = cards(mode="random")
    with large("cuda").iterate(epochs=None, process=True) as batches:
        for number in range(50):
            check(next(batches), wanted[number], number)
        os.kill(cast("Any", batches)._connection.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="killed by SIGKILL"):
            list(batches)
    card.synchronize()
    assert not card.faults
    assert not card.locked


def test_an_error_of_the_run(cards: Install) -> None:
    card = cards(mode="random")
    graph = fl.source(functions.refuses) >> fl.batch(2) >> fl.to_device("cuda")
    with pytest.raises(GraphError, match="not in this process"), graph.iterate(process=True) as batches:
        next(batches)
    assert not card.locked


def test_page_locks_that_a_capture_keeps_are_undone_later_and_their_memory_stays(
    cards: Install, wanted: list[list[Any]]
) -> None:
    card = cards(mode="prompt")
    with large("cuda").iterate(epochs=EPOCHS, process=True) as batches:
        for _ in batches:
            pass
        locked = dict(card.locked)
        assert locked
        with card.capturing("global"):
            batches.close()
            assert card.locked == locked
    read(large("cuda"), card, wanted[:COUNT], seed=0, process=True)
    gc.collect()
    release_late()
    card.synchronize()
    assert not card.locked
    assert not card.faults


def test_a_capture_that_forbids_copies_says_what_to_do(cards: Install, wanted: list[list[Any]]) -> None:
    card = cards(mode="prompt")
    with large("cuda", prefetch=0).iterate(epochs=EPOCHS, process=True) as batches:
        for number in range(60):
            batch = next(batches)  # while the last one is held: this one was not copied ahead
            check(batch, wanted[number], number)
        told = r'torch.cuda.graph\(..., capture_error_mode="thread_local"\)'
        with card.capturing("global"), pytest.raises(FlowloadError, match=told):
            next(batches)
        for number in range(60, EPOCHS * COUNT):
            check(next(batches), wanted[number], number)
    assert all(fault.endswith("during a capture") for fault in card.faults)


def test_a_driver_that_does_not_page_lock(
    cards: Install, wanted: list[list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    card = cards(mode="late")
    card.refuse_lock = 801
    with large("cuda").iterate(epochs=EPOCHS, process=True) as batches:
        READERS["plain"](card, iter(batches), wanted)
    card.synchronize()
    assert not card.faults
    told = [line for line in caplog.messages if "does not page-lock memory (CUDA error 801" in line]
    assert len(told) == 1


def test_a_card_that_is_absent_is_told_before_anything_runs(cards: Install) -> None:
    cards(count=1)
    with pytest.raises(GraphError, match="finds cuda:0"), rows("cuda:1").iterate(process=True) as batches:
        next(batches)


# --- places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["lazy", "prompt"])
def test_in_an_event_loop(mode: Mode, cards: Install, wanted: list[list[Any]]) -> None:
    card = cards(mode=mode)

    async def stream() -> int:
        number = -1
        async with large("cuda", prefetch=1).stream(epochs=EPOCHS, process=True) as batches:
            async for batch in batches:
                number += 1
                check(batch, wanted[number], number)
        return number

    assert anyio.run(stream) == EPOCHS * COUNT - 1
    card.synchronize()
    assert not card.faults
    assert card.registered
    assert not card.locked


def test_outputs_on_several_cards_share_memory(cards: Install, wanted: list[list[Any]]) -> None:
    card = cards(2, mode="random")
    values = np.arange(BATCH // 4 * COUNT, dtype=np.float32).reshape(-1, 1 << 11)
    split = fl.rows({"x": values}) >> fl.shuffle() >> fl.batch(16) >> fl.tee("a", "b")
    graph = fl.outputs(a=split["a"] >> fl.to_device("cuda:0"), b=split["b"] >> fl.to_device("cuda:1"))
    torch.cuda.set_device(0)
    with graph.iterate(epochs=EPOCHS, process=True) as run:
        others = run["b"]
        for number, batch in enumerate(run["a"]):
            check(batch, wanted[number], number)
            other = next(others)
            assert [batch["x"].device.index, other["x"].device.index] == [0, 1]
            with card.using(1):
                check(other, wanted[number], number)
    card.synchronize()
    assert not card.faults
    assert card.registered
    assert not card.locked


def test_auto_is_the_readers_card_and_its_state_that_of_any_run(
    cards: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = cards(2, mode="prompt")
    monkeypatch.setattr(sys.modules["flowload.stages.device.to_device"], "may_have_gpu", lambda: True)
    torch.cuda.set_device(1)
    with rows("auto").iterate(seed=1, process=True) as batches:
        for batch in islice(batches, 5):
            assert batch["x"].device == torch.device("cuda", 1)
        state = batches.state_dict()
    with rows("cpu").iterate(seed=1) as others:
        for _ in range(5):
            next(others)
        assert others.state_dict() == state
    with rows("cuda").iterate(seed=1, state=state, process=True) as batches, card.using(1):
        for number, batch in enumerate(batches, 5):
            check(batch, on_cpu("rows")[number], number)
    torch.cuda.set_device(0)
    card.synchronize()
    assert not card.faults
