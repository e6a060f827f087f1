from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Mark
from flowload.blocks import Chunks
from flowload.errors import DataError
from flowload.stages.chunks.pool import EMIT, ChunkPool
from flowload.stages.chunks.repeating_pool import RepeatingPool
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, ToyFormat, pieces, references, toy_chunks
from tests.states import through_json


def pool(size: int, *, growing: bool = False) -> ChunkPool:
    return ChunkPool(size, growing=growing, find=lambda name: {TOY.name: TOY}[name])


def passes(size: int) -> RepeatingPool:
    return RepeatingPool(size, find=lambda name: {TOY.name: TOY}[name])


def refs(blocks: Iterable[Chunks]) -> list[tuple[str, int]]:
    return [row for block in blocks for row in references(block)]


def epoch(fold: ChunkPool, blocks: Iterable[Chunks], call: FakeCall) -> list[Chunks]:
    out = [made for block in blocks for made in fold.push(block, call)]
    return out + list(fold.mark(Mark.EPOCH, call))


counts = st.integers(0, 60)

sizes = st.integers(1, 70)

cut_lists = st.lists(st.integers(0, 60), max_size=6)


@given(count=counts, size=sizes, cuts=cut_lists, files=st.integers(1, 5))
def test_every_chunk_comes_exactly_once_an_epoch(count: int, size: int, cuts: list[int], files: int) -> None:
    chunks, call, fold = toy_chunks(count, files=files), FakeCall(), pool(size)
    for use in range(3):
        chunks.table["use"] = use
        out = epoch(fold, pieces(chunks, cuts), call)
        assert sorted(refs(out)) == sorted(references(chunks))
        assert all((block.table["use"] == use).all() for block in out)
        assert all(0 < len(block) <= EMIT for block in out)
        assert fold.held == 0
        assert len(fold.sources) == 0
    assert not list(fold.flush(call))


@given(count=counts, size=sizes, cuts=cut_lists)
def test_it_holds_as_many_as_it_may_and_its_order_does_not_depend_on_the_blocks(
    count: int, size: int, cuts: list[int]
) -> None:
    chunks, call = toy_chunks(count), FakeCall()
    one, other = pool(size), pool(size)
    expected = refs(one.push(chunks, call))
    assert one.held == min(count, size)
    found = refs(made for block in pieces(chunks, cuts) for made in other.push(block, FakeCall(number=7)))
    assert found == expected
    assert refs(other.flush(call)) == refs(one.flush(call))


def test_a_pool_of_one_keeps_the_order() -> None:
    chunks = toy_chunks(40, files=3)
    assert refs(epoch(pool(1), [chunks], FakeCall())) == references(chunks)


@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 100])
def test_data_that_fit_come_in_a_uniform_order(size: int) -> None:
    """All 24 orders of 4 chunks, in two epochs: chi-square with 23 degrees of freedom, 49.7."""
    chunks = toy_chunks(4)
    seen: list[Counter[tuple[tuple[str, int], ...]]] = [Counter(), Counter()]
    for seed in range(6000):
        fold, call = pool(size), FakeCall(seed=seed)
        for number in range(2):
            seen[number][tuple(refs(epoch(fold, [chunks], call)))] += 1
    for each in seen:
        assert len(each) == 24
        assert sum((count - 250) ** 2 / 250 for count in each.values()) < 49.7


def test_what_leaves_a_full_pool_is_a_uniform_choice() -> None:
    """Which of 10 chunks the eleventh drives out: chi-square with 9 degrees of freedom, 27.9."""
    chunks = toy_chunks(11)
    out = Counter(refs(pool(10).push(chunks, FakeCall(seed=seed)))[0][1] for seed in range(5000))
    assert set(out) == set(range(10))
    assert sum((count - 500) ** 2 / 500 for count in out.values()) < 27.9


@pytest.mark.parametrize("lag", [1, 20])
@pytest.mark.parametrize("size", [3, 30, 300])
def test_neighbours_go_apart_as_theory_says(size: int, lag: int) -> None:
    """Chunks that come `lag` apart leave `lag + size * (1 - 1/size) ** lag` apart, as in a reservoir."""
    place = places(size, 60_000)
    distances = np.abs(place[lag:] - place[:-lag])[size * 3 : -size * 15]
    expected = lag + size * (1 - 1 / size) ** lag
    assert abs(distances.mean() - expected) <= 5 * size * (2 * lag / len(distances)) ** 0.5


