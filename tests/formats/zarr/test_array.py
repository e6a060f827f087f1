"""Windows by every way are what zarr-python reads."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Zstd
from zarr.storage import LocalStore

from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.zarr.chunks.codecs import DECODERS
from flowload.formats.zarr.chunks.grid import PIECE
from tests.formats.recordings.made import KINDS, V2, numbers, read_window, write_array, zipped

Version = Literal[2, 3]

#: A sound chunk that holds twice as much as it should.
V3_LONGER = {"zstd": bytes(Zstd(1).encode(np.zeros(48, "f4")))}


@st.composite
def arrays(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape and the shape of its chunks."""
    shape = draw(st.lists(st.integers(1, 23), min_size=1, max_size=3))
    chunks = [draw(st.integers(1, size + 2)) for size in shape]
    return tuple(shape), tuple(chunks)


@pytest.mark.slow
@given(
    shapes=arrays(),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from(["f4", "i2", "u1", "c8"]),
    data=st.data(),
)
def test_windows_are_those_of_zarr_python(
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    kind: tuple[Version, str],
    dtype: str,
    data: st.DataObject,
) -> None:
    shape, chunks = shapes
    version, codec = kind
    size = data.draw(st.integers(1, shape[0] + 2))
    row = data.draw(st.integers(0, shape[0] - 1))
    columns = data.draw(st.none() | st.integers(1, shape[-1])) if len(shape) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        path = write_array(
            Path(folder) / "a.zarr", numbers(shape, dtype), chunks, version=version, codec=codec
        )
        table = recording(path, size, columns=columns).open()
        assert table.routes["a"].startswith("pread")
        wanted = np.asarray(zarr.open_array(path, mode="r")[row : row + size])
        found = read_window(table, row)["a"]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted if columns is None else wanted[..., :columns])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">i8"])
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_orders_and_byte_orders_of_version_2(order: Any, dtype: str, codec: str, tmp_path: Path) -> None:
    data = numbers((30, 7, 3), dtype)
    path = write_array(tmp_path / "a.zarr", data, (8, 4, 3), version=2, codec=codec, order=order)
    table = recording(path, 13, neurons=5, columns=2).open()
    found = read_window(table, 11)["a"]
    assert found.dtype.isnative
    assert table.routes["a"].startswith("pread")
    np.testing.assert_array_equal(found, data[11:24, :5, :2])


def test_the_other_byte_order_of_version_3(tmp_path: Path) -> None:
    data = numbers((30, 7))
    path = write_array(
        tmp_path / "a.zarr", data, (8, 7), serializer=zarr.codecs.BytesCodec(endian="big"), codec="zstd"
    )
    np.testing.assert_array_equal(read_window(recording(path, 9).open(), 4)["a"], data[4:13])


@pytest.mark.parametrize("route", ["zarrs", "zarr-python", "pread"])
@pytest.mark.parametrize("kind", ["sharded", "chunks", "missing", "missing in a shard"])
def test_every_way_reads_shards_and_chunks(route: str, kind: str, tmp_path: Path) -> None:
    if route == "zarrs":
        pytest.importorskip("zarrs")
    data = numbers((64, 6, 2))
    shards: dict[str, Any] = {"shards": (16, 6, 2)} if "shard" in kind else {}
    if kind == "missing in a shard":
        data[20:24, 3:6] = 0  # an inner chunk of the fill value is not written
    path = write_array(tmp_path / "a.zarr", data, (4, 3, 2), codec="zstd", **shards)
    wanted = data.copy()
    if kind == "missing":
        (path / "c/2/1/0").unlink()
        wanted[8:12, 3:6] = 0
    table = recording(ZarrArray(str(path), route=route, columns=1), 40).open()
    assert table.routes["a"].startswith(route)
    np.testing.assert_array_equal(read_window(table, 3)["a"], wanted[3:43, :, :1])
    assert table.missing == ("missing" in kind)
    table.close()


@pytest.mark.parametrize("index_location", ["start", "end"])
def test_a_chunk_as_long_as_the_index_is_not_taken_for_it(index_location: Any, tmp_path: Path) -> None:
    chunks = 6
    length = 16 * chunks + 4  # of an index
    data = np.arange(2 * chunks * length, dtype="u1")
    codec = zarr.codecs.ShardingCodec(
        chunk_shape=(length,), codecs=[zarr.codecs.BytesCodec()], index_location=index_location
    )
    zarr.create_array(
        LocalStore(tmp_path / "a.zarr"),
        data=data,
        chunks=(chunks * length,),
        serializer=codec,
        compressors=None,
    )
    for route in ("zarr-python", "pread"):
        table = recording(ZarrArray(str(tmp_path / "a.zarr"), route=route), 150).open()
        np.testing.assert_array_equal(read_window(table, 0)["a"], data[:150])
        table.close()


