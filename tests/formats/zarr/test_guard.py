"""Our reading is compared with zarr-python's, with few bytes; where it differs, that reads, and is told."""

from __future__ import annotations

import logging
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.rows.zarr import ZarrRows
from flowload.formats.zarr import guard as zarr_guard
from flowload.formats.zarr import opening as zarr_opening
from flowload.formats.zarr.chunks.codecs import DECODERS
from flowload.formats.zarr.chunks.coding import Coding
from flowload.formats.zarr.chunks.grid import Grid
from flowload.formats.zarr.chunks.reader import ChunkReader
from flowload.formats.zarr.guard import BUDGET, difference, probes
from tests.formats.recordings.made import numbers, read_window, write_array
from tests.formats.rows.oracle import read

DATA = numbers((50, 6), "i4")


def spoilt(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let our decoder get the last byte of each chunk wrong."""
    right = DECODERS[codec]

    def decode(data: Bytes, out: Bytes) -> None:
        right(data, out)
        out[-1] ^= 1

    monkeypatch.setitem(DECODERS, codec, decode)


@pytest.mark.parametrize("codec", ["zstd", "gzip", "blosc", "crc32c"])
@pytest.mark.parametrize("shards", [None, (16, 6)])
def test_a_decoder_that_is_wrong_is_found_and_not_used(
    codec: str, shards: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    more: dict[str, Any] = {} if shards is None else {"shards": shards}
    path = write_array(tmp_path / "a.zarr", DATA, (8, 3), codec=codec, **more)
    spoilt("" if codec == "crc32c" else codec, monkeypatch)
    table = ZarrRows(path).open()
    np.testing.assert_array_equal(read(table, [3, 49, 8])["a"], DATA[[3, 49, 8]])
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{path}: pread + " in record.getMessage()
    assert "otherwise than zarr-python, which reads the array now" in record.getMessage()
    table.close()
    assert recording(path, 9).open().routes["a"].startswith("zarr-python")


@pytest.mark.parametrize("what", ["order", "byte order", "fill"])
def test_metadata_that_we_misread_are_found(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 3), version=2, order="F", fill_value=7)
    (path / "0.0").unlink()
    changes: dict[str, dict[str, Any]] = {"order": {"order": "C"}, "byte order": {"dtype": np.dtype(">i4")}}
    change = changes.get(what, {})
    original = ChunkReader.__init__

    def misread(self: Any, location: str, grid: Grid, coding: Coding, chunks: Any, fill: Any) -> None:
        original(self, location, grid, coding._replace(**change), chunks, 6 if what == "fill" else fill)

    monkeypatch.setattr(ChunkReader, "__init__", misread)
    wanted = np.asarray(zarr.open_array(path, mode="r"))
    table = recording(path, 50).open()
    assert table.routes["a"].startswith("zarr-python")
    np.testing.assert_array_equal(read_window(table, 0)["a"], wanted)
    assert table.missing == 1  # what was compared does not count
    table.close()


def test_what_is_right_is_read_by_ourselves_and_nothing_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 3), codec="zstd")
    (path / "c/1/1").unlink()
    array = ZarrArray(str(path)).open()
    assert array.route == "pread + zstd"
    assert (array.missing, array.gaps.bands) == (0, {})  # what was compared does not count
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_chunk_that_neither_can_read_is_no_difference(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 3), codec="zstd")
    (path / "c/0/0").write_bytes(b"rubbish")
    table = ZarrRows(path).open()
    assert len(read(table, range(8, 50))["a"]) == 42
    with pytest.raises(DataError, match="chunk c/0/0: corrupt chunk"):
        read(table, [0])


def test_a_chunk_that_only_one_can_read_is_a_difference() -> None:
    def fine(coords: Any, rows: slice) -> NDArray[Any]:
        return np.zeros(3)[rows]

    def corrupt(coords: Any, rows: slice) -> NDArray[Any]:
        raise DataError("corrupt chunk", where="x")

    def half(coords: Any, rows: slice) -> NDArray[Any]:
        return fine(coords, rows) if coords[0] else corrupt(coords, rows)

    grid = Grid((6,), (3,), (6,), 8)
    assert difference(fine, fine, grid, "x") is None
    assert difference(corrupt, corrupt, grid, "x") is None
    assert difference(fine, corrupt, grid, "x") == (1,)
    assert difference(fine, half, grid, "x") == (0,)
    assert difference(corrupt, fine, grid, "x") == (1,)  # a kind that we do not read
    assert difference(half, fine, grid, "x") is None  # a chunk that we refuse
    assert difference(half, half, grid, "x") is None


def test_bits_are_compared_not_numbers() -> None:
    grid = Grid((1,), (1,), (1,), 4)
    values = [
        np.array([bits], np.uint32).view(np.float32) for bits in (0x7FC00000, 0x7FC00001, 0x80000000, 0)
    ]
    for one in values:
        for other in values:
            same = one.tobytes() == other.tobytes()
            assert (difference(lambda *_: one, lambda *_: other, grid, "x") is None) == same  # noqa: B023


SIDE = st.integers(1, 1 << 40)


@pytest.mark.slow
@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=6), st.sampled_from([1, 8]))
def test_what_is_compared_is_bounded_and_has_both_ends(sides: list[tuple[int, int]], itemsize: int) -> None:
    shape, chunks = zip(*sides, strict=True)
    grid = Grid(shape, chunks, shape, itemsize)
    found = list(probes(grid, "here"))
    assert len(found) * grid.chunk_bytes <= BUDGET
    assert len(found) <= 12
    assert len(set(found)) == len(found)
    last = tuple(size - 1 for size in grid.every)
    assert all(0 <= place <= end for coords in found for place, end in zip(coords, last, strict=True))
    if grid.chunk_bytes * 12 <= BUDGET:
        assert {(0,) * len(shape), last} <= set(found)
        assert len(found) >= min(3, prod(grid.every))
    assert found == list(probes(grid, "here"))


LARGE: dict[str, dict[str, Any]] = {"raw": {}, "zstd": {}, "shards": {"shards": (1 << 25, 3)}}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("wrong", [False, True])
def test_of_large_chunks_a_small_array_of_the_same_kind_is_compared(
    kind: str, wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = "raw" if kind == "raw" else "zstd"
    shape = (1 << 24, 3)
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        str(path),
        shape=shape,
        chunks=shape,
        dtype=">i2",
        zarr_format=3,
        compressors=None if codec == "raw" else zarr.codecs.ZstdCodec(),
        serializer=zarr.codecs.BytesCodec(endian="big"),
        **LARGE[kind],
    )
    (path / "c/0").mkdir(parents=True)
    (path / "c/0/0").write_bytes(b"")  # nobody reads it
    assert array.nbytes > BUDGET
    if wrong:
        spoilt("zstd", monkeypatch)
        right = ChunkReader.shown
        monkeypatch.setattr(ChunkReader, "shown", lambda self, memory: right(self, memory).byteswap())
    seen: list[Any] = []
    compare = zarr_guard.compare

    def seeing(*what: Any) -> zarr_guard.Found:
        seen.append(what)
        return compare(*what)

    monkeypatch.setattr(zarr_guard, "compare", seeing)
    assert ZarrArray(str(path)).open().route.startswith("zarr-python" if wrong else "pread")
    assert seen


def test_an_estimate_compares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 3))
    asked: list[Any] = []
    monkeypatch.setattr(zarr_opening, "difference", lambda *what: asked.append(what))
    assert recording(path, 9).fields("windows")
    assert asked == []
    recording(path, 9).open().close()
    assert len(asked) == 1


def test_zarrs_is_compared_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("zarrs")
    # zarrs 0.2.3 gives the parts of big-endian complex numbers in the wrong order.
    turned = [zarr.codecs.TransposeCodec(order=(1, 0))]
    big = zarr.codecs.BytesCodec(endian="big")
    data = numbers((20, 3), "c16") * (1 + 2j)
    path = write_array(tmp_path / "a.zarr", data, (8, 3), filters=turned, serializer=big)
    table = ZarrRows(path).open()
    np.testing.assert_array_equal(read(table, range(20))["a"], data)
    table.close()


def test_a_reader_that_is_right_of_whole_chunks_alone_is_found() -> None:
    def right(coords: Any, rows: slice) -> NDArray[Any]:
        return np.arange(9)[rows]

    def wrong(coords: Any, rows: slice) -> NDArray[Any]:
        return right(coords, rows) + (rows != slice(0, 9))

    grid = Grid((9,), (9,), (9,), 8)
    assert difference(right, right, grid, "x") is None
    assert difference(wrong, right, grid, "x") == (0,)


def test_zarrs_is_right_of_whole_chunks_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("zarrs")
    data = numbers((23, 2), "c16") * (1 + 2j)
    twice = (zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec())
    big = zarr.codecs.BytesCodec(endian="big")
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), data=data, chunks=(14, 2), compressors=twice, serializer=big)
    table = ZarrRows(path).open()
    np.testing.assert_array_equal(read(table, [5, 20, 3])["a"], data[[5, 20, 3]])
    table.close()
