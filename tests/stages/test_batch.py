from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.blocks import Batch, Frames
from flowload.errors import DataError, GraphError
from flowload.graph import Stage
from flowload.protocols import Bytes, Fold, Map, Resumable, Setting
from flowload.stages.batch import BatchStage, batch
from flowload.stages.cut import Cut
from flowload.stages.encode import Encode
from tests.stages.fakes import FakeCall
from tests.stages.toy import NARROW, TOY, ToyFormat, toy_frames

SETTING = Setting(seed=3, epochs=1, cpus=2)


@dataclass(frozen=True, kw_only=True)
class Reading(Stage):
    word: ClassVar[str] = "reading"
    format: Any = None


class Lock:
    def register(self, memory: Bytes) -> None: ...

    def unregister(self, memory: Bytes) -> None: ...


LOCK = Lock()


@dataclass(frozen=True, kw_only=True)
class Going(Stage):
    word: ClassVar[str] = "going"

    def device(self) -> Lock:
        return LOCK


def cut(size: int, *, drop_last: bool = False) -> Cut:
    return Cut(size, drop_last=drop_last, find=lambda name: {TOY.name: TOY}[name])


def batches_of(
    blocks: Iterable[Frames | Batch],
    size: int,
    call: FakeCall,
    *,
    drop_last: bool = False,
    layout: str | None = None,
) -> list[Batch]:
    fold, encode = cut(size, drop_last=drop_last), Encode(layout, None)
    pieces = [made for block in blocks for made in fold.push(block, call)]
    return [encode.apply(piece, call) for piece in [*pieces, *fold.flush(call)]]


def frames_of(sizes: Sequence[int]) -> list[Frames]:
    return [toy_frames(size, tag=i, chunk=i) for i, size in enumerate(sizes)]


def arrays_of(sizes: Sequence[int]) -> list[Batch]:
    rows = np.cumsum([0, *sizes]).tolist()
    return [
        Batch({"x": (np.arange(a, b)[:, None] + [0, 0.5]).astype(np.float32), "y": np.arange(a, b)})
        for a, b in itertools.pairwise(rows)
    ]


sizes_strategy = st.lists(st.integers(0, 12), max_size=8)


