"""A stage alone: what is true of every replay, however fast the machine is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Block
from flowload.blocks import Batch
from flowload.errors import DataError
from flowload.graph import Graph
from tests.runtime.stages import Does, Folds, step
from tests.threads import none_left
from tools.whatif.model import Replay
from tools.whatif.replay import replay

BLOCKS: list[Block] = [Batch({"x": np.zeros((4, 2))}) for _ in range(3)]


def alone(tail: Graph, *, workers: int | None = None, seconds: float = 0.02) -> Replay | None:
    """The last stage of a drawing, with the blocks above."""
    graph = fl.source(list(BLOCKS)) >> tail
    return replay(graph.plan.nodes[-1], BLOCKS, workers=workers, seconds=seconds, cpus=2)


def mapped(function: Callable[[Any], Any], **how: Any) -> Graph:
    return fl.map(function, **how)


def test_a_map_has_the_workers_that_are_asked_for() -> None:
    for workers in (1, 3):
        seen = alone(mapped(dict, workers=2), workers=workers)
        assert seen is not None
        assert (seen.workers, seen.parallel, seen.per_sample) == (workers, True, True)
        assert seen.hop > 0
        assert 0 < seen.used <= 1
        assert seen.seen >= 4 * 2 * workers
        assert seen.cpu <= seen.hop * workers * 1.0001


def test_a_map_has_the_workers_of_its_declaration_else() -> None:
    seen = alone(mapped(dict, workers=2))
    assert seen is not None
    assert seen.workers == 2


def test_a_stage_may_overwrite_what_it_is_given() -> None:
    def stain(batch: Any) -> Any:
        assert not batch["x"].any()
        batch["x"] += 1
        return batch

    assert alone(mapped(stain)) is not None
    assert not any(block.arrays["x"].any() for block in BLOCKS if isinstance(block, Batch))


def test_a_fold_has_one_worker() -> None:
    seen = alone(step(Folds), workers=3)
    assert seen is not None
    assert (seen.workers, seen.parallel) == (1, False)


def test_a_stage_of_several_operators_is_tried_whole() -> None:
    seen = alone(step(Folds, lambda: Does(lambda block, _: block)), workers=3)
    assert seen is not None
    assert (seen.workers, seen.parallel, seen.per_sample) == (3, True, True)


def test_a_stage_that_holds_all_gives_it_at_the_end() -> None:
    held: list[Block] = []

    def push(block: Block, _: Any) -> list[Block]:
        held.append(block)
        return []

    seen = alone(step(lambda: Folds(push, lambda _: held)))
    assert seen is not None
    assert (seen.per_sample, seen.seen) == (True, 4 * len(held))


def test_a_map_that_drops_all_is_counted_by_blocks() -> None:
    seen = alone(fl.filter(lambda batch: False))
    assert seen is not None
    assert not seen.per_sample
    assert seen.seen >= 2


def test_a_coroutine_function_is_run_in_the_loop() -> None:
    async def passed(batch: Any) -> Any:
        return batch

    seen = alone(mapped(passed), workers=2)
    assert seen is not None
    assert seen.workers == 2


def test_what_a_stage_raises_is_raised_bare() -> None:
    def refuse(batch: Any) -> Any:
        raise DataError("no", where="here")

    with pytest.raises(DataError, match="no"):
        alone(mapped(refuse))


def test_nothing_is_left_behind() -> None:
    with none_left():
        alone(mapped(dict, workers=2))
