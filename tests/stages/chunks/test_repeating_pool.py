from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Mark
from flowload.blocks import Chunks
from flowload.stages.chunks.pool import ChunkPool
from flowload.stages.chunks.repeating_pool import RepeatingPool
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, pieces, references, toy_chunks
from tests.states import through_json


def passes(size: int) -> RepeatingPool:
    return RepeatingPool(size, find=lambda name: {TOY.name: TOY}[name])


def refs(blocks: Iterable[Chunks]) -> list[tuple[str, int]]:
    return [row for block in blocks for row in references(block)]


def idle_all(fold: ChunkPool | RepeatingPool, call: FakeCall, limit: int = 10_000) -> list[Chunks]:
    """What a fold gives while nothing comes in, up to about so many chunks."""
    out: list[Chunks] = []
    while sum(map(len, out)) < limit and (block := fold.idle(call)) is not None:
        out.append(block)
    return out


def test_a_window_comes_in_passes_of_random_order() -> None:
    fold, call = passes(50), FakeCall()
    chunks = toy_chunks(40)
    assert not list(fold.push(chunks, call))
    assert fold.idle(call) is None
    list(fold.mark(Mark.CAUGHT_UP, call))
    blocks = idle_all(fold, call, 200)
    orders = [[index for _, index in references(block)] for block in blocks]
    assert len(orders) == 5
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len(set(map(tuple, orders))) == 5
    assert [block.table["use"].tolist() for block in blocks] == [[use] * 40 for use in range(5)]
    assert call.entered == 160
    assert fold.held == 0


def test_the_newest_stay_and_the_oldest_leave() -> None:
    fold, call = passes(10), FakeCall()
    chunks = toy_chunks(37)
    for block in pieces(chunks, [4, 9, 22]):
        list(fold.push(block, call))
    assert call.drops == {"left the window": 27}
    assert fold.held == 10
    list(fold.mark(Mark.CAUGHT_UP, call))
    assert sorted(refs(idle_all(fold, call, 10))) == references(chunks)[27:]
    list(fold.push(toy_chunks(3, first=100), call))
    assert call.drops == {"left the window": 27}
    assert fold.held == 3
    assert sorted(refs(idle_all(fold, call, 3))) == [("0.toy", i) for i in (100, 101, 102)]
    assert sorted(index for _, index in refs(idle_all(fold, call, 10))) == [*range(30, 37), 100, 101, 102]


@given(
    size=st.integers(1, 20),
    actions=st.lists(st.tuples(st.booleans(), st.integers(0, 45)), max_size=12),
    at=st.integers(0, 12),
)
def test_a_window_loses_nothing_and_goes_on_from_its_state(
    size: int, actions: list[tuple[bool, int]], at: int
) -> None:
    fold, call = passes(size), FakeCall()
    list(fold.mark(Mark.CAUGHT_UP, call))
    arrived: list[tuple[str, int]] = []
    uses: Counter[tuple[str, int]] = Counter()
    out = 0
    for step, (push, count) in enumerate(actions):
        if step == at:
            other = passes(size)
            other.restore(through_json(fold.state()))
            assert other.held == fold.held
            fold = other
        if push:
            chunks = toy_chunks(count, files=2, first=len(arrived) * 2)
            arrived += references(chunks)
            list(fold.push(chunks, call))
        elif (block := fold.idle(call)) is not None:
            out += len(block)
            for ref, use in zip(references(block), block.table["use"].tolist(), strict=True):
                assert ref in arrived[-size:]
                assert uses[ref] == use
                uses[ref] += 1
    assert len(arrived) + call.entered == out + call.drops.total() + fold.held
    rest = refs(fold.flush(call))
    assert sorted(rest) == sorted(ref for ref in arrived[-size:] if not uses[ref])
    assert fold.held == 0
