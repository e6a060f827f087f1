from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flowload.abc.operators import Bytes
from flowload.errors import DataError, NoDataError
from flowload.formats.lc0.records import RECORDS
from flowload.formats.lc0.write import write_chunk, write_tar
from tests.kernels import strategies


def game(length: int = 3, version: int = 6, seed: int = 0) -> Bytes:
    rng = np.random.default_rng(seed)
    return np.stack([strategies.record(version, 1, rng) for _ in range(length)])


def test_a_chunk_for_python_s_gzip(tmp_path: Path) -> None:
    path = tmp_path / "game.gz"
    write_chunk(path, game())
    assert gzip.decompress(path.read_bytes()) == game().tobytes()


def test_a_tar_for_python_s_tarfile(tmp_path: Path) -> None:
    path = tmp_path / "run-7.tar"
    games = [game(k + 1, version=3 + k, seed=k) for k in range(5)]
    assert write_tar(path, iter(games)) == 5
    with tarfile.open(path) as tar:
        assert tar.getnames() == [f"run-7/training.{k:06d}.gz" for k in range(5)]
        for info, wanted in zip(tar, games, strict=True):
            member = tar.extractfile(info)
            assert member is not None
            assert gzip.decompress(member.read()) == wanted.tobytes()


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "run.tar"
        write_tar(path, [game(), game(seed=1)], fsync=folder == "b")
        os.utime(path, (1, 1))
        files.append(path.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("fsync", [True, False])
def test_the_disk_has_the_file_before_its_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: bool
) -> None:
    told: list[str] = []
    replace = Path.replace

    def renamed(path: Path, target: Path) -> Path:
        told.append("renamed")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", lambda fd: told.append(Path(f"/proc/self/fd/{fd}").readlink().suffix))
    monkeypatch.setattr(Path, "replace", renamed)
    write_chunk(tmp_path / "game.gz", game(), fsync=fsync)
    write_tar(tmp_path / "games.tar", [game()], fsync=fsync)
    assert told == ([".part", "renamed", ""] * 2 if fsync else ["renamed"] * 2)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*\.game\.gz\.\w+\.part'"):
        write_chunk(tmp_path / "game.gz", game())
    assert not list(tmp_path.iterdir())


def test_levels(tmp_path: Path) -> None:
    sizes = []
    for level in (1, 9):
        write_chunk(tmp_path / "game.gz", np.tile(game(1), (20, 1)), level=level)
        sizes.append((tmp_path / "game.gz").stat().st_size)
    assert sizes[1] <= sizes[0]


@pytest.mark.parametrize("version", RECORDS)
def test_records_as_structures(version: int, tmp_path: Path) -> None:
    path = tmp_path / "game.gz"
    records = game(4, version).view(RECORDS[version])[:, 0]
    write_chunk(path, records)
    assert gzip.decompress(path.read_bytes()) == records.tobytes()


def test_records_of_a_larger_array(tmp_path: Path) -> None:
    path = tmp_path / "game.gz"
    wide = np.concatenate([game(), np.zeros((3, 40), np.uint8)], axis=1)
    write_chunk(path, wide[::-1, :8356])
    assert gzip.decompress(path.read_bytes()) == game()[::-1].tobytes()


@pytest.mark.parametrize(("records", "reason"), [
    (np.zeros((3, 8356), np.uint8), "unknown version"),
    (game()[:, :-1], "wrong record size"),
    (game(2).reshape(1, -1), "wrong record size"),
    (game()[:0], "empty chunk"),
    (np.empty(0, RECORDS[6]), "empty chunk"),
])  # fmt: skip
def test_what_are_no_records(records: Bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"game\.gz") as caught:
        write_chunk(tmp_path / "game.gz", records)
    assert caught.value.reason == reason
    with pytest.raises(DataError, match=r"run\.tar, chunk 1") as caught:
        write_tar(tmp_path / "run.tar", [game(), records])
    assert caught.value.reason == reason
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "records", [np.zeros(8356, np.uint8), np.zeros((3, 8356)), np.zeros((1, 1, 8356), np.uint8)]
)
def test_what_are_no_arrays_of_records(records: Bytes, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"wanted uint8 \(n, record size\)"):
        write_chunk(tmp_path / "game.gz", records)


def test_a_tar_of_no_game(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"run\.tar: no chunks"):
        write_tar(tmp_path / "run.tar", [])
    assert not list(tmp_path.iterdir())


def test_nothing_is_seen_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "run.tar"
    path.write_bytes(b"old")
    seen: list[list[str]] = []

    def games() -> Iterator[Bytes]:
        for seed in range(2):
            seen.append(sorted(entry.name for entry in tmp_path.iterdir()))
            yield game(seed=seed)

    write_tar(path, games())
    for names in seen:
        hidden, visible = names
        assert hidden.startswith(".run.tar.")
        assert visible == "run.tar"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.tar"]
    assert tarfile.is_tarfile(path)


def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.tar"
    path.write_bytes(b"old")

    def games() -> Iterator[Bytes]:
        yield game()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tar(path, games())
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]