def test_a_window_of_a_shard_is_read_by_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = numbers((640, 8))
    path = write_array(tmp_path / "a.zarr", data, (10, 8), shards=(320, 8))
    table = recording(ZarrArray(str(path), route="zarr-python"), 20).open()
    plain, asked = LocalStore.get, list[int]()

    async def counted(store: Any, key: str, *how: Any, **more: Any) -> Any:
        found = await plain(store, key, *how, **more)
        asked.append(0 if found is None else len(found))
        return found

    monkeypatch.setattr(LocalStore, "get", counted)
    np.testing.assert_array_equal(read_window(table, 350)["a"], data[350:370])
    table.close()
    assert sum(asked) == 2 * 10 * 8 * 4 + 32 * 16 + 4  # two chunks, and the index of their shard


@pytest.mark.parametrize("package", [None, "zarrs"])
def test_filters_go_to_the_fastest_library_that_is_there(
    package: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package is not None:
        pytest.importorskip(package)
    data = numbers((64, 6), "i4")
    turned = [zarr.codecs.TransposeCodec(order=(1, 0))]
    path = write_array(tmp_path / "a.zarr", data, (4, 3), filters=turned)
    monkeypatch.setattr("flowload.formats.zarr.opening.find_spec", lambda name: package)
    table = recording(path, 40).open()
    assert table.routes["a"].startswith(package or f"zarr-python {zarr.__version__}")
    np.testing.assert_array_equal(read_window(table, 24)["a"], data[24:])
    table.close()


def test_what_zarrs_does_not_know_is_read_by_zarr_python(tmp_path: Path) -> None:
    pytest.importorskip("zarrs")
    data = numbers((64, 6), "i4")
    filters = [numcodecs.Delta(dtype="i4")]
    table = recording(write_array(tmp_path / "a.zarr", data, (4, 3), version=2, filters=filters), 9).open()
    assert table.routes["a"] == f"zarr-python {zarr.__version__}"
    np.testing.assert_array_equal(read_window(table, 24)["a"], data[24:33])
    table.close()


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_zips_are_read_in_place_unless_they_are_compressed(kind: int, codec: str, tmp_path: Path) -> None:
    data = numbers((50, 5))
    write_array(tmp_path / "rec" / "timeseries.zarr", data, (8, 5), codec=codec)
    path = zipped(tmp_path / "rec", kind)
    for location in (path, path / "timeseries.zarr"):
        table = recording({"a": location}, 20).open()
        assert table.routes["a"].startswith("pread" if kind == zipfile.ZIP_STORED else "zarr-python")
        np.testing.assert_array_equal(read_window(table, 13)["a"], data[13:33])
        table.close()


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_large_windows_are_cut_into_pieces(codec: str, tmp_path: Path) -> None:
    data = numbers((3 * PIECE // 64, 16))  # three pieces
    path = write_array(tmp_path / "a.zarr", data, (len(data), 16), codec=codec)
    table = recording(path, len(data)).open()
    assert len(table.pieces(0)) == (3 if codec == "raw" else 1)
    np.testing.assert_array_equal(read_window(table, 5)["a"], data[5:])


def test_a_missing_chunk_holds_the_fill_value_and_is_counted(tmp_path: Path) -> None:
    data = numbers((40, 6))
    path = write_array(tmp_path / "a.zarr", data, (8, 3), codec="zstd", fill_value=-1.5)
    (path / "c/1/1").unlink()
    (path / "c/4/0").unlink()
    table = recording(path, 30).open()
    found = read_window(table, 0)["a"]
    wanted = data[:30].copy()
    wanted[8:16, 3:] = -1.5
    np.testing.assert_array_equal(found, wanted)
    assert table.missing == 1


@pytest.mark.parametrize(
    ("codec", "damage", "reason"),
    [
        ("raw", lambda b: b[:-1], "found 95 bytes; wanted 96"),
        ("raw", lambda b: b + b"x", "found 97 bytes; wanted 96"),
        ("raw", lambda b: b"", "found 0 bytes"),
        ("zstd", lambda b: b[:-3], "wanted 96 bytes by zstd"),
        ("zstd", lambda b: b"", "which is no zstd frame"),
        ("zstd", lambda b: b"no zstd at all", "which is no zstd frame"),
        ("zstd", lambda b: V3_LONGER["zstd"], "192 decoded bytes by its header"),
        ("blosc", lambda b: b[:-3], "bytes of a Blosc buffer of"),
        ("blosc", lambda b: b[:5], "no Blosc buffer"),
        ("gzip", lambda b: b[:-3], "wanted 96 bytes by gzip"),
        ("gzip", lambda b: b[:-6] + b"\0" + b[-5:], "wanted 96 bytes by gzip"),
        ("crc32c", lambda b: b[:5] + bytes([b[5] ^ 1]) + b[6:], "CRC-32C"),
        ("crc32c", lambda b: b"a", "which have no CRC-32C"),
    ],
)
def test_a_corrupt_chunk_is_an_error_that_names_it(
    codec: str, damage: Any, reason: str, tmp_path: Path
) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((40, 6)), (8, 3), codec=codec)
    chunk = path / "c/2/1"
    chunk.write_bytes(damage(chunk.read_bytes()))
    table = recording(path, 40).open()
    with pytest.raises(DataError, match="corrupt chunk") as caught:
        read_window(table, 0)
    assert f"{path}: chunk c/2/1" in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_a_chunk_that_cannot_be_read_is_an_error_that_names_it(codec: str, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((40, 6)), (8, 3), codec=codec)
    (path / "c/2/1").unlink()
    (path / "c/2/1").mkdir()
    with pytest.raises(DataError, match=r"chunk c/2/1: (unreadable|corrupt) chunk"):
        read_window(recording(path, 40).open(), 0)


@given(data=st.data(), codec=st.sampled_from(["zstd", "blosc", "lz4", "gzip"]))
def test_damaged_bytes_are_errors_or_all_of_a_chunk(data: st.DataObject, codec: str) -> None:
    array = numbers((50, 6))
    coded = bytearray(V2[codec].encode(array))
    for place in data.draw(st.lists(st.integers(0, len(coded) - 1), max_size=4)):
        coded[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(coded)))
    out = np.full(array.nbytes, 0xA5, np.uint8)
    damaged = np.frombuffer(bytes(coded[:cut]), np.uint8)
    try:
        DECODERS[codec](damaged, out)
    except ValueError:
        return
    assert out[: array.nbytes].tobytes() == bytes(V2[codec].decode(bytes(damaged)))


@pytest.mark.parametrize("route", ["zarrs", "zarr-python"])
def test_a_corrupt_shard_is_an_error_that_names_its_rows(route: str, tmp_path: Path) -> None:
    if route == "zarrs":
        pytest.importorskip("zarrs")
    path = write_array(tmp_path / "a.zarr", numbers((64, 6)), (4, 3), shards=(16, 6), codec="zstd")
    (path / "c/2/0").write_bytes((path / "c/2/0").read_bytes()[:21])
    table = recording(ZarrArray(str(path), route=route), 64).open()
    with pytest.raises(DataError, match=r"a\.zarr: (rows 0 to 64: unread|shard c/2/0: corrupt)"):
        read_window(table, 0)
    table.close()


def test_what_is_no_array_is_told(tmp_path: Path) -> None:
    for location, wanted in (
        (tmp_path / "absent", "no such folder"),
        (tmp_path, "wanted zarr.json or .zarray"),
        ("memory://nothing-here", "wanted zarr.json or .zarray"),
    ):
        with pytest.raises(NoDataError, match=wanted):
            ZarrArray(str(location)).open()
    bad = tmp_path / "bad.zarr"
    bad.mkdir()
    (bad / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="bad zarr metadata"):
        ZarrArray(str(bad)).open()
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="bad zip"):
        ZarrArray(str(tmp_path / "x.zip")).open()


