from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Mark
from flowload.abc.powers import Idling
from flowload.blocks import Chunks
from flowload.stages.chunks.inflate.rechunk import Rechunk, claimed_bytes
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, pieces, references, toy_chunks
from tests.states import through_json

LIMIT = 1000


def recut(*, growing: bool = False) -> Rechunk:
    return Rechunk(
        100,
        lambda table: claimed_bytes(table, LIMIT),
        growing=growing,
        find=lambda name: {TOY.name: TOY}[name],
    )


def chunks_of(sizes: Sequence[int]) -> Chunks:
    chunks = toy_chunks(len(sizes), files=3)
    chunks.table["inflated"] = sizes
    return chunks


sizes_strategy = st.lists(st.integers(1, 250), max_size=40)


@given(sizes=sizes_strategy, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_borders_do_not_depend_on_the_blocks_that_come_in(sizes: list[int], cuts: list[int]) -> None:
    chunks, call = chunks_of(sizes), FakeCall()
    whole, cut = recut(), recut()
    expected = [*whole.push(chunks, call), *whole.flush(call)]
    found = [out for part in pieces(chunks, cuts) for out in cut.push(part, call)] + list(cut.flush(call))
    assert [references(block) for block in found] == [references(block) for block in expected]
    assert [row for block in found for row in references(block)] == references(chunks)


@given(sizes=sizes_strategy)
def test_blocks_are_as_large_as_they_may_be(sizes: list[int]) -> None:
    fold, call = recut(), FakeCall()
    blocks = [*fold.push(chunks_of(sizes), call), *fold.flush(call)]
    costs = [block.table["inflated"].tolist() for block in blocks]
    assert all(sum(cost) <= 100 or len(cost) == 1 for cost in costs)
    assert all(sum(cost) + after[0] > 100 for cost, after in itertools.pairwise(costs))
    assert all(len(block.sources) == len(set(block.table["source"].tolist())) for block in blocks)
    assert fold.held == 0


def test_another_format_is_a_border() -> None:
    fold, call = recut(), FakeCall()
    first, second = chunks_of([10, 20]), replace(chunks_of([30]), format=replace(TOY, name="other"))
    blocks = [*fold.push(first, call), *fold.push(second, call), *fold.push(first, call), *fold.flush(call)]
    assert [(block.format.name, len(block)) for block in blocks] == [
        (TOY.name, 2),
        ("other", 1),
        (TOY.name, 2),
    ]


def test_a_mark_is_a_border() -> None:
    fold, call = recut(), FakeCall()
    assert not list(fold.push(chunks_of([60]), call))
    assert [len(block) for block in fold.mark(Mark.EPOCH, call)] == [1]
    assert fold.held == 0
    assert not list(fold.push(chunks_of([60]), call))


def test_only_a_growing_stream_gives_what_it_holds_while_it_waits() -> None:
    for growing in (False, True):
        fold, call = recut(growing=growing), FakeCall()
        assert isinstance(fold, Idling)
        list(fold.push(chunks_of([60]), call))
        assert (fold.idle(call) is not None) is growing
        assert fold.idle(call) is None


@given(sizes=sizes_strategy, cut=st.integers(0, 40))
def test_it_goes_on_from_its_state(sizes: list[int], cut: int) -> None:
    first, second = pieces(chunks_of(sizes), [cut])
    one, other, call = recut(), recut(), FakeCall()
    list(one.push(first, call))
    other.restore(through_json(one.state()))
    assert other.held == one.held
    left, right = ([*fold.push(second, call), *fold.flush(call)] for fold in (one, other))
    assert [references(block) for block in left] == [references(block) for block in right]


def test_claims_are_believed_as_far_as_they_can_be_true() -> None:
    table = toy_chunks(6).table
    table["size"] = 10
    table["inflated"] = [50, -1, 10**9, 0, 900, -1]
    table["gzip"] = [True, True, True, True, True, False]
    assert claimed_bytes(table, LIMIT).tolist() == [50, 80, 1000, 1, 900, 10]
    table["size"][2] = 0
    assert claimed_bytes(table, LIMIT)[2] == 64
