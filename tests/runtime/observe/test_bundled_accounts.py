from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import LedgerError
from flowload.graph import Graph
from flowload.observe.ledger import Passage
from flowload.runtime.faces import asynchronous as stream
from flowload.runtime.faces import blocking as bridge
from flowload.runtime.faces.handoff import Handoff
from flowload.stages.batches import bundle as bundling
from tests.runtime.reading import Face


def small_batches() -> Graph:
    return fl.rows({"x": np.arange(1000)}) >> fl.batch(10)


def test_small_batches_travel_together() -> None:
    """Else nothing here would be tried."""
    with small_batches().iterate() as run:
        assert sum(len(batch["x"]) for batch in run) == 1000
        assert run.stats().stages["batch"].blocks_out < 50


def test_a_batch_that_a_bundle_loses_is_told(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = bundling.parts
    monkeypatch.setattr(bundling, "parts", lambda *args: list(parts(*args))[1:])
    with pytest.raises(LedgerError, match=r"between output 'out' and the reader of 'out': 1,000 given"):
        face.read(small_batches())


def test_a_batch_that_a_bundle_doubles_is_told(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = bundling.parts
    monkeypatch.setattr(bundling, "parts", lambda *args: [*parts(*args), *parts(*args)][:-1])
    with pytest.raises(LedgerError, match=r"between output 'out' and the reader of 'out': 1,000 given"):
        face.read(small_batches())


def test_a_batch_that_is_lost_where_bundles_part_is_told(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stream, bridge):
        parts = stream.parts_of
        monkeypatch.setattr(module, "parts_of", lambda block, parts=parts: list(parts(block))[:-1] or [block])
    with pytest.raises(LedgerError, match=r"between output 'out' and the reader of 'out': 1,000 given"):
        face.read(small_batches())


def test_a_batch_that_the_hand_over_loses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand = Handoff.next_part
    monkeypatch.setattr(Handoff, "next_part", lambda self: at_hand(self) and at_hand(self))
    with pytest.raises(LedgerError, match=r"the reader of 'out'"), small_batches().iterate() as run:
        for _ in run:
            pass


def test_a_run_that_goes_on_counts_what_it_skips(face: Face) -> None:
    state: list[Any] = []

    def some(batch: Any, run: Any) -> bool:
        state.append(run.state_dict())
        return len(state) < 17

    face.use(small_batches(), some)
    got = face.read(small_batches(), state=state[-1])
    assert [int(batch["x"][0]) for batch in got] == list(range(170, 1000, 10))


def test_of_several_threads_nobody_is_told_too_early() -> None:
    """One may have taken a batch, and not counted it, when another finds the end: nobody asks then."""
    with small_batches().iterate() as run:
        next(run)
        handoff = run._loop_thread.handoffs["out"]  # type: ignore[attr-defined]  # of the synchronous face
        handoff.note_reader(-1)
        assert not handoff.one_reader()
        monkey = handoff.next_part
        handoff.next_part = lambda: monkey() and monkey()
        assert sum(len(batch["x"]) for batch in run) < 990


def test_a_passage_names_both_sides_and_all_numbers() -> None:
    assert Passage("a", "b", 5, 5, 3, 2).wrong == ""
    assert Passage("a", "b", 5, 5, 5, 2).wrong == ("between a and b: 5 given, 5 queued, 5 taken, 2 waiting")
    assert Passage("a", "b", 6, 5, 5).wrong.startswith("between a and b: 6 given, 5 queued")
    assert Passage("a", "b", 5, 5, 5, in_order=False).wrong == "between a and b: blocks out of order"
