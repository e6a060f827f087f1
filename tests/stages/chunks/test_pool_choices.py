"""A pool in a later pass chooses as if the passes before it had been made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import flowload.stages.chunks.pool as pool_module
from flowload.abc.operators import Block, Mark
from flowload.blocks import Chunks
from flowload.stages.chunks.pool import ChunkPool
from flowload.stages.chunks.pool_choices import PoolChoices
from flowload.testing.drive import drive
from tests.stages.toy import toy_chunks


def blocks(count: int, of: int) -> list[Any]:
    """One pass over so many chunks, in blocks."""
    return [toy_chunks(min(of, count - at), first=at) for at in range(0, count, of)] + [Mark.EPOCH]


def order(made: Sequence[Block]) -> list[int]:
    return [int(row) for block in made if isinstance(block, Chunks) for row in block.table["index"]]


def passes(
    size: int, count: int, first: int, number: int, *, of: int = 7, align: bool = False
) -> list[list[int]]:
    pool = ChunkPool(size, growing=False, choices=PoolChoices(first, align=align))
    whole = order(drive([pool], blocks(count, of) * number))
    return [whole[at : at + count] for at in range(0, count * number, count)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "count"), [(1, 20), (4, 20), (19, 20), (20, 20), (21, 20), (1000, 300), (300, 1000)]
)
def test_a_run_that_begins_at_a_pass_gives_that_pass(size: int, count: int) -> None:
    whole = passes(size, count, 0, 4)
    assert all(sorted(one) == list(range(count)) for one in whole)
    assert len({tuple(one) for one in whole}) == (1 if size == 1 else 4)
    for first in range(4):
        for of in (1, 7, count):
            assert passes(size, count, first, 1, of=of) == [whole[first]]
    assert passes(size, count, 1, 3) == whole[1:]
    assert passes(size, count, 0, 4, align=True) == whole


@pytest.mark.parametrize("size", [4, 30])
def test_a_pass_that_is_too_long_to_be_counted_draws_by_itself(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "KNOWN", 10)
    apart = passes(size, 40, 0, 3, align=True)
    assert all(sorted(one) == list(range(40)) for one in apart)
    assert len({tuple(one) for one in apart}) == 3
    for first in range(3):
        assert passes(size, 40, first, 1, of=3) == [apart[first]]
        assert passes(size, 40, first, 1, of=40) == [apart[first]]


def test_what_waits_to_be_counted_is_held_and_let_go_early_where_there_is_much() -> None:
    pool = ChunkPool(5, growing=False, choices=PoolChoices(2))
    assert drive([pool], blocks(30, 10)[:-1], flush=False) == []
    assert pool.held == 30


def test_it_goes_on_where_it_was_saved() -> None:
    words: Any = blocks(30, 4)
    whole = order(drive([ChunkPool(6, growing=False, choices=PoolChoices(3, align=True))], words * 2))
    for cut in range(len(words) * 2):
        pool = ChunkPool(6, growing=False, choices=PoolChoices(3, align=True))
        before = drive([pool], (words * 2)[:cut], flush=False)
        again = ChunkPool(
            6, growing=False, find=lambda _: words[0].format, choices=PoolChoices(3, align=True)
        )
        again.restore(pool.state())
        assert again.held == pool.held
        assert order(before) + rest_of(again, (words * 2)[cut:]) == whole


def rest_of(pool: ChunkPool, words: list[Any]) -> list[int]:
    """What it gives for these words; its books began elsewhere."""
    from flowload.chance import stage_key  # noqa: PLC0415
    from flowload.testing.call import PlainCall  # noqa: PLC0415

    made: list[Block] = []
    for word in words:
        call = PlainCall(stage_key(0, "stage", 0), 0)
        made += list(pool.mark(word, call) if isinstance(word, Mark) else pool.push(word, call))
    made += list(pool.flush(PlainCall(stage_key(0, "stage", 0), 0)))
    return order(made)


def test_a_growing_pool_draws_by_the_number_of_its_pass() -> None:
    def orders(first: int) -> list[int]:
        return order(
            drive([ChunkPool(50, growing=True, choices=PoolChoices(first, growing=True))], blocks(40, 8)[:-1])
        )

    assert sorted(orders(0)) == sorted(orders(3)) == list(range(40))
    assert orders(0) == order(drive([ChunkPool(50, growing=True)], blocks(40, 8)[:-1]))
    assert orders(0) != orders(3)
    assert not PoolChoices(3, growing=True).open


def test_numbers_are_those_of_one_stream() -> None:
    class Keyed:
        def key(self) -> tuple[int, int]:
            return 1, 2

    call: Any = Keyed()
    whole, part = PoolChoices(), PoolChoices(2)
    numbers = [whole.fill(0, 5, call).tolist() for _ in range(3)]
    part.counted(5, 9)
    assert part.fill(0, 5, call).tolist() == numbers[2]
    whole, part = PoolChoices(), PoolChoices(2)
    numbers = [whole.exchange(4, 6, call).tolist() for _ in range(3)]
    part.counted(10, 4)
    assert part.exchange(4, 6, call).tolist() == numbers[2]
    assert (np.array(numbers) < 4).all()
