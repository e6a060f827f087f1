"""What data are, by few bytes of them; and what is said where they are others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowload.files.fingerprint import LISTED, PLACE, differences, names_below, of_array, of_files, places

BIG = 5 << 20  #: bytes: more than are digested whole


def folder(root: Path, count: int = 3) -> list[str]:
    root.mkdir(exist_ok=True)
    paths = [root / f"{number:04}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number % 251]) * (20_000 + number))
    return [str(path) for path in paths]


def looked(paths: list[str]) -> dict[str, object]:
    return dict(of_files(paths, names_below(paths)))


def test_files_are_the_same_wherever_they_lie(tmp_path: Path) -> None:
    before = looked(folder(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert differences(before, looked(folder(tmp_path / "b"))) == []
    alone = str(tmp_path / "b" / "0001.bin")
    assert names_below([alone]) == ["0001.bin"]
    assert names_below([]) == []


@pytest.mark.parametrize("place", [0, 5_000, 12_345, 19_999])
def test_a_byte_of_a_small_file_is_noticed(place: int, tmp_path: Path) -> None:
    paths = folder(tmp_path / "a")
    before = looked(paths)
    with Path(paths[1]).open("r+b") as file:
        file.seek(place)
        file.write(b"?")
    assert differences(before, looked(paths)) == ["0001.bin has other bytes than then"]


def test_of_large_files_little_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(BIG)
    before = looked([str(path)])
    with path.open("r+b") as file:
        file.seek(PLACE + 1)
        file.write(b"not looked at")
    assert differences(before, looked([str(path)])) == []
    with path.open("r+b") as file:
        file.write(b"looked at")
    assert differences(before, looked([str(path)])) == ["large.bin has other bytes than then"]


def rewritten(paths: list[str]) -> None:
    Path(paths[1]).write_bytes(b"x" * 20_001)


def longer(paths: list[str]) -> None:
    Path(paths[1]).write_bytes(b"x" * 20_002)


def added(paths: list[str]) -> None:
    paths.append(str(Path(paths[0]).with_name("zz.bin")))
    Path(paths[-1]).write_bytes(b"new")


def removed(paths: list[str]) -> None:
    paths.pop()


def turned(paths: list[str]) -> None:
    paths.reverse()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (rewritten, ["0001.bin has other bytes than then"]),
        (longer, ["0001.bin had 20,001 bytes, has 20,002"]),
        (added, ["3 files when it was saved, 4 now", "new: zz.bin"]),
        (removed, ["3 files when it was saved, 2 now", "gone: 0002.bin"]),
        (turned, ["their names, order or sizes are others"]),
    ],
)
def test_what_is_said_of_other_files(
    tmp_path: Path, change: Callable[[list[str]], None], told: list[str]
) -> None:
    paths = folder(tmp_path / "a")
    before = looked(paths)
    change(paths)
    assert differences(before, looked(paths)) == told


@pytest.mark.slow
def test_of_very_many_files_some_are_looked_into_and_all_are_counted(tmp_path: Path) -> None:
    paths = folder(tmp_path / "many", 2 * LISTED + 5)
    before = looked(paths)
    assert len(before["listed"]) <= LISTED  # type: ignore[arg-type]
    longer(paths)
    assert differences(before, looked(paths)) != []
    before = looked(paths)
    assert differences(before, looked(paths[:-1])) != []


def test_places_cover_both_ends() -> None:
    assert places(0, 4) == []
    assert places(10, 4) == [0]
    assert places(4096 * 2, 4) == [0, 4096]
    assert places(1_000_000, 4)[0] == 0
    assert places(1_000_000, 4)[-1] == 1_000_000 - 4096
    assert len(places(1_000_000, 4)) == 4


@pytest.mark.parametrize("size", [100, BIG])
def test_arrays_are_told_apart_by_values_shape_and_dtype(size: int) -> None:
    array = np.arange(size // 8)
    word = of_array(array)
    assert of_array(array.copy()) == word
    others = [array * 3, array.astype(np.int64).view(np.uint64), array[:-1], array.reshape(-1, 1)]
    assert word not in map(of_array, others)
    assert of_array(np.asfortranarray(array.reshape(2, -1)[:, :6].copy())) == of_array(
        array.reshape(2, -1)[:, :6].copy()
    )


def test_an_array_of_large_rows_is_looked_at_in_every_part() -> None:
    array = np.zeros((6, BIG // 8))
    word = of_array(array)
    for row in range(6):
        array[row] = 1
        assert of_array(array) != word
        array[row] = 0
