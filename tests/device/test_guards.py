"""Negative controls: each guard that is taken out is found by the simulated cards."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.blocks import Batch
from flowload.graph import Graph
from flowload.runtime.memory.mapping import PinnedMap
from flowload.stages.device import card_memory, cuda, neighbours, on_card, under_way
from flowload.stages.user import blocks_of_values as values
from flowload.stages.wiring import tee
from tests.device.conftest import Install
from tests.device.flows import FLOWS, check, read, record, rows, windows
from tests.device.simulated.cards import MODES, Cards
from tests.device.simulated.tensors import CardTensor
from tests.device.test_flows import on_cpu

Patch = pytest.MonkeyPatch


def taken_out(patch: Patch, cards: Install, graph: Callable[[], Graph], reader: str = "plain") -> list[str]:
    """Faults that show in any mode, of a graph whose batches are those of "rows"."""
    found: list[str] = []
    for mode in MODES:
        card = cards(mode=mode)
        read(graph(), card, on_cpu("rows"), reader)
        card.synchronize()
        found += card.faults
    return found


def forgotten(batch: Any, **changes: Any) -> Batch:
    """`replace` that makes a plain batch, as if nothing had to be waited for."""
    own = {field.name: getattr(batch, field.name) for field in fields(Batch)}
    return Batch(**{**own, **changes})


def test_what_a_copy_reads_must_be_kept(monkeypatch: Patch, cards: Install) -> None:
    monkeypatch.setattr(under_way.Underway, "add", lambda self, done, source, **how: None)
    assert taken_out(monkeypatch, cards, lambda: rows("cuda"))


@pytest.mark.slow
def test_what_a_copy_reads_must_be_kept_when_the_next_one_fails(monkeypatch: Patch, cards: Install) -> None:
    real = under_way.Underway.add
    monkeypatch.setattr(
        under_way.Underway,
        "add",
        lambda self, done, source, **how: None if sys.exc_info()[0] else real(self, done, source, **how),
    )
    found = []
    for mode in MODES:
        card = cards(mode=mode)
        card.fails_at = 22
        with pytest.raises(torch.OutOfMemoryError):
            read(rows("cuda"), card, on_cpu("rows"))
        gc.collect()
        card.synchronize()
        found += card.faults
    assert found


def test_the_consumers_stream_must_wait(monkeypatch: Patch, cards: Install) -> None:
    real = on_card.hand_over
    monkeypatch.setattr(on_card, "hand_over", lambda tensors, ready, copies=(): real(tensors, (), copies))
    assert taken_out(monkeypatch, cards, lambda: rows("cuda"))


def test_the_allocator_must_know_the_consumers_stream(monkeypatch: Patch, cards: Install) -> None:
    monkeypatch.setattr(CardTensor, "record_stream", lambda self, stream: None)
    assert taken_out(monkeypatch, cards, lambda: rows("cuda"))


def test_a_tee_must_keep_what_to_wait_for(monkeypatch: Patch, cards: Install) -> None:
    monkeypatch.setattr(tee, "replace", forgotten)
    assert taken_out(monkeypatch, cards, lambda: FLOWS["tee"]("cuda"))


def test_what_a_map_made_must_be_waited_for(monkeypatch: Patch, cards: Install) -> None:
    monkeypatch.setattr(values, "on_card", lambda block: block)
    assert taken_out(monkeypatch, cards, lambda: FLOWS["map"]("cuda"), "side")


@pytest.mark.slow
def test_arrays_that_stay_whole_must_keep_it_too(monkeypatch: Patch, cards: Install, tmp_path: Any) -> None:
    monkeypatch.setattr(values, "replace", forgotten)
    assert of_windows(cards, str(tmp_path), lambda path: windows(path, "cuda") >> fl.map(lambda b: b), "side")


@pytest.mark.slow
def test_what_is_sampled_there_must_be_waited_for(monkeypatch: Patch, cards: Install, tmp_path: Any) -> None:
    monkeypatch.setattr(neighbours, "wrapped", lambda batch: batch)

    def graph(path: str) -> Graph:
        return fl.windows(path, 512, count=8) >> fl.to_device("cuda") >> fl.sample_within(64, steps=8)

    assert of_windows(cards, str(tmp_path), graph)


def of_windows(
    cards: Install, folder: str, graph: Callable[[str], Graph], reader: str = "plain"
) -> list[str]:
    """Faults that show in any mode."""
    path, found = record(folder), []
    with windows(path, "cpu").iterate(seed=1) as batches:
        wanted = [[np.asarray(leaf).copy() for leaf in batch.values()] for batch in batches]
    for mode in MODES:
        card = cards(mode=mode)
        read(graph(path), card, wanted, reader)
        card.synchronize()
        found += card.faults
    return found


def test_an_event_belongs_to_the_tensors_card(monkeypatch: Patch, cards: Install) -> None:
    """Recorded on the current card, where nothing is queued, it says that all is done."""

    def events(tensors: Any) -> Any:
        event = torch.cuda.Event()
        event.record()
        return (event,) if list(tensors) else ()

    monkeypatch.setattr(on_card, "events_of", events)
    found = []
    for mode in MODES:
        card = cards(2, mode=mode)
        card.consumer = card.new_stream(1)
        graph = rows("cuda:1") >> fl.filter(lambda batch: np.arange(len(batch["n"])) % 2 == 0)
        with graph.iterate(seed=1) as batches, card.using(0), card.using(1, card.consumer):
            for number, batch in enumerate(batches):
                check(batch, on_cpu("mask")[number], number)
        card.synchronize()
        found += card.faults
    assert found


@pytest.mark.slow
def test_tensors_that_come_in_must_be_waited_for(monkeypatch: Patch, cards: Install) -> None:
    monkeypatch.setattr(cuda.ToCuda, "take", lambda self, batch: None)
    found = []
    for mode in MODES:
        card = cards(mode=mode)
        read(FLOWS["kernels"]("cuda") >> fl.to_device("cuda"), card, on_cpu("kernels"), "side")
        card.synchronize()
        found += card.faults
    assert found


def bad(batch: dict[str, Any]) -> dict[str, Any]:
    """A map that fails now and then."""
    if batch["n"].min() < 3:
        raise ValueError("a mistake of the user's")
    return batch


def failing(seed: int) -> None:
    """A run that fails while batches are under way."""
    graph = fl.rows({"n": np.arange(6400)}) >> fl.shuffle() >> fl.batch(64) >> fl.map(bad)
    with (graph >> fl.to_device("cuda")).iterate(seed=seed) as batches:
        for _ in batches:
            pass


def locked_after(card: Cards, runs: int = 6) -> int:
    """Page-locks that are left by runs whose map fails."""
    for seed in range(runs):
        with suppress(ValueError):
            failing(seed)
    gc.collect()
    return len(card.locked)


def test_page_locks_must_end_with_their_memory(monkeypatch: Patch, cards: Install) -> None:
    card = cards(mode="prompt")
    monkeypatch.setattr(PinnedMap, "__del__", lambda self: None)
    assert locked_after(card)
    card.locked.clear()


def test_room_on_the_card_must_be_asked_for(monkeypatch: Patch, cards: Install, tmp_path: Any) -> None:
    monkeypatch.setattr(card_memory.CardMemory, "room", lambda self, sizes: True)
    card = cards(mode="prompt")
    cut = fl.windows(record(str(tmp_path), 8192, 256), 2048, count=12) >> fl.to_device("cuda", prefetch=1)
    with cut.iterate(seed=1) as batches:
        first = next(batches)
        while card.memory[0].allocated < 2.9 * 2048 * 256 * 4:  # it comes: nothing holds it back
            sleep(0)
        assert first


def test_the_consumer_must_be_done_with_memory_that_is_used_again(
    monkeypatch: Patch, cards: Install, tmp_path: Any
) -> None:
    monkeypatch.setattr(card_memory.CardMemory, "wait", lambda self, sizes: None)
    assert windows_on_card(cards(mode="lazy"), record(str(tmp_path), 8192, 256)) > 2


def windows_on_card(card: Cards, path: str, *, process: bool = False) -> float:
    """The most windows of 2 MiB that were on the card at once, for a reader that only queues."""
    size, nbytes = 2048, 2048 * 256 * 4
    cut = fl.windows(path, size, count=12) >> fl.sample_within(64, steps=8, per_window=2)
    graph = cut >> fl.to_device("cuda", prefetch=1)
    with graph.iterate(seed=1, process=process) as batches:
        for batch in batches:
            batch["start"].sum()  # a kernel
    del batch, batches
    card.synchronize()
    return card.memory[0].peak_reserved / nbytes // 0.5 * 0.5


def test_all_runs_must_share_a_stream(monkeypatch: Patch, cards: Install) -> None:
    card = cards(mode="prompt")
    monkeypatch.setattr(cuda, "copy_stream", torch.cuda.Stream)
    reserved = []
    for _ in range(3):
        read(rows("cuda"), card, on_cpu("rows"), "slow")
        reserved.append(card.memory[0].reserved)
    assert reserved[0] < reserved[1] < reserved[2]
