"""All ranks give as many batches as the one that has the fewest; the rest is counted."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.abc.operators import Block
from flowload.blocks import Batch, Bundle, Item
from flowload.errors import RankError
from flowload.stages.wiring.equal_ranks import EqualRanks
from tests.runtime.ranks import Exchange, Mouth
from tests.stages.fakes import FakeCall

SIZE = 4


def batch(number: int, rows: int = SIZE) -> Batch:
    return Batch({"x": np.full(rows, number)})


def numbered(lengths: Sequence[int], last: int) -> list[Block]:
    """Bundles of so many full batches, and a smaller one at the end."""
    blocks: list[Block] = []
    number = 0
    for length in lengths:
        parts = [batch(number + k) for k in range(length)]
        number += length
        blocks.append(parts[0] if length == 1 else Bundle.of(parts))
    return [*blocks, batch(number, last)] if last else blocks


def given_by(
    fold: EqualRanks, passes: Sequence[Sequence[Block]], call: FakeCall
) -> list[list[tuple[int, int]]]:
    """Per pass: number and length of each batch that comes out."""
    found = []
    for blocks in passes:
        made = [out for block in blocks for out in fold.push(block, call)] + list(fold.flush(call))
        parts: list[Any] = [part for block in made for part in getattr(block, "bundled", (block,))]
        found.append([(int(part.arrays["x"][0]), len(part)) for part in parts])
        assert fold.held == 0
    return found


PASS = st.tuples(st.lists(st.integers(1, 4), max_size=6), st.integers(0, SIZE - 1))


def passes_of(world: int) -> st.SearchStrategy[list[list[tuple[list[int], int]]]]:
    """What each rank has, in each pass."""
    return st.lists(st.lists(PASS, min_size=world, max_size=world), min_size=1, max_size=3)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(passes=st.integers(1, 8).flatmap(passes_of))
def test_as_many_as_the_one_with_the_fewest(passes: list[list[tuple[list[int], int]]]) -> None:
    world = len(passes[0])
    exchange = Exchange(world)
    folds = [EqualRanks(Mouth(exchange, rank), rank, SIZE) for rank in range(world)]
    calls = [FakeCall() for _ in range(world)]
    blocks = [[numbered(*each[rank]) for each in passes] for rank in range(world)]
    with ThreadPoolExecutor(world) as threads:
        found = list(threads.map(given_by, folds, blocks, calls))
    for number, each in enumerate(passes):
        fewest = min(sum(lengths) for lengths, _ in each)
        alike = len({(sum(lengths), last) for lengths, last in each}) == 1
        for rank, (_, last) in enumerate(each):
            wanted = [(k, SIZE) for k in range(fewest)]
            assert found[rank][number] == wanted + ([(fewest, last)] if alike and last else [])
    for rank, call in enumerate(calls):
        had = sum(SIZE * sum(each[rank][0]) + each[rank][1] for each in passes)
        gave = sum(length for each in found[rank] for _, length in each)
        assert call.drops == ({"cut to equal ranks": had - gave} if had > gave else {})


def test_of_blocks_without_a_size_each_is_a_step() -> None:
    exchange, streams = Exchange(2), [[batch(0, 3), batch(1, 9), batch(2, 1)], [batch(0, 1), batch(1, 2)]]
    folds = [EqualRanks(Mouth(exchange, rank), rank, None) for rank in range(2)]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(given_by, folds, [[stream] for stream in streams], [FakeCall(), FakeCall()]))
    assert found == [[[(0, 3), (1, 9)]], [[(0, 1), (1, 2)]]]


def test_one_that_stands_further_than_another_waits_for_it() -> None:
    """One goes on behind three steps, and another makes them again; the other has fewer."""
    exchange, streams = Exchange(2), [numbered([1, 1], 0), numbered([1, 2, 1], 0)]
    folds = [EqualRanks(Mouth(exchange, rank), rank, SIZE) for rank in range(2)]
    folds[0].stand_at(3)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(given_by, folds, [[stream] for stream in streams], [FakeCall(), FakeCall()]))
    assert found == [[[(0, SIZE)]], [[(k, SIZE) for k in range(4)]]]


def test_a_smaller_batch_in_mid_stream_is_a_step_and_so_is_a_value() -> None:
    fold, call = EqualRanks(Mouth(Exchange(1), 0), 0, SIZE), FakeCall()
    made = [out for block in (batch(0, 2), batch(1), batch(2, 1)) for out in fold.push(block, call)]
    assert [len(block) for block in made] == [SIZE + 2]  # both in one bundle
    assert fold.held == 1
    assert [len(block) for block in fold.flush(call)] == [1]
    assert [len(out) for out in fold.push(Item("a"), call)] == [1]


@pytest.mark.parametrize(("failed", "what"), [(True, "failed"), (False, "left its run before the end")])
def test_who_goes_is_named_to_the_others(failed: bool, what: str) -> None:
    exchange = Exchange(3)
    folds = [EqualRanks(Mouth(exchange, rank), rank, SIZE) for rank in range(3)]
    folds[1].stop(failed=failed)
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(given_by, folds[rank], [[batch(0)]], FakeCall()) for rank in (0, 2)]
        for future in futures:
            with pytest.raises(RankError, match=f"rank 1 {what}"):
                future.result()
    for fold in folds:
        fold.stop(failed=True)  # nobody is told again: nobody listens
        fold.close()
    assert [sorted(given) for given in exchange.given] == [[0, 1, 2], []]


def test_who_is_stopped_returns_from_waiting_and_the_others_are_told_when_they_come() -> None:
    exchange = Exchange(2)
    folds = [EqualRanks(Mouth(exchange, rank), rank, SIZE) for rank in range(2)]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(given_by, folds[0], [[batch(0)]], FakeCall())
        with exchange.changed:
            exchange.changed.wait_for(lambda: 0 in exchange.given[0])
        folds[0].stop(failed=False)
        assert waiting.result() == [[]]
        with pytest.raises(RankError, match="rank 0 left"):
            given_by(folds[1], [[batch(0)]], FakeCall())
