"""Files that are there, in blocks."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Source
from flowload.blocks import Files
from flowload.errors import DataError
from flowload.stages.files.list_source import ListSource, in_blocks
from tests.stages.fakes import FakeCall
from tests.states import through_json


def listing(folder: Path, count: int = 0) -> ListSource:
    for number in range(count):
        (folder / f"{number}.tar").touch()
    return ListSource((str(folder),), (".tar",))


def told(blocks: list[Files]) -> list[str]:
    return [Path(path).name for block in blocks for path in block.paths]


@given(st.integers(0, 10_000), st.data())
def test_blocks_give_every_path_once_with_borders_that_a_start_does_not_move(
    count: int, data: st.DataObject
) -> None:
    paths = [str(number) for number in range(count)]
    blocks = list(in_blocks(paths))
    assert [path for block in blocks for path in block.paths] == paths
    assert all(1 <= len(block) <= 64 for block in blocks)
    assert len(blocks) >= min(count, 64)
    start = data.draw(st.integers(0, count))
    rest = list(in_blocks(paths, 0, start))
    assert [path for block in rest for path in block.paths] == paths[start:]
    assert all(rest)
    assert rest[1:] == blocks[len(blocks) - len(rest) + 1 :]


def test_every_pass_tells_the_files_of_the_first(tmp_path: Path) -> None:
    source = listing(tmp_path, 3)
    assert isinstance(source, Source)
    first = list(source.epoch(0, FakeCall()))
    (tmp_path / "3.tar").touch()
    second = list(source.epoch(1, FakeCall()))
    assert told(first) == told(second) == ["0.tar", "1.tar", "2.tar"]
    assert {block.epoch for block in first} == {0}
    assert {block.epoch for block in second} == {1}


def test_resume_at_every_cut(tmp_path: Path) -> None:
    whole = list(listing(tmp_path, 130).epoch(0, FakeCall()))
    for cut in range(len(whole) + 1):
        source = listing(tmp_path)
        before = list(islice(source.epoch(0, FakeCall()), cut))
        again = listing(tmp_path)
        again.restore(through_json(source.state()))
        assert before + list(again.epoch(0, FakeCall())) == whole
        assert told(list(again.epoch(1, FakeCall()))) == told(whole)


def test_a_state_for_other_files_is_refused(tmp_path: Path) -> None:
    source = listing(tmp_path, 2)
    list(source.epoch(0, FakeCall()))
    (tmp_path / "2.tar").touch()
    again = listing(tmp_path)
    again.restore(source.state())
    with pytest.raises(DataError, match="other files than when the state was saved; found 3 files"):
        next(iter(again.epoch(1, FakeCall())))


def test_a_state_is_kept_though_nothing_was_listed(tmp_path: Path) -> None:
    source = listing(tmp_path, 2)
    list(source.epoch(0, FakeCall()))
    again = listing(tmp_path)
    again.restore(source.state())
    assert again.state() == source.state()


def test_the_folder_may_move(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    source = listing(tmp_path / "old", 2)
    list(source.epoch(0, FakeCall()))
    (tmp_path / "old").rename(tmp_path / "new")
    again = listing(tmp_path / "new")
    again.restore(source.state())
    assert told(list(again.epoch(1, FakeCall()))) == ["0.tar", "1.tar"]


def test_it_shows_how_far_it_is(tmp_path: Path) -> None:
    source = listing(tmp_path, 4)
    assert source.gauges() == {}
    blocks = source.epoch(0, FakeCall())
    next(blocks)
    assert source.gauges() == {"passes_done": 0, "pass_done": 0.25}
    assert len([*blocks, *source.epoch(1, FakeCall())]) == 7
    assert source.gauges() == {"passes_done": 1, "pass_done": 1.0}
