"""The tasks of a run as they end early: the contract's lines that no public call brings about."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from flowload.graph import Graph, outputs
from flowload.runtime.run import Run
from tests.runtime.stages import (
    DoesAsync,
    Folds,
    Ints,
    Yields,
    fan_out,
    flat,
    in_turn,
    ints,
    numbers,
    origin,
    plus,
    rebatch,
    step,
)

pytestmark = pytest.mark.anyio


def endless() -> Graph:
    return origin(Yields(lambda _: (ints([n, n + 1]) for n in itertools.count())))


async def passes(block: Ints, call: Any) -> Ints:
    return block


def diamond() -> Graph:
    split = endless() >> fan_out("a", "b")
    return [split["a"] >> plus(0), split["b"]] >> in_turn()


async def gone(run: Run) -> None:
    """Nothing of the run is left."""
    assert run.gone is not None
    await run.gone.wait()


LINES: dict[str, Callable[[], Graph]] = {
    "source": endless,
    "map": lambda: endless() >> plus(1),
    "async": lambda: endless() >> step(lambda: DoesAsync(passes)),
    "fold": lambda: endless() >> rebatch(3),
    "many": lambda: endless() >> step(lambda: Folds(lambda block, _: itertools.repeat(block))),
    "diamond": diamond,
    "long": lambda: diamond() >> plus(1) >> rebatch(7) >> plus(1),
}


@pytest.mark.parametrize("name", LINES)
async def test_when_the_reader_of_a_stage_has_gone_all_above_it_stop(name: str) -> None:
    async with LINES[name]().stream() as batches:
        await anext(batches)
        run = batches.run  # type: ignore[attr-defined]  # of this engine's runs
        assert isinstance(run, Run)
        run.leave("out")
        await gone(run)
        assert run.failure is None
        assert not run.finished


async def test_an_output_that_is_left_does_not_hold_the_others_back() -> None:
    split = numbers(90, 3) >> fan_out("a", "b", "c")
    graph = outputs(a=split["a"], b=split["b"] >> plus(0), c=split["c"])
    async with graph.stream() as batches:
        run = batches.run  # type: ignore[attr-defined]  # of this engine's runs
        assert flat([await anext(batches["b"])]) == [1]
        run.leave("b")
        run.leave("c")
        assert flat([batch async for batch in batches["a"]]) == list(range(0, 90, 3))
        run.leave("a")
        await gone(run)
        assert run.failure is None
        assert not run.finished


async def test_when_all_outputs_of_a_fan_out_are_left_it_stops() -> None:
    split = endless() >> fan_out("a", "b")
    async with outputs(a=split["a"], b=split["b"]).stream() as batches:
        run = batches.run  # type: ignore[attr-defined]  # of this engine's runs
        run.leave("a")
        run.leave("b")
        await gone(run)
        assert run.failure is None
