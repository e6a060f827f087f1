"""Chunks that go one way or another, for good."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Route, Setting
from flowload.blocks import ORIGIN, Chunks, Frames, Rows, SourceFile
from flowload.errors import GraphError
from flowload.stages.wiring.split import SplitByHash, SplitStage, split
from flowload.testing import check_stage
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, references, toy_chunks, toy_frames, where_from
from tests.suite.warm import run_warm

TWO = (("train", 0.7), ("valid", 0.3))

CODE = """
from tests.stages.fakes import FakeCall
from tests.stages.toy import references, toy_chunks
from flowload.stages.wiring.split import SplitByHash
parts = SplitByHash((("train", 0.7), ("valid", 0.3)), 0).route(toy_chunks(200, files=4), FakeCall())
print(references(parts["valid"]))
"""


def routed(count: int, call: FakeCall | None = None) -> Mapping[str, Chunks | Frames | Rows]:
    return SplitByHash(TWO, 0).route(toy_chunks(count, files=4), call or FakeCall())


def mixed_frames(chunks: list[tuple[int, int]]) -> Frames:
    """One frame for each (source, chunk), numbered."""
    origin = np.zeros(len(chunks), ORIGIN)
    for row, (source, chunk) in enumerate(chunks):
        origin[row] = source, chunk, row
    data = np.concatenate([toy_frames(1, first=row).data for row in range(len(chunks))])
    return Frames(TOY, tuple(SourceFile(f"{number}.tar") for number in range(4)), data, origin)


def test_every_chunk_goes_one_way() -> None:
    parts = routed(200)
    found = [ref for part in parts.values() if isinstance(part, Chunks) for ref in references(part)]
    assert sorted(found) == sorted(references(toy_chunks(200, files=4)))
    assert set(parts) == {"train", "valid"}


def test_the_order_stays() -> None:
    whole = references(toy_chunks(200, files=4))
    for part in routed(200).values():
        assert isinstance(part, Chunks)
        places = [whole.index(ref) for ref in references(part)]
        assert places == sorted(places)


@pytest.mark.slow
def test_another_process_chooses_the_same() -> None:
    done = run_warm("-c", CODE)
    assert done.returncode == 0, done.stderr
    valid = routed(200)["valid"]
    assert isinstance(valid, Chunks)
    assert done.stdout.strip() == str(references(valid))


def test_the_way_does_not_depend_on_the_pass_the_folder_or_the_block() -> None:
    chunks = toy_chunks(50, files=4)
    valid = set(references(split_of(chunks)))
    later = chunks.select(slice(None))
    later.table["use"] = 3
    moved = Chunks(TOY, tuple(SourceFile(f"/moved/{source.name}") for source in chunks.sources), chunks.table)
    singly = {ref for row in range(50) for ref in references(split_of(chunks.select(slice(row, row + 1))))}
    assert set(references(split_of(later))) == set(references(split_of(moved))) == singly == valid


def split_of(chunks: Chunks, name: str = "valid") -> Chunks:
    part = SplitByHash(TWO, 0).route(chunks, FakeCall()).get(name, chunks.select(slice(0)))
    assert isinstance(part, Chunks)
    return part


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=60))
def test_frames_of_one_chunk_are_never_separated(chunks: list[tuple[int, int]]) -> None:
    parts = SplitByHash(TWO, 0).route(mixed_frames(chunks), FakeCall())
    ways: dict[tuple[int, int], set[str]] = {}
    found = []
    for name, part in parts.items():
        assert isinstance(part, Frames)
        for source, chunk, record in part.origin.tolist():
            ways.setdefault((source, chunk), set()).add(name)
            found.append(record)
        assert [record for _, _, record in where_from(part.data)] == part.origin["record"].tolist()
    assert all(len(names) == 1 for names in ways.values())
    assert sorted(found) == list(range(len(chunks)))


def test_frames_that_move_are_in_leased_memory_of_their_own() -> None:
    frames = mixed_frames([(source, chunk) for source in range(4) for chunk in range(5)])
    call = FakeCall()
    parts = SplitByHash(TWO, 0).route(frames, call)
    assert sum(call.leases) == frames.data.nbytes
    for part in parts.values():
        assert isinstance(part, Frames)
        assert part.data.flags.writeable
        assert not np.shares_memory(part.data, frames.data)


def test_a_block_that_goes_one_way_whole_is_not_copied() -> None:
    frames = toy_frames(5)
    call = FakeCall()
    (part,) = SplitByHash(TWO, 0).route(frames, call).values()
    assert part is frames
    assert not call.leases


def test_a_second_split_does_not_cut_along_the_first() -> None:
    first = SplitStage(weights=TWO)
    setting = Setting(seed=0, epochs=1, cpus=1, upstream=(first,))
    (again,) = first.open(setting)
    assert isinstance(again, SplitByHash)
    assert isinstance(again, Route)
    assert again.salt == 1
    parts = again.route(split_of(toy_chunks(1000), "train"), FakeCall())
    assert 0.2 < len(parts["valid"]) / (len(parts["train"]) + len(parts["valid"])) < 0.4


def test_the_exam() -> None:
    check_stage(split(train=0.7, valid=0.3), [toy_chunks(20, files=4), toy_chunks(1), toy_frames(5)])
    check_stage(split(train=0.7, valid=0.3), [mixed_frames([(0, 1), (1, 1), (2, 1), (3, 1)])])


def test_the_word() -> None:
    (node,) = split(train=9, valid=1).nodes()
    assert node.stage == SplitStage(weights=(("train", 9), ("valid", 1)))
    assert node.outputs == ("train", "valid")
    assert node.stage.gives([Chunks]) == {"train": Chunks, "valid": Chunks}


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_bad_weights(weight: float) -> None:
    with pytest.raises(GraphError, match="split: a weight is"):
        split(train=1.0, valid=weight)


def test_bad_outputs() -> None:
    with pytest.raises(GraphError, match="no weights"):
        split()
    with pytest.raises(GraphError, match=r"cannot be named 'a\.b'"):
        split(**{"a.b": 1.0})  # type: ignore[arg-type]  # mypy takes it for `by`
