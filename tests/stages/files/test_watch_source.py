"""A folder that grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

import flowload as fl
from flowload.abc.operators import Mark, Source
from flowload.abc.powers import Closing
from flowload.blocks import Files
from flowload.errors import DataError, NoDataError
from flowload.stages.files.watch_source import TICK, WatchSource
from flowload.stages.files.writers import LOCAL, FileState, WriterState, filesystem, nobody_writes
from tests.stages.fakes import FakeCall
from tests.states import through_json
from tests.threads import none_left

pytestmark = pytest.mark.anyio


class Script:
    """Folder, events and clock in the hands of a test."""

    def __init__(self, folder: Path, pattern: str = "") -> None:
        self.folder = folder
        self.pattern = pattern
        self.events: list[set[str]] = []
        self.waits: list[float] = []
        self.writing: set[str] = set()
        self.now = 0.0
        self.roots: list[str] = []
        self.closed = 0

    def watching(self, rescan: float = 10.0) -> WatchSource:
        return WatchSource(
            (f"{self.folder}/{self.pattern}",),
            (".tar",),
            settle=5.0,
            rescan=rescan,
            listen=self.listen,
            probe=self.probe,
            clock=lambda: self.now,
        )

    def put(self, *names: str) -> set[str]:
        """Make files; their paths."""
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()
        return {str(self.folder / name) for name in names}

    def listen(self, roots: Sequence[str], recursive: bool) -> Script:
        assert recursive is ("/" in self.pattern)
        self.roots = list(roots)
        return self

    async def wait(self, seconds: float) -> set[str]:
        self.waits.append(seconds)
        return self.events.pop(0)

    def close(self) -> None:
        self.closed += 1

    def probe(self, path: str) -> FileState | None:
        if not Path(path).exists():
            return None
        verdict = WriterState.WRITING if Path(path).name in self.writing else WriterState.COMPLETE
        return FileState(verdict, 1, 1)


async def told(watching: WatchSource) -> list[str]:
    """Names up to the next mark."""
    found: list[str] = []
    async for word in watching.epoch(0, FakeCall()):
        if isinstance(word, Mark):
            assert word is Mark.CAUGHT_UP
            break
        assert isinstance(word, Files)
        assert all(Path(path).is_absolute() for path in word.paths)
        found += [Path(path).name for path in word.paths]
    return found


async def test_first_what_is_there_then_what_arrives(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("game10.tar", "game9.tar", "note.txt", ".game1.tar", "game2.tar.part")
    watching = script.watching()
    assert isinstance(watching, Source)
    assert isinstance(watching, Closing)
    assert await told(watching) == ["game9.tar", "game10.tar"]
    script.events = [script.put("game12.tar", "game11.tar", "other.txt")]
    assert await told(watching) == ["game11.tar", "game12.tar"]


async def test_an_empty_folder_is_caught_up_with(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching()
    assert await told(watching) == []
    script.events = [set(), set(), script.put("a.tar")]
    assert await told(watching) == ["a.tar"]
    assert len(script.waits) == 3


async def test_many_files_come_in_blocks(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put(*(f"{number}.tar" for number in range(200)))
    watching = script.watching()
    words = [await anext(watching) for _ in range(68)]
    assert [len(word) for word in words if isinstance(word, Files)] == [3] * 66 + [2]
    assert words[-1] is Mark.CAUGHT_UP


async def test_a_file_that_is_being_written_waits_and_is_looked_at_again(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("a.tar", "b.tar")
    script.writing = {"b.tar"}
    watching = script.watching()
    assert await told(watching) == ["a.tar"]
    script.writing = {"b.tar", "c.tar"}
    script.events = [script.put("c.tar"), set(), script.put("d.tar")]
    assert await told(watching) == ["d.tar"]
    script.writing = {"c.tar"}
    script.events = [set()]
    assert await told(watching) == ["b.tar"]
    assert script.waits == [TICK] * 4


async def test_a_partial_name_counts_when_it_is_renamed(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching()
    await told(watching)
    script.events = [script.put("a.tar.part", ".b.tar")]
    (tmp_path / "c.tar.part").touch()
    (tmp_path / "a.tar.part").rename(tmp_path / "a.tar")
    script.events += [{f"{tmp_path}/a.tar.part", f"{tmp_path}/a.tar"}]
    assert await told(watching) == ["a.tar"]


async def test_a_file_is_told_once_whatever_happens_to_it(tmp_path: Path) -> None:
    script = Script(tmp_path)
    paths = script.put("a.tar")
    watching = script.watching()
    assert await told(watching) == ["a.tar"]
    script.events = [paths, paths | script.put("b.tar")]
    assert await told(watching) == ["b.tar"]


async def test_a_file_deleted_before_it_was_told_is_forgotten(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("a.tar")
    script.writing = {"a.tar"}
    watching = script.watching()
    assert await told(watching) == []
    (tmp_path / "a.tar").unlink()
    script.events = [{f"{tmp_path}/a.tar"}, script.put("b.tar")]
    assert await told(watching) == ["b.tar"]
    assert not watching.arrivals.waiting


async def test_a_new_folder_is_searched(tmp_path: Path) -> None:
    script = Script(tmp_path, "**/*.tar")
    watching = script.watching()
    assert await told(watching) == []
    script.put("new/deep/a.tar")
    script.events = [{f"{tmp_path}/new"}]
    assert await told(watching) == ["a.tar"]


async def test_folders_are_searched_again_for_systems_that_tell_nothing(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching(rescan=10.0)
    await told(watching)
    script.put("a.tar")
    script.events = [script.put("b.tar")]
    assert await told(watching) == ["b.tar"]
    script.now = 10.0
    script.events = [set()]
    assert await told(watching) == ["a.tar"]
    script.now = 13.0
    script.events = [script.put("c.tar")]
    assert await told(watching) == ["c.tar"]
    assert script.waits == [10.0, 0.0, 7.0]


async def test_a_slow_search_is_repeated_seldom(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching(rescan=10.0)
    script.put("a.tar")
    ticks = iter([0.0, 0.0, 3.0])
    watching.clock = lambda: next(ticks, 3.0)
    await told(watching)
    assert watching.next_search == 150.0


async def test_nothing_falls_between_the_first_search_and_listening(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching()
    listen = script.listen

    def listen_late(roots: Sequence[str], recursive: bool) -> Script:
        script.put("late.tar")
        return listen(roots, recursive)

    watching.listen = listen_late
    assert await told(watching) == ["late.tar"]
    assert script.roots == [str(tmp_path)]


@pytest.mark.parametrize("pattern", ["no", "no/*.tar", "no.tar"])
async def test_a_place_that_does_not_exist_is_an_error(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(NoDataError, match=r"no"):
        await told(Script(tmp_path, pattern).watching())


async def test_a_state_gives_what_was_not_given(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("a.tar", "b.tar", "c.tar")
    script.writing = {"c.tar"}
    watching = script.watching()
    first = await anext(watching)
    again = script.watching()
    again.retell(through_json(watching.told()))
    again.restore(through_json(watching.state()))
    script.writing = set()
    script.put("d.tar")
    assert isinstance(first, Files)
    assert [Path(path).name for path in first.paths] == ["a.tar"]
    assert await told(again) == ["b.tar"]
    assert await told(again) == ["c.tar", "d.tar"]
    assert [Path(path).name for path in again.arrived()] == ["a.tar", "b.tar", "c.tar", "d.tar"]


async def test_what_was_told_is_told_again_in_that_order_and_what_came_meanwhile_behind(
    tmp_path: Path,
) -> None:
    script = Script(tmp_path)
    script.put("m.tar")
    watching = script.watching()
    await told(watching)
    script.events = [script.put("z.tar"), script.put("b.tar")]
    await told(watching)
    await told(watching)
    script.put("a.tar", "n.tar")
    moved = await anyio.Path(tmp_path).rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    other = Script(Path(moved))
    again = other.watching()
    again.retell(through_json(watching.told()))
    found = [await told(again) for _ in range(4)]
    assert found == [["m.tar"], ["z.tar"], ["b.tar"], ["a.tar", "n.tar"]]
    assert again.found_first == 5


async def test_a_file_that_was_told_and_has_gone_or_changed_is_named(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("a.tar", "b.tar")
    watching = script.watching()
    await told(watching)
    (tmp_path / "a.tar").unlink()
    again = script.watching()
    again.retell(watching.told())
    with pytest.raises(
        DataError, match=r"a\.tar: a file that was told before is not what it was; found no file"
    ):
        await told(again)
    again = script.watching()
    again.retell(watching.told(), accept=True)
    assert await told(again) == ["b.tar"]
    again = script.watching()
    again.retell(watching.told())
    again.restore({"given": 1})  # it was read: nobody needs it any more
    assert await told(again) == ["b.tar"]


async def test_closing_stops_listening(tmp_path: Path) -> None:
    script = Script(tmp_path)
    watching = script.watching()
    watching.close()
    await told(watching)
    watching.close()
    assert script.closed == 1


async def test_a_real_folder(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"there before")
    if filesystem(str(tmp_path)) not in LOCAL or nobody_writes(f"{tmp_path}/0.tar") is None:
        pytest.skip("the kernel does not tell who writes here")
    watching = WatchSource((str(tmp_path),), (".tar",), settle=0.0, rescan=math.inf)
    with anyio.fail_after(60):
        try:
            assert await told(watching) == ["0.tar"]
            with (tmp_path / "1.tar").open("wb") as half:
                half.write(b"half")
                half.flush()
                (tmp_path / "2.tar.tmp").write_bytes(b"whole")
                (tmp_path / "2.tar.tmp").rename(tmp_path / "2.tar")
                assert await told(watching) == ["2.tar"]
                half.write(b"whole")
            assert await told(watching) == ["1.tar"]
        finally:
            watching.close()


def test_a_run_follows_a_folder_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"there before")
    with none_left(), fl.discover(tmp_path, watch=True, settle=0.0).iterate(epochs=None) as files:
        assert next(files).paths == (f"{tmp_path}/0.tar",)
        (tmp_path / "1.tar.part").write_bytes(b"whole")
        (tmp_path / "1.tar.part").rename(tmp_path / "1.tar")
        assert next(files).paths == (f"{tmp_path}/1.tar",)


async def test_a_cancelled_watch_stops_at_once(tmp_path: Path) -> None:
    watching = WatchSource((str(tmp_path),), (".tar",), settle=0.0, rescan=math.inf)
    assert await told(watching) == []
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(anext, watching)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    watching.close()


async def test_it_shows_how_many_came_and_when_the_last(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.put("game1.tar")
    watching = script.watching()
    assert watching.gauges() == {"sources": 0}
    await told(watching)
    script.now = 7.0
    assert watching.gauges() == {"sources": 1, "newest_source_age_seconds": 7.0}
