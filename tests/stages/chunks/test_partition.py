from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Setting
from flowload.abc.powers import Marked
from flowload.blocks import Chunks
from flowload.errors import DataError
from flowload.graph import Stage
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.partition import Partition
from flowload.stages.chunks.unpack import UnpackStage
from flowload.stages.wiring.shard import ShardStage
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, pieces, references, toy_chunks, toy_file, where_from
from tests.states import through_json, to_values

SETTING = Setting(seed=3, epochs=1, cpus=2)


@dataclass(frozen=True, kw_only=True)
class Reading(Stage):
    word: ClassVar[str] = "reading"
    format: object = TOY


def opened(rank: int, world: int, unpack: UnpackStage | None = None) -> Partition:
    downstream = (Stage(), *([unpack] if unpack else []))
    setting = replace(SETTING, upstream=(Reading(),), downstream=downstream)
    (fold,) = ShardStage(rank=rank, world=world).open(setting)
    assert isinstance(fold, Partition)
    return fold


def chunks_of(lengths: Sequence[int]) -> Chunks:
    chunks = toy_chunks(len(lengths), files=2)
    chunks.table["records"] = lengths
    return chunks


def frames_of(blocks: Sequence[Chunks], unpack: UnpackStage) -> int:
    total = 0
    for block in blocks:
        caps = block.table["cap"].astype(np.int64)
        taken = unpack.taken(block, SETTING.seed)
        total += int(np.where(caps < 0, taken, np.minimum(taken, caps)).sum())
    return total


@given(
    lengths=st.lists(st.integers(1, 60), max_size=30),
    world=st.integers(1, 6),
    rate=st.sampled_from([1.0, 0.5, 0.03]),
    epochs=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 30), max_size=3),
)
def test_ranks_deliver_as_much_as_each_other_disjoint_and_nearly_all(
    lengths: list[int], world: int, rate: float, epochs: int, cuts: list[int]
) -> None:
    unpack = UnpackStage(rate=rate)
    seen: Counter[tuple[str, int, int]] = Counter()
    totals, whole, largest = [], 0, 0
    for rank in range(world):
        fold, call, out = opened(rank, world, unpack), FakeCall(), []
        whole = pushed = 0
        for epoch in range(epochs):
            chunks = chunks_of(lengths)
            chunks.table["use"] = epoch
            weights = unpack.taken(chunks, SETTING.seed)
            whole, largest = whole + int(weights.sum()), max([largest, *weights.tolist()])
            for piece in pieces(chunks, cuts):
                out += list(fold.push(piece, call))
                pushed += len(piece)
                assert call.drops.total() + sum(map(len, out)) + fold.held == pushed
        out += list(fold.flush(call))
        assert fold.held == 0
        assert sum(map(len, out)) + call.drops.total() == epochs * len(lengths)
        totals.append(frames_of(out, unpack))
        for block in out:
            seen.update(
                (*ref, use) for ref, use in zip(references(block), block.table["use"].tolist(), strict=True)
            )
    assert len(set(totals)) == 1
    assert not seen or max(seen.values()) == 1
    assert whole - sum(totals) <= (world - 1) * largest


def test_a_cut_chunk_gives_what_its_cap_says(tmp_path: Path) -> None:
    chunks = toy_file(tmp_path, [10, 3, 20])
    unpack = UnpackStage(rate=1.0)
    rows: list[list[tuple[int, int, int]]] = []
    for rank in range(2):
        fold, call = opened(rank, 2, unpack), FakeCall()
        out = [*fold.push(chunks, call), *fold.flush(call)]
        inflate = Decompress(unpack.sampling, seed=SETTING.seed, limit=1 << 20)
        made = [inflate.apply(block, FakeCall()) for block in out]
        inflate.close()
        rows.append([row for frames in made if frames is not None for row in where_from(frames.data)])
    assert len(rows[0]) == len(rows[1]) == 10
    assert not set(rows[0]) & set(rows[1])


def test_what_is_dropped_is_said() -> None:
    fold, call = opened(1, 2), FakeCall()
    out = [*fold.push(chunks_of([10, 3, 20, 4]), call), *fold.flush(call)]
    # Rank 0: 10, then 4; rank 1: 3, then 20, of which 11 are wanted.
    assert call.drops == {"other rank": 2}
    assert [block.table["cap"].tolist() for block in out] == [[-1], [11]]
    fold, call = opened(0, 2), FakeCall()
    assert not [*fold.push(chunks_of([10]), call), *fold.flush(call)]
    assert call.drops == {"cut to equal ranks": 1}


def test_one_rank_passes_everything_whatever_is_known() -> None:
    chunks = chunks_of([3, -1, 4])
    fold, call = opened(0, 1, UnpackStage()), FakeCall()
    assert [references(block) for block in fold.push(chunks, call)] == [references(chunks)]
    assert not list(fold.flush(call))
    assert not call.drops


def test_unknown_lengths_are_named() -> None:
    with pytest.raises(DataError, match=r"chunk 0: unknown length"):
        list(opened(0, 2, UnpackStage()).push(chunks_of([3, -1, 4]), FakeCall()))
    assert list(opened(0, 2).push(chunks_of([-1, -1, -1]), FakeCall()))


def test_chunks_of_unknown_length_are_skipped_on_every_rank_alike() -> None:
    lengths = [-1, 10, 3, -1, 20, 4]
    totals = []
    for rank in range(2):
        fold, call = opened(rank, 2, UnpackStage()), FakeCall(on_error="skip")
        out = [*fold.push(chunks_of(lengths), call), *fold.flush(call)]
        totals.append(frames_of(out, UnpackStage()))
        assert call.drops["unknown length"] == len(call.rejects) == 2
        assert sum(map(len, out)) + call.drops.total() == len(lengths)
    assert totals == [14, 14]


def test_an_epochs_end_changes_nothing() -> None:
    assert not isinstance(opened(0, 2), Marked)


@given(lengths=st.lists(st.integers(1, 30), max_size=20), at=st.integers(0, 20), rank=st.integers(0, 2))
def test_it_goes_on_from_its_state(lengths: list[int], at: int, rank: int) -> None:
    first, second = pieces(chunks_of(lengths), [at])
    one, other, call = opened(rank, 3), opened(rank, 3), FakeCall()
    list(one.push(first, call))
    other.restore(through_json(one.state()))
    assert other.held == one.held
    assert to_values(other.state()) == to_values(one.state())
    left, right = ([*fold.push(second, call), *fold.flush(call)] for fold in (one, other))
    assert [references(block) for block in left] == [references(block) for block in right]
    assert [block.table["cap"].tolist() for block in left] == [block.table["cap"].tolist() for block in right]
