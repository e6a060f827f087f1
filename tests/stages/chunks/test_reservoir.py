from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Fold, Setting
from flowload.abc.powers import Closing, Resumable
from flowload.blocks import Frames
from flowload.errors import DataError, GraphError
from flowload.stages.chunks.reservoir import ReservoirStage, reservoir
from flowload.stages.chunks.reservoir_fold import Exchange
from tests.stages.fakes import FakeCall
from tests.stages.toy import NARROW, STRIDE, ToyFormat, toy_frames, where_from
from tests.states import through_json

SETTING = Setting(seed=3, epochs=1, cpus=2)


def rows_of(blocks: Iterable[Frames]) -> list[tuple[int, int, int]]:
    """What the rows say, which must be what the origins say."""
    out = []
    for block in blocks:
        found = where_from(block.data)
        names = [block.sources[source].name for source in block.origin["source"].tolist()]
        assert [f"{tag}.toy" for tag, _, _ in found] == names
        assert [(c, r) for _, c, r in found] == block.origin[["chunk", "record"]].tolist()
        out += found
    return out


def stream_of(sizes: Sequence[int], *, stride: int = STRIDE) -> list[Frames]:
    """Blocks of so many records, each a chunk of one of three files."""
    return [toy_frames(size, tag=i % 3, chunk=i, stride=stride) for i, size in enumerate(sizes)]


def run(fold: Exchange, blocks: Iterable[Frames], call: FakeCall) -> list[Frames]:
    out = [made for block in blocks for made in fold.push(block, call)]
    return out + list(fold.flush(call))


sizes_strategy = st.lists(st.integers(0, 12), max_size=8)


@given(sizes=sizes_strategy, frames=st.integers(1, 40), shared=st.booleans())
def test_every_record_comes_exactly_once(sizes: list[int], frames: int, shared: bool) -> None:
    blocks = stream_of(sizes)
    expected = sorted(rows_of(blocks))
    held = 0
    fold, call = Exchange(frames), FakeCall()
    out = []
    for block in blocks:
        kept = block.data.copy()
        out += list(fold.push(block.share() if shared else block, call))
        held = min(held + len(block), frames)
        assert fold.held == held
        assert not shared or (block.data == kept).all()
    out += list(fold.flush(call))
    assert fold.held == 0
    assert sorted(rows_of(out)) == expected


@given(sizes=sizes_strategy, frames=st.integers(1, 9), cut=st.integers(1, 5))
def test_the_order_does_not_depend_on_the_blocks(sizes: list[int], frames: int, cut: int) -> None:
    whole = rows_of(run(Exchange(frames), stream_of(sizes), FakeCall()))
    pieces = [
        block.select(slice(i, i + cut)) for block in stream_of(sizes) for i in range(0, len(block), cut)
    ]
    assert rows_of(run(Exchange(frames), pieces, FakeCall(number=9))) == whole


def test_a_reservoir_of_one_keeps_the_order() -> None:
    blocks = stream_of([3, 5, 1])
    expected = rows_of(blocks)
    assert rows_of(run(Exchange(1), blocks, FakeCall())) == expected


def test_the_exchange_is_in_place() -> None:
    fold, call = Exchange(4), FakeCall()
    list(fold.push(toy_frames(4), call))
    block = toy_frames(6, first=4)
    (out,) = fold.push(block, call)
    assert out.data.ctypes.data == block.data.ctypes.data
    assert not call.leases


@pytest.mark.parametrize("strides", [(NARROW, STRIDE, NARROW), (STRIDE, NARROW, STRIDE)])
def test_record_sizes_may_mix(strides: tuple[int, ...]) -> None:
    blocks = [toy_frames(9, tag=i, chunk=i, stride=stride) for i, stride in enumerate(strides)]
    out = run(Exchange(5), blocks, FakeCall())
    assert sorted(rows_of(out)) == [(i, i, r) for i in range(3) for r in range(9)]
    for block in out:
        for row, (tag, _, record) in zip(block.data, where_from(block.data), strict=True):
            assert row[12] == strides[tag]
            assert strides[tag] == NARROW or (row[13:STRIDE] == record).all()


def test_formats_do_not_mix() -> None:
    fold, call = Exchange(5), FakeCall()
    list(fold.push(toy_frames(2), call))
    with pytest.raises(DataError, match="another format in one reservoir; found other; wanted toy"):
        list(fold.push(replace(toy_frames(2), format=ToyFormat(name="other")), call))


def test_sources_leave_with_their_last_record() -> None:
    fold, call = Exchange(3), FakeCall()
    for tag in range(200):
        for out in fold.push(toy_frames(4, tag=tag), call):
            assert len(out.sources) <= 5
    assert len(fold.sources) <= 3
    list(fold.flush(call))
    assert len(fold.sources) == 0


def test_memory_is_taken_as_it_fills() -> None:
    fold, call = Exchange(10**9), FakeCall()
    list(fold.push(toy_frames(2000), call))
    assert len(fold.slots.rows) < 10_000
    list(fold.push(toy_frames(9000), call))
    assert len(fold.slots.rows) < 30_000
    assert len(rows_of(fold.flush(call))) == 11_000
    assert len(fold.slots.rows) == 0


