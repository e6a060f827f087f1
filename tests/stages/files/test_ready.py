"""Which files are ready, decided without waiting."""

from __future__ import annotations

import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowload.stages.files.ready import ReadyFiles
from flowload.stages.files.writers import FileState, WriterState


class Disk:
    """A disk on which files are what a test says."""

    def __init__(self) -> None:
        self.files: dict[str, FileState] = {}

    def write(self, path: str, verdict: WriterState, size: int = 1, mtime_ns: int = 0) -> None:
        self.files[path] = FileState(verdict, size, mtime_ns)

    def __call__(self, path: str) -> FileState | None:
        return self.files.get(path)


def test_complete_files_are_ready_once_in_natural_order() -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=5)
    for name in ("b10", "b9", "a"):
        disk.write(name, WriterState.COMPLETE)
    arrivals.feed(["b10", "b9", "a", "b9"])
    assert arrivals.ready(disk, 0) == ["a", "b9", "b10"]
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 1) == []


def test_a_file_that_is_being_written_waits() -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=5)
    disk.write("a", WriterState.WRITING)
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 0) == []
    assert arrivals.ready(disk, 1000) == []
    assert list(arrivals.waiting) == ["a"]
    disk.write("a", WriterState.COMPLETE)
    assert arrivals.ready(disk, 1001) == ["a"]
    assert not arrivals.waiting


def test_where_nobody_can_tell_stillness_does() -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=5)
    disk.write("a", WriterState.UNSURE, size=1)
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 10) == []
    assert arrivals.ready(disk, 14) == []
    disk.write("a", WriterState.UNSURE, size=2)
    assert arrivals.ready(disk, 15) == []
    disk.write("a", WriterState.UNSURE, size=2, mtime_ns=7)
    assert arrivals.ready(disk, 19) == []
    assert arrivals.ready(disk, 23.9) == []
    assert arrivals.ready(disk, 24) == ["a"]


def test_without_settling_a_first_look_is_enough() -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=0)
    disk.write("a", WriterState.UNSURE)
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 0) == ["a"]


def test_a_file_deleted_before_it_was_told_is_forgotten() -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=5)
    disk.write("a", WriterState.WRITING)
    arrivals.feed(["a"])
    arrivals.ready(disk, 0)
    del disk.files["a"]
    assert arrivals.ready(disk, 1) == []
    assert not arrivals.waiting
    disk.write("a", WriterState.COMPLETE)
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 2) == ["a"]


def test_a_later_change_is_logged_once_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    disk, arrivals = Disk(), ReadyFiles(settle=5)
    disk.write("a", WriterState.COMPLETE)
    arrivals.feed(["a"])
    arrivals.changed(["a", "b"], disk)
    assert arrivals.ready(disk, 0) == ["a"]
    arrivals.changed(["a"], disk)
    assert not caplog.records
    disk.write("a", WriterState.WRITING, size=2)
    arrivals.changed(["a"], disk)
    disk.write("a", WriterState.COMPLETE, size=3)
    arrivals.changed(["a"], disk)
    arrivals.feed(["a"])
    assert arrivals.ready(disk, 1) == []
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["a"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from([*WriterState, None]), st.integers(0, 2), st.booleans()
    ),
    max_size=40,
)


@given(STEPS)
@example(
    [
        ("a", WriterState.UNSURE, 0, True),
        ("b", None, 0, False),
        ("a", WriterState.WRITING, 1, False),
        ("a", WriterState.UNSURE, 0, False),
    ]
)
def test_only_complete_or_settled_files_are_told_and_none_twice(
    steps: list[tuple[str, WriterState | None, int, bool]],
) -> None:
    disk, arrivals = Disk(), ReadyFiles(settle=3)
    told: list[str] = []
    unchanged: dict[str, int] = {}
    for now, (path, verdict, size, notice) in enumerate(steps):
        before = disk(path)
        if verdict is None:
            disk.files.pop(path, None)
        else:
            disk.write(path, verdict, size)
        after = disk(path)
        if before is None or after is None or before.size != after.size:
            unchanged[path] = now
        if notice:
            arrivals.feed([path])
        for ready in arrivals.ready(disk, now):
            look = disk(ready)
            assert look is not None
            settled = look.verdict is WriterState.UNSURE and now - unchanged[ready] >= 3
            assert look.verdict is WriterState.COMPLETE or settled
            told.append(ready)
    assert len(told) == len(set(told))
