from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.blocks import CHUNK
from flowload.errors import DataError, NoDataError
from flowload.formats.lc0.format import FORMAT
from flowload.formats.lc0.write import write_chunk, write_tar
from tests.kernels import strategies

MakeTar = Callable[..., Path]
LIMIT = 1 << 24


def game(length: int = 3, version: int = 6, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    return b"".join(strategies.record(version, 1, rng).tobytes() for _ in range(length))


def inflate_all(
    path: Path, table: NDArray[np.void] | None = None, size: int = 1 << 16
) -> list[tuple[bytes, int]]:
    table = FORMAT.index(str(path)) if table is None else table
    fd = os.open(path, os.O_RDONLY)
    try:
        found = []
        for chunk in table:
            out = np.empty(size, np.uint8)
            data, record = FORMAT.inflate(
                fd, chunk, out, limit=LIMIT, where=f"{path}, chunk {chunk['index']}"
            )
            assert np.shares_memory(data, out) == (len(data) <= size)
            found.append((data.tobytes(), record))
        return found
    finally:
        os.close(fd)


def fails(path: Path, reason: str, chunk: NDArray[np.void] | None = None) -> DataError:
    """The error of indexing a file, or of inflating its chunks."""
    with pytest.raises(DataError) as caught:
        inflate_all(path, chunk)
    assert caught.value.reason == reason
    assert str(path) in caught.value.where
    return caught.value


def test_the_shape_of_an_index(make_tar: MakeTar) -> None:
    packed = gzip.compress(game(3))
    table = FORMAT.index(str(make_tar({"a/0.gz": packed, "a/1": game(2, version=7)})))
    assert table.dtype == CHUNK
    assert table["offset"].tolist() == [512, 512 + -(-len(packed) // 512) * 512 + 512]
    assert table["size"].tolist() == [len(packed), 2 * 8396]
    assert table["inflated"].tolist() == [3 * 8356, 2 * 8396]
    assert table["records"].tolist() == [3, 2]
    assert table["gzip"].tolist() == [True, False]
    assert table["index"].tolist() == [0, 1]
    assert table["cap"].tolist() == [-1, -1]
    assert not table["source"].any()
    assert not table["use"].any()


def test_what_is_no_chunk(make_tar: MakeTar) -> None:
    members = {
        "LICENSE": b"x",
        "run/LICENSE": b"x",
        "run/.hidden.gz": b"x",
        ".hidden/seen": game(),
        "run/LICENSES": game(),
    }
    table = FORMAT.index(str(make_tar(members)))
    assert [FORMAT.describe(str(make_tar(members)), chunk) for chunk in table] == [
        ".hidden/seen",
        "run/LICENSES",
    ]


@pytest.mark.slow
@given(games=st.lists(strategies.games(), min_size=1, max_size=4), level=st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read(games: list[Bytes], level: int, tmp_path: Path) -> None:
    tar, lone = tmp_path / "games.tar", tmp_path / "game.gz"
    write_tar(tar, games, level=level)
    write_chunk(lone, games[0], level=level)
    wanted = [(game.tobytes(), game.shape[1]) for game in games]
    assert inflate_all(tar) == wanted
    assert inflate_all(lone) == wanted[:1]
    for path, lengths in ((tar, list(map(len, games))), (lone, [len(games[0])])):
        assert FORMAT.index(str(path))["records"].tolist() == lengths


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_every_kind_against_python_s_libraries(kind: int, make_tar: MakeTar) -> None:
    names = ["folder/" * 20 + f"training.{k:06d}.gz" for k in range(20)]
    path = make_tar({name: gzip.compress(game(k % 3 + 1, seed=k)) for k, name in enumerate(names)}, kind=kind)
    table = FORMAT.index(str(path))
    with tarfile.open(path) as tar:
        infos = list(tar)
        wanted = [gzip.decompress(path.read_bytes()[i.offset_data : i.offset_data + i.size]) for i in infos]
    assert [data for data, _ in inflate_all(path)] == wanted
    assert table["inflated"].tolist() == [len(data) for data in wanted]
    assert [FORMAT.describe(str(path), chunk) for chunk in table] == names


@pytest.mark.slow
def test_real_tars_against_python_s_libraries(shared_lc0: Path) -> None:
    for path in sorted(shared_lc0.rglob("*.tar")):
        table = FORMAT.index(str(path))
        with tarfile.open(path) as tar:
            infos = [info for info in tar if info.name.endswith(".gz")]
        data = path.read_bytes()
        for info, (inflated, record), chunk in zip(
            infos, inflate_all(path, size=1 << 22), table, strict=True
        ):
            assert inflated == gzip.decompress(data[info.offset_data : info.offset_data + info.size])
            assert record == 8356
            assert chunk["records"] == len(inflated) // record


def test_several_gzip_members_in_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "game.gz"
    path.write_bytes(
        gzip.compress(game(2)) + gzip.compress(game(5, seed=1)[:100]) + gzip.compress(game(5, seed=1)[100:])
    )
    assert inflate_all(path) == [(game(2) + game(5, seed=1), 8356)]


@pytest.mark.parametrize("size", [0, 3 * 8356 - 1, 3 * 8356, 3 * 8356 + 1])
@pytest.mark.parametrize("name", ["a.gz", "a"])
def test_a_buffer_of_any_size(size: int, name: str, make_tar: MakeTar) -> None:
    path = make_tar({name: gzip.compress(game()) if name == "a.gz" else game()})
    assert inflate_all(path, size=size) == [(game(), 8356)]


@pytest.mark.parametrize("tail", [b"", bytes(4), b"\xff" * 4, (1).to_bytes(4, "little")])
def test_sizes_that_cannot_be_are_not_believed(tail: bytes, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(20_000)
    path = tmp_path / "game.gz"
    path.write_bytes(gzip.compress(data)[: -len(tail) or None] + tail)
    table = FORMAT.index(str(path))
    assert table["inflated"].tolist() == [-1 if tail else 20_000]
    assert table["records"].tolist() == [-1]


@pytest.mark.parametrize(("change", "reason"), [
    (lambda data: data[:-9], "truncated gzip"),
    (lambda data: data + b"garbage", "trailing garbage"),
    (lambda data: data[:-8] + bytes([data[-8] ^ 1]) + data[-7:], "bad CRC"),
    (lambda data: data[:-4] + bytes([data[-4] ^ 1]) + data[-3:], "wrong gzip size"),
    (lambda data: data[:10] + bytes([data[10] | 6]) + data[11:], "bad gzip"),
    (lambda _: gzip.compress(b""), "empty chunk"),
    (lambda _: gzip.compress(game()[:-1]), "wrong record size"),
    (lambda _: gzip.compress(b"\2" + game()[1:]), "unknown version"),
    (lambda _: gzip.compress(game() + game(1, 5)), "mixed versions"),
    (lambda _: gzip.compress(game()[:4] + b"\x09" + game()[5:]), "unknown input format"),
])  # fmt: skip
def test_broken_chunks(change: Callable[[bytes], bytes], reason: str, make_tar: MakeTar) -> None:
    broken = change(gzip.compress(game(), 1))
    assert "chunk 1" in fails(make_tar({"0.gz": gzip.compress(game()), "1.gz": broken}), reason).where


def test_a_compressed_member_that_is_not_named_so(make_tar: MakeTar) -> None:
    error = fails(make_tar({"0.gzip": gzip.compress(game())}), "unknown version")
    assert error.found == "gzip data"
    assert error.wanted.endswith("names of compressed members end in .gz")


@pytest.mark.parametrize("length", [0, 100])
def test_broken_raw_chunks(length: int, make_tar: MakeTar) -> None:
    fails(make_tar({"raw": game()[:length]}), "wrong record size" if length else "empty chunk")


@pytest.mark.parametrize("name", ["a.gz", "a"])
def test_a_chunk_larger_than_the_limit(name: str, make_tar: MakeTar) -> None:
    path = make_tar({name: gzip.compress(game()) if name == "a.gz" else game()})
    (chunk,) = FORMAT.index(str(path))
    with path.open("rb") as file:
        out = np.empty(1 << 20, np.uint8)
        data, _ = FORMAT.inflate(file.fileno(), chunk, out, limit=3 * 8356, where="here")
        assert len(data) == 3 * 8356
        with pytest.raises(DataError, match=r"here: chunk too large; found .*; wanted at most"):
            FORMAT.inflate(file.fileno(), chunk, out, limit=3 * 8356 - 1, where="here")


def test_a_compressed_size_beyond_reason_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.gz"
    path.write_bytes(gzip.compress(game()))
    os.truncate(path, 1 << 33)  # sparse: 8 GiB of zeros behind the data
    assert "8589934592 bytes" in fails(path, "chunk too large").found


@pytest.mark.parametrize("name", ["a.gz", "a"])
def test_a_file_that_shrank_after_it_was_indexed(name: str, make_tar: MakeTar) -> None:
    path = make_tar({name: game()})
    table = FORMAT.index(str(path))
    os.truncate(path, 5000)
    assert "4488 bytes" in fails(path, "truncated file", table).found


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar"])
def test_a_compressed_tar(name: str, make_tar: MakeTar, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(make_tar({"0.gz": gzip.compress(game())}, name="y.tar").read_bytes()))
    fails(path, "compressed tar")


@pytest.mark.parametrize("members", [{}, {"LICENSE": b"x"}])
def test_a_tar_without_chunks(members: dict[str, bytes], make_tar: MakeTar) -> None:
    path = make_tar(members)
    assert isinstance(fails(path, "no chunks"), NoDataError)


def test_files_that_are_none(tmp_path: Path) -> None:
    empty, text, pipe = tmp_path / "empty.gz", tmp_path / "text.gz", tmp_path / "pipe.tar"
    empty.touch()
    text.write_bytes(b"this is no gzip data")
    os.mkfifo(pipe)
    fails(empty, "no chunks")
    fails(text, "bad gzip")
    fails(pipe, "not a file")
    fails(tmp_path, "not a file")
    with pytest.raises(DataError, match=r"absent\.tar: vanished; .*wanted a \.tar or \.gz file"):
        FORMAT.index(str(tmp_path / "absent.tar"))


def test_no_descriptor_is_left_open(make_tar: MakeTar) -> None:
    good, bad = make_tar({"0": game()}), make_tar({}, name="bad.tar")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        (chunk,) = FORMAT.index(str(good))
        FORMAT.describe(str(good), chunk)
        with pytest.raises(NoDataError):
            FORMAT.index(str(bad))
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_chunk_whose_file_is_gone_still_has_a_number(make_tar: MakeTar) -> None:
    path = make_tar({"0": game(), "1": game()})
    chunk = FORMAT.index(str(path))[1]
    assert FORMAT.describe(str(path), chunk) == "1"
    path.unlink()
    assert FORMAT.describe(str(path), chunk) == "chunk 1"


def test_the_name_of_a_lone_chunk(tmp_path: Path) -> None:
    path = tmp_path / "game.gz"
    write_chunk(path, np.frombuffer(game(), np.uint8).reshape(3, -1))
    assert FORMAT.describe(str(path), FORMAT.index(str(path))[0]) == "game.gz"


def test_words() -> None:
    assert FORMAT.name == "lc0"
    assert FORMAT.suffixes == (".tar", ".gz")
    assert list(FORMAT.layouts) == ["tensors", "tuple", "bits"]