def test_arrays_that_are_no_recordings(tmp_path: Path) -> None:
    zarr.create_array(LocalStore(tmp_path / "text"), shape=(3,), dtype="U4", zarr_format=2)
    with pytest.raises(DataError, match="no array of numbers over time"):
        ZarrArray(str(tmp_path / "text")).open()
    zarr.create_array(LocalStore(tmp_path / "empty"), shape=(0, 3), dtype="f4", chunks=(1, 3))
    with pytest.raises(NoDataError, match=r"no rows; found shape \[0, 3\]"):
        ZarrArray(str(tmp_path / "empty")).open()


def test_limits_must_be_there(tmp_path: Path) -> None:
    path = str(write_array(tmp_path / "a.zarr", numbers((9, 6)), (8, 3)))
    with pytest.raises(DataError, match=r"too few columns; found shape \[9, 6\]; wanted 7 columns"):
        ZarrArray(path, columns=7).open()
    with pytest.raises(GraphError, match="columns is 0"):
        ZarrArray(path, columns=0)
    with pytest.raises(GraphError, match="route is 'fast'"):
        ZarrArray(path, route="fast")
    filters = [numcodecs.Delta(dtype="f4")]
    filtered = write_array(tmp_path / "s.zarr", numbers((8, 6)), (2, 3), version=2, filters=filters)
    with pytest.raises(DataError, match="not for pread"):
        ZarrArray(str(filtered), route="pread").open()
