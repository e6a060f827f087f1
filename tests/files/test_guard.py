from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from flowload.files import guard as module
from flowload.files.guard import Guard


def cut(path: Path) -> None:
    os.truncate(path, 5000)


def rewrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"x" * size)
    os.utime(path, ns=(1, 1))  # whatever the clock's grain


def replace(path: Path) -> None:
    (path.parent / "new").write_bytes(path.read_bytes())
    (path.parent / "new").replace(path)


def delete(path: Path) -> None:
    path.unlink()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


CHANGES = [
    (cut, "found 5,000 bytes; wanted 20,000 bytes"),
    (rewrite, r"found 20,000 bytes, written 1970-.* \(1 ns\); wanted 20,000 bytes, written 2"),
    (replace, "found file .* of 20,000 bytes, written .*; wanted file .* of 20,000 bytes"),
    (delete, "found no file; wanted file .* of 20,000 bytes"),
    (grow, "found 20,001 bytes; wanted 20,000 bytes"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(b"a" * 20_000)
    return tmp_path / "x"


@pytest.mark.parametrize(("change", "said"), CHANGES)
@pytest.mark.parametrize("how", ["map", "watch"])
def test_nothing_is_given_of_a_file_that_changed(
    path: Path, how: str, change: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VISIT", 0.0)
    guard = Guard()
    getattr(guard, how)(path)
    with guard:
        pass
    guard.check()
    with pytest.raises(DataError, match=f"x: file changed; {said}"), guard:
        change(path)
    with pytest.raises(DataError, match="file changed"), guard:
        pass  # it stays so
    with pytest.raises(DataError, match="file changed"):
        guard.check()


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_file_that_was_copied_is_looked_at_in_the_end(
    path: Path, change: Callable[[Path], None], said: str
) -> None:
    guard = Guard()
    guard.watch_copied(path)
    change(path)
    with guard:
        pass
    with pytest.raises(DataError, match=f"x: file changed; {said}"):
        guard.check()


def test_the_cause_is_told_instead_of_what_it_led_to(path: Path) -> None:
    guard = Guard()
    guard.map(path)
    with pytest.raises(DataError, match="bad values"), guard:
        raise DataError("bad values", where="x")
    with pytest.raises(KeyboardInterrupt), guard:  # noqa: PT012
        cut(path)
        raise KeyboardInterrupt
    with pytest.raises(DataError, match="file changed") as caught, guard:
        raise OSError("a library's own")
    assert isinstance(caught.value.__cause__, OSError)


def test_what_is_read_behind_the_end_is_zeros_and_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard, fine = Guard(), Guard()
    memory, other = guard.map(path), fine.map(path)
    same = os.fstat(guard.maps[0][1].fd)
    monkeypatch.setattr(os, "fstat", lambda _: same)  # so that the flag alone can tell
    monkeypatch.setattr(module, "compare", lambda _: None)
    with guard:
        assert memory.sum() == 20_000 * ord("a")
    cut(path)
    with pytest.raises(DataError, match="x: file changed; found 5,000 bytes; wanted 20,000"), guard:  # noqa: PT012
        assert memory[5000:].sum() == 0
        assert memory[:5000].sum() == 5000 * ord("a")
    with fine:
        assert other[:5000].sum() == 5000 * ord("a")


def test_a_second_look_finds_what_the_first_opening_saw(path: Path) -> None:
    guard = Guard()
    guard.watch(path)
    grow(path)
    with pytest.raises(DataError, match="file changed"):
        guard.watch(path)


def test_a_map_of_the_users_own_is_watched(path: Path) -> None:
    guard = Guard()
    own = np.memmap(path, np.uint8, "r").reshape(100, 200)
    guard.watch_arrays([("a", own[50:]), ("b", np.zeros(5)), ("c", guard.map(path))])
    assert len(guard.ranges) == 1
    with guard:
        own.sum()
    cut(path)
    with pytest.raises(DataError, match="x: file changed; found 5,000 bytes"), guard:
        own.sum()
    guard.close()
    assert not guard.ranges


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoDataError):
        Guard().map(tmp_path / "x")
    with pytest.raises(NoDataError):
        Guard().watch(tmp_path / "x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="a pipe"):
        Guard().map(tmp_path / "pipe")


def test_looks_that_take_long_are_few(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [0.0], list[float]()

    def compare(files: object) -> None:
        looked.append(now[0])
        now[0] += 0.01

    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module, "compare", compare)
    guard = Guard()
    guard.watch(path)
    for _ in range(5000):
        now[0] += 0.001
        with guard:
            pass
    dear = [later - now for now, later in zip(looked[-3:], looked[-2:], strict=False)]
    assert min(dear) >= 0.5
    assert len(looked) < 40  # until it is known what one costs
    count = len(looked)
    guard.check()
    with pytest.raises(DataError, match="x: unreadable; found Input/output error"), guard:
        raise OSError(errno.EIO, "Input/output error", "x")
    assert len(looked) == count + 4  # there no look is left out


def test_one_long_look_does_not_make_them_few(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [0.0], list[float]()

    def compare(files: object) -> None:
        looked.append(now[0])
        now[0] += 1.0 if len(looked) == 3 else 1e-6

    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module, "compare", compare)
    guard = Guard()
    guard.watch(path)
    for _ in range(20):
        with guard:
            pass
    assert len(looked) == 20


def test_cheap_looks_are_taken_every_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(module, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(module, "compare", looked.append)
    guard = Guard()
    guard.watch(path)
    for _ in range(5):
        with guard:
            pass
    assert len(looked) == 5


@pytest.mark.parametrize("change", [replace, delete])
def test_a_map_whose_path_leads_elsewhere_is_named_soon(
    path: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    guard = Guard()
    memory = guard.map(path)
    with guard:
        pass
    change(path)
    with guard:
        assert memory.sum() == 20_000 * ord("a")  # it is read as it was
    now[0] = module.VISIT
    with pytest.raises(DataError, match="file changed"), guard:
        pass


def test_no_descriptor_outlives_a_map(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        guard = Guard()
        memory = guard.map(path)
        assert memory[0] == ord("a")
        del guard, memory
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