@given(sizes=sizes_strategy, size=st.integers(1, 20), drop_last=st.booleans())
def test_every_record_is_in_its_place(sizes: list[int], size: int, drop_last: bool) -> None:
    call = FakeCall()
    made = batches_of(frames_of(sizes), size, call, drop_last=drop_last)
    expected = [[i, i, record] for i, count in enumerate(sizes) for record in range(count)]
    whole = len(expected) // size * size
    if drop_last:
        assert call.drops["partial batch"] == len(expected) - whole
        expected = expected[:whole]
    assert [row for each in made for row in each.arrays["triple"].tolist()] == expected
    assert all(len(each) == size for each in made[: whole // size])
    for each in made:
        assert all(array.ctypes.data % 64 == 0 for array in each.arrays.values())
        assert all(len(array) == len(each) for array in each.arrays.values())
    assert len(call.leases) == len(made)


@given(sizes=sizes_strategy, size=st.integers(1, 20))
def test_arrays_are_cut_again(sizes: list[int], size: int) -> None:
    made = batches_of(arrays_of(sizes), size, FakeCall())
    total = sum(sizes)
    assert [row for each in made for row in each.arrays["y"].tolist()] == list(range(total))
    assert [row for each in made for row in each.arrays["x"].tolist()] == [[i, i + 0.5] for i in range(total)]
    assert [len(each) for each in made] == [size] * (total // size) + [total % size] * (total % size > 0)
    assert all(each.arrays["x"].dtype == np.float32 for each in made)


def test_a_whole_batch_of_arrays_goes_on_as_it_is() -> None:
    (block,) = arrays_of([8])
    call = FakeCall()
    (made,) = batches_of([block], 8, call)
    assert made.arrays["x"] is block.arrays["x"]
    assert not call.leases


def test_layouts_go_by_name() -> None:
    (made,) = batches_of(frames_of([3]), 3, FakeCall(), layout="only")
    assert made.arrays.keys() == {"record"}
    with pytest.raises(GraphError, match="toy has no layout 'bits'; it has 'triple', 'only'"):
        batches_of(frames_of([3]), 3, FakeCall(), layout="bits")


def test_an_unknown_layout_is_found_when_the_run_starts() -> None:
    stage = BatchStage(size=4, layout="bits")
    setting = replace(SETTING, upstream=(Stage(), Reading(format=TOY)))
    with pytest.raises(GraphError, match="toy has no layout 'bits'"):
        stage.open(setting)
    assert replace(stage, layout="only").memory(setting) > 0
    assert replace(stage, layout="only").memory(SETTING) == 0


def test_a_layout_is_for_records() -> None:
    with pytest.raises(GraphError, match="layout='bits' is for records"):
        BatchStage(size=4, layout="bits").gives([Batch])


def test_memory_is_prepared_for_the_next_device() -> None:
    stage = BatchStage(size=2)
    operators = stage.open(replace(SETTING, downstream=(Stage(), Going())))
    assert isinstance(operators[0], Fold)
    assert isinstance(operators[1], Map)
    call = FakeCall()
    for piece in operators[0].push(toy_frames(2), call):
        operators[1].apply(piece, call)
    assert call.devices == [LOCK]


def test_record_sizes_may_mix() -> None:
    blocks = [toy_frames(2), toy_frames(2, stride=NARROW), toy_frames(1)]
    (made,) = batches_of(blocks, 5, FakeCall())
    assert made.arrays["version"].tolist() == [21, 21, 13, 13, 21]


def test_unlike_samples_do_not_go_together() -> None:
    other = ToyFormat(name="other", layouts={"triple": TOY.layouts["only"]})
    blocks = [toy_frames(2), replace(toy_frames(2, tag=7), format=other)]
    with pytest.raises(
        DataError, match=r"7\.toy: unlike samples; found record int64\[\]; wanted triple int32\[3\]"
    ):
        batches_of(blocks, 4, FakeCall())
    arrays = [Batch({"x": np.zeros(2)}), Batch({"x": np.zeros((2, 3))})]
    with pytest.raises(DataError, match="unlike samples"):
        batches_of(arrays, 4, FakeCall())


def test_no_batch_at_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="flowload"):
        assert not batches_of(frames_of([3]), 8, FakeCall(), drop_last=True)
    assert "3 samples are too few for size=8" in caplog.text
    caplog.clear()
    assert len(batches_of(frames_of([11]), 8, FakeCall(), drop_last=True)) == 1
    assert not caplog.records


@pytest.mark.parametrize("kind", ["frames", "arrays"])
@given(sizes=sizes_strategy, size=st.integers(1, 20), at=st.integers(0, 8))
def test_it_goes_on_from_its_state_and_its_records(kind: str, sizes: list[int], size: int, at: int) -> None:
    blocks = frames_of(sizes) if kind == "frames" else arrays_of(sizes)
    call, one, other = FakeCall(), cut(size), cut(size)
    for block in blocks[:at]:
        list(one.push(block, call))
    other.restore(json.loads(json.dumps(one.state())))
    assert other.held == one.held
    assert other.state() == one.state()
    assert isinstance(other, Resumable)
    sources, origin = other.references()
    if len(origin):
        rows = [toy_frames(1, first=r, tag=c, chunk=c).data for _, c, r in origin.tolist()]
        assert [sources[s].name for s, _, _ in origin.tolist()] == [f"{c}.toy" for _, c, _ in origin.tolist()]
        other.refill(replace(toy_frames(0), data=np.concatenate(rows), origin=origin))
    encode = Encode(None, None)
    left, right = (
        [encode.apply(piece, call) for block in blocks[at:] for piece in fold.push(block, call)]
        + [encode.apply(piece, call) for piece in fold.flush(call)]
        for fold in (one, other)
    )
    for a, b in zip(left, right, strict=True):
        for key in a.arrays:
            np.testing.assert_array_equal(a.arrays[key], b.arrays[key])
            assert a.arrays[key].dtype == b.arrays[key].dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size is 0; wanted a number from 1"),
        ({"size": 2.5}, "size is 2.5"),
        ({"size": True}, "size is True"),
        ({"size": 4, "layout": 7}, "layout is 7"),
        ({"size": 4, "drop_last": 1}, "drop_last is 1"),
    ],
)
def test_bad_parameters_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        batch(**arguments)


def test_the_word_makes_a_stage() -> None:
    (placed,) = batch(1024, layout="bits", workers=2).nodes()
    assert placed.stage == BatchStage(size=1024, layout="bits", workers=2)
    assert placed.stage.parameters() == {"size": 1024, "layout": "bits", "workers": 2}
