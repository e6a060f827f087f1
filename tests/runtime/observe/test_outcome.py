"""How a run fares, who takes its batches, who leases its buffers, and what it told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.runtime.observe.process import resident
from tests.runtime.stages import Does, Ints, fan_out, numbers, plus, step


def test_a_run_is_empty_then_goes_on_then_is_over() -> None:
    # More than what is made ahead of its reader: a short one may be over by then.
    with (numbers(600, 2) >> plus(1)).iterate() as batches:
        outcome = batches.stats().outcome
        assert outcome is not None
        assert outcome.kind == "empty"
        next(batches)
        assert batches.stats().outcome is None
        assert len(list(batches)) == 299
        assert batches.stats().outcome == ("over", "", 0.0, "", ())


def test_a_run_that_was_left_or_failed_says_so() -> None:
    with (numbers(600, 2) >> plus(1)).iterate() as batches:
        next(batches)
    left = batches.stats().outcome
    assert left is not None
    assert left.kind == "left"

    def bad(value: Any) -> Any:
        raise ValueError("no such thing")

    graph = fl.source(lambda: iter(range(3))) >> fl.map(bad, workers=1).named("spoilt")
    with graph.iterate() as failing, pytest.raises(ValueError, match="no such thing"):
        next(failing)
    outcome = failing.stats().outcome
    assert outcome is not None
    assert (outcome.kind, outcome.stage) == ("failed", "spoilt")
    assert outcome.text.startswith("ValueError: no such thing; in stage 'spoilt', declared at ")


def test_consumers_are_counted_by_output() -> None:
    split = numbers(40, 2) >> fan_out("a", "b")
    with fl.outputs(a=split["a"], b=split["b"]).iterate() as batches:
        taken = [len(next(batches["a"])), len(next(batches["b"])), len(next(batches["b"]))]
        consumers = batches.stats().consumers
    assert (consumers["a"].samples, consumers["a"].blocks) == (taken[0], 1)
    assert (consumers["b"].samples, consumers["b"].blocks) == (sum(taken[1:]), 2)
    assert consumers["a"].wait >= 0
    assert sum(each.samples for each in consumers.values()) == batches.stats().delivered


def test_leases_are_counted_by_stage() -> None:
    def leases(block: Ints, call: Call) -> Ints:
        memory = call.lease(8 * len(block)).view("<i8")
        memory[:] = block.values
        return Ints(memory)

    with (numbers(50, 5) >> step(lambda: Does(leases), name="one", workers=1)).iterate() as batches:
        held = list(batches)
        stats = batches.stats()
        own = stats.stages["one"].leases
        assert own is not None
        assert own.leased == own.made == stats.buffers_leased == len(held) == 10
        assert own.bytes >= 40 * own.leased
        assert stats.stages["origin"].leases is None
        held.clear()
        rest = batches.stats().stages["one"].leases
        assert rest is not None
        assert rest.leased == 0


def test_what_is_skipped_is_a_warning_once_for_each_source(tmp_path: Path) -> None:
    def check(batch: Any) -> Any:
        raise fl.errors.DataError("odd", where="a.tar: game 3", found="7", wanted="8")

    graph = fl.source(lambda: ({"x": np.zeros(4)} for _ in range(3)), samples=False) >> fl.map(
        check, workers=1, on_error="skip"
    )
    with graph.iterate() as batches:
        assert list(batches) == []
        stats = batches.stats()
    assert stats.warned == len(stats.warnings) == 1
    warning = stats.warnings[0]
    assert (warning.stage, warning.source) == ("map", "a.tar")
    assert "odd" in warning.what
    assert 0 <= warning.at <= stats.elapsed
    made = json.loads(json.dumps(stats.as_json()))
    assert made["warnings"][0]["stage"] == "map"
    assert made["outcome"]["kind"] == "over"


def test_the_memory_of_the_process_is_known_or_nothing(tmp_path: Path) -> None:
    with numbers(6, 2).iterate() as batches:
        assert batches.stats().memory_rss > 1 << 20 or not Path("/proc/self/statm").exists()
    assert resident(tmp_path / "none") == 0
    (tmp_path / "odd").write_text("7")
    assert resident(tmp_path / "odd") == 0
