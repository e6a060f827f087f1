"""Lanes are dealt as ranks would be, once for all that are here, and go on from a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowload.blocks import Chunks
from flowload.stages.chunks.partition import Partition
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.round_robin import RoundRobin
from flowload.stages.wiring.deal_lanes import DealLanes
from flowload.stages.wiring.lane_dealers import TOGETHER, ChunkDealer, RowDealer
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, toy_chunks
from tests.stages.toy_rows import blocks_of

LANES = 5


def weigh(chunks: Chunks) -> Any:
    return chunks.table["index"].astype(np.int64) % 7 + 1


def numbers(blocks: list[Any]) -> list[int]:
    """Which references they are."""
    found: list[int] = []
    for block in blocks:
        found += block.table["index"].tolist() if isinstance(block, Chunks) else block.picks.array().tolist()
    return found


def parts(fold: DealLanes, blocks: list[Any]) -> dict[int, list[int]]:
    """What each lane is dealt."""
    call = FakeCall()
    dealt = [each for block in blocks for each in fold.push(block, call)]
    dealt += list(fold.flush(call))
    found: dict[int, list[int]] = {}
    for each in dealt:
        for lane, part in each.parts.items():
            found.setdefault(lane, []).extend(numbers([part]))
    return found


def chunk_blocks() -> list[Chunks]:
    chunks = toy_chunks(3 * TOGETHER * LANES)
    return [chunks.select(slice(first, first + 40)) for first in range(0, len(chunks), 40)]


@pytest.mark.parametrize("here", [(0, 1, 2, 3, 4), (1, 3)])
def test_chunks_are_dealt_as_to_ranks(here: tuple[int, ...]) -> None:
    found = parts(DealLanes(ChunkDealer(LANES, here, weigh, find=lambda _: TOY)), chunk_blocks())
    assert set(found) == set(here)
    for lane in here:
        fold, call = Partition(lane, LANES, weigh), FakeCall()
        own = [each for block in chunk_blocks() for each in fold.push(block, call)]
        assert found[lane] == numbers([*own, *fold.flush(call)])


@pytest.mark.parametrize("here", [(0, 1, 2, 3, 4), (2,)])
def test_rows_are_dealt_as_to_ranks(here: tuple[int, ...]) -> None:
    blocks = blocks_of([63, 1, 40])
    found = parts(DealLanes(RowDealer(LANES, here, ReopenedTables(()))), blocks)
    for lane in here:
        fold, call = RoundRobin(lane, LANES, even=True, tables=ReopenedTables(())), FakeCall()
        own = [each for block in blocks for each in fold.push(block, call)]
        assert found[lane] == numbers([*own, *fold.flush(call)])


def test_what_is_dropped_is_what_goes_to_nobody_here() -> None:
    fold, call = DealLanes(ChunkDealer(LANES, (1, 3), weigh, find=lambda _: TOY)), FakeCall()
    blocks = chunk_blocks()
    given = sum(len(each) for block in blocks for each in fold.push(block, call))
    held = fold.held
    assert given + held + sum(call.drops.values()) == sum(map(len, blocks))
    given += sum(len(each) for each in fold.flush(call))
    assert fold.held == 0
    assert given + sum(call.drops.values()) >= sum(map(len, blocks))


@pytest.mark.parametrize("cut", [1, 10, 23])
def test_a_dealer_goes_on_from_its_state(cut: int) -> None:
    def fold() -> DealLanes:
        return DealLanes(ChunkDealer(LANES, (0, 3), weigh, find=lambda _: TOY))

    blocks, call, first, other = chunk_blocks(), FakeCall(), fold(), fold()
    assert cut < len(blocks)
    for block in blocks[:cut]:
        list(first.push(block, call))
    state = first.state()
    rest = parts(first, blocks[cut:])
    other.restore(state)
    assert parts(other, blocks[cut:]) == rest