def test_the_choice_is_uniform() -> None:
    """Which of 10 slots a record goes to: chi-square with 9 degrees of freedom, 27.9 at one in a thousand.

    A slot's record leaves with the first record that goes there, so the waits are geometric with mean
    10; their distribution is compared too: 15 classes and the tail, 15 degrees of freedom, 37.7.
    """
    fold, call = Exchange(10), FakeCall()
    total = 30_000
    order = [record for _, _, record in rows_of(run(fold, [toy_frames(total)], call))]
    waits = np.empty(total, np.int64)
    waits[order] = np.arange(total)
    waits -= np.arange(total) - 10  # exchanges until it left, from 1 on, for all but the first and last
    waits = waits[10 : total - 1000]
    counts = np.bincount(np.minimum(waits, 16), minlength=17)[1:]
    share = 0.1 * 0.9 ** np.arange(15)
    expected = len(waits) * np.append(share, 1 - share.sum())
    assert float(((counts - expected) ** 2 / expected).sum()) < 37.7


def test_the_drain_is_a_uniform_order() -> None:
    """All 24 orders of 4 records over 12,000 seeds: chi-square with 23 degrees of freedom, 49.7."""
    seen: Counter[tuple[int, ...]] = Counter()
    for seed in range(12_000):
        fold, call = Exchange(4), FakeCall(seed=seed)
        fold.count = 4  # the order of the drain depends on nothing else
        seen[tuple(drain_order(fold, call))] += 1
    assert len(seen) == 24
    assert sum((count - 500) ** 2 / 500 for count in seen.values()) < 49.7


def drain_order(fold: Exchange, call: FakeCall) -> list[int]:
    taken: list[int] = []

    def take(which: np.ndarray[tuple[int], np.dtype[np.int64]], _: FakeCall) -> Frames:
        taken.extend(which.tolist())
        return toy_frames(0)

    fold.take = take  # type: ignore[method-assign, assignment]
    list(fold.flush(call))
    return taken


@pytest.mark.parametrize("lag", [1, 7, 50])
@pytest.mark.parametrize("size", [1, 10, 100])
def test_records_of_one_chunk_go_apart_as_theory_says(size: int, lag: int) -> None:
    """Two records that enter `lag` apart leave `lag + size * (1 - 1/size) ** lag` apart on average.

    A record leaves k exchanges after it came with probability q**(k-1) / size, q = 1 - 1/size: a geometric
    time W of mean `size`, which has no memory. If the first leaves at k <= lag, that is before the second
    has settled or because the second took its slot, the distance is lag - k + W. Else both lie in two slots,
    and when one has left, the other stays for a time W from there. So the mean is
    size + sum_{k=1}^{lag} (lag - k) q**(k-1) / size = lag + size * q**lag.
    """
    total = 120_000
    order = [record for _, _, record in rows_of(run(Exchange(size), [toy_frames(total)], FakeCall()))]
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)
    distances = np.abs(place[lag:] - place[:-lag])[size * 3 : -size * 15]
    expected = lag + size * (1 - 1 / size) ** lag
    # Distances `lag` apart share a record: about len / lag of them are independent.
    assert abs(distances.mean() - expected) <= 5 * size * (2 * lag / len(distances)) ** 0.5


@given(sizes=sizes_strategy, frames=st.integers(1, 30), cut=st.integers(0, 8))
def test_it_goes_on_from_its_state_and_its_records(sizes: list[int], frames: int, cut: int) -> None:
    whole, call = stream_of(sizes), FakeCall()
    one, other = Exchange(frames), Exchange(frames)
    for block in whole[:cut]:
        list(one.push(block, call))
    other.restore(through_json(one.state()))
    assert isinstance(other, Resumable)
    _, sources, origin = other.references()
    refill(other, sources, origin)
    assert other.held == one.held
    copies = [replace(block, data=block.data.copy()) for block in whole[cut:]]
    assert rows_of(run(other, whole[cut:], call)) == rows_of(run(one, copies, call))


def refill(
    fold: Exchange, sources: tuple[object, ...], origin: np.ndarray[tuple[int], np.dtype[np.void]]
) -> None:
    """Read each record that the fold names again."""
    if not len(origin):
        return
    parts = []
    for source, chunk, record in origin.tolist():
        tag = int(getattr(sources[source], "name", "").removesuffix(".toy"))
        parts.append(toy_frames(1, first=record, tag=tag, chunk=chunk).data)
    fold.refill(replace(toy_frames(0), data=np.concatenate(parts), origin=origin), np.arange(len(origin)))


def test_a_call_that_was_under_way_may_have_nothing_left_to_give() -> None:
    """A state that was saved behind the only block of a push: what waits stays."""
    fold, call = Exchange(4), FakeCall()
    first, second = toy_frames(6), toy_frames(3, first=6)
    came = sorted(row.tobytes() for block in (first, second) for row in block.data.copy())
    given = list(fold.push(first, call))
    assert list(fold.resume(call)) == []
    given += [*fold.push(second, call), *fold.flush(call)]
    assert sorted(row.tobytes() for block in given for row in block.data) == came


def test_bad_parameters_are_named() -> None:
    for frames in (0, -1, 2.5, True):
        with pytest.raises(GraphError, match="reservoir: frames is"):
            reservoir(frames)  # type: ignore[arg-type]


def test_the_word_makes_a_stage() -> None:
    (placed,) = reservoir(1000).nodes()
    assert placed.stage == ReservoirStage(frames=1000)
    (fold,) = placed.stage.open(SETTING)
    assert isinstance(fold, Fold)
    assert isinstance(fold, Closing)
    assert placed.stage.memory(SETTING) > 8_000_000


def test_it_shows_how_full_it_is() -> None:
    fold, call = Exchange(8), FakeCall()
    list(fold.push(toy_frames(4), call))
    assert fold.gauges() == {"reservoir_fill": 0.5}