def test_neighbours_in_a_pool_that_holds_everything_are_strangers() -> None:
    """Two places of a random order of n are (n + 1) / 3 apart on average, give or take n / 18**0.5."""
    distances = np.abs(np.diff(places(10_000, 10_000)))
    assert abs(distances.mean() - 10_001 / 3) <= 5 * 10_000 / 18**0.5 * (2 / len(distances)) ** 0.5


def places(size: int, total: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each of the chunks of an epoch comes out."""
    order = [index for _, index in refs(epoch(pool(size), [toy_chunks(total)], FakeCall()))]
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)
    return place


@pytest.mark.slow
def test_a_million_chunks_flow() -> None:
    """The bound is on work, not time: blocks, and the rows that are touched for each."""
    chunks, call, fold = toy_chunks(1_000_000, files=100), FakeCall(), pool(1000)
    out = epoch(fold, [chunks.select(slice(i, i + 10_000)) for i in range(0, 1_000_000, 10_000)], call)
    assert sum(map(len, out)) == 1_000_000
    assert len(out) <= 1_000_000 / EMIT + 200
    assert len(fold.table) == 1000


def test_sources_leave_with_their_last_chunk() -> None:
    fold, call = pool(5), FakeCall()
    for file in range(300):
        chunks = replace(toy_chunks(1), sources=toy_chunks(file + 1, files=file + 1).sources[file:])
        list(fold.push(chunks, call))
    assert len(fold.sources) == 5
    assert len(fold.sources.sources) <= 16


def test_formats_do_not_mix() -> None:
    for fold in (pool(3), passes(3)):
        list(fold.push(toy_chunks(2), FakeCall()))
        with pytest.raises(DataError, match="another format in one pool"):
            list(fold.push(replace(toy_chunks(2), format=ToyFormat(name="other")), FakeCall()))


@given(count=counts, size=sizes, at=st.integers(0, 60))
def test_a_pool_goes_on_from_its_state(count: int, size: int, at: int) -> None:
    first, second = pieces(toy_chunks(count, files=3), [at])
    call, one, other = FakeCall(), pool(size), pool(size)
    list(one.push(first, call))
    other.restore(through_json(one.state()))
    assert other.held == one.held
    assert refs(epoch(other, [second], call)) == refs(epoch(one, [second], call))


def idle_all(fold: ChunkPool | RepeatingPool, call: FakeCall, limit: int = 10_000) -> list[Chunks]:
    """What a fold gives while nothing comes in, up to about so many chunks."""
    out: list[Chunks] = []
    while sum(map(len, out)) < limit and (block := fold.idle(call)) is not None:
        out.append(block)
    return out


def test_once_over_a_growing_source_every_chunk_comes_once_and_then_it_waits() -> None:
    fold, call = pool(20, growing=True), FakeCall()
    chunks = toy_chunks(70)
    first, second = chunks.select(slice(0, 50)), chunks.select(slice(50, 70))
    out = list(fold.push(first, call))
    assert fold.idle(call) is None
    assert not list(fold.mark(Mark.CAUGHT_UP, call))
    out += idle_all(fold, call)
    assert sorted(refs(out)) == references(first)
    assert fold.idle(call) is None
    out += list(fold.push(second, call))
    out += idle_all(fold, call)
    assert sorted(refs(out)) == references(chunks)


def test_a_finite_source_gives_nothing_while_it_waits() -> None:
    fold, call = pool(20), FakeCall()
    list(fold.push(toy_chunks(5), call))
    list(fold.mark(Mark.CAUGHT_UP, call))
    assert fold.idle(call) is None


def test_what_a_growing_pool_gives_first_is_a_uniform_choice() -> None:
    """First of 5 chunks: chi-square with 4 degrees of freedom, 18.5."""
    out: Counter[int] = Counter()
    for seed in range(2000):
        fold, call = pool(5, growing=True), FakeCall(seed=seed)
        list(fold.push(toy_chunks(5), call))
        list(fold.mark(Mark.CAUGHT_UP, call))
        out[refs(idle_all(fold, call))[0][1]] += 1
    assert sum((count - 400) ** 2 / 400 for count in out.values()) < 18.5


def test_it_shows_how_full_it_is() -> None:
    fold = pool(40)
    list(fold.push(toy_chunks(10), FakeCall()))
    assert fold.gauges() == {"pool_chunks": 10, "pool_fill": 0.25}
