"""Chunks in shards: where each lies, what an index may say, and when it is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.rows.zarr import ZarrRows
from flowload.formats.zarr.chunks.files import Folder
from flowload.formats.zarr.chunks.places import ShardChunks, ShardLayout
from tests.formats.recordings.made import numbers, read_window, write_array
from tests.formats.rows.oracle import read

DATA = numbers((48, 6))
ONES = 2**64 - 1


def sharded(tmp_path: Path, **how: Any) -> Path:
    return write_array(tmp_path / "a.zarr", DATA, (4, 3), shards=(16, 6), **how)


def edit_index(shard: Path, entry: int, begin: int, size: int) -> None:
    """Change an entry of the index at the end, and the checksum behind it."""
    data = bytearray(shard.read_bytes())
    start = len(data) - 8 * 16 - 4
    index = np.frombuffer(bytes(data[start:-4]), "<u8").reshape(-1, 2).copy()
    index[entry] = begin, size
    data[start:-4] = index.tobytes()
    data[-4:] = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    shard.write_bytes(data)


@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("codec", ["raw", "zstd", "zstd, crc32c"])
def test_shards_are_read_by_ourselves(place: str, codec: str, tmp_path: Path) -> None:
    path = write_array(
        tmp_path / "a.zarr", DATA, (4, 3), codec=codec, shards={"shape": (16, 6), "index_location": place}
    )
    table = ZarrRows(path).open()
    assert table.columns["a"].array.route.startswith("pread")  # type: ignore[attr-defined]  # a ZarrColumn
    rows = np.random.default_rng(0).integers(0, 48, 100)
    np.testing.assert_array_equal(read(table, rows)["a"], DATA[rows])


ENTRIES = {
    "behind its end": (10**6, 50),
    "far behind": (ONES - 1, 1),
    "too long": (0, 10**6),
    "wrapping around": (50, ONES - 20),
    "half absent": (ONES, 5),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_index_that_leads_astray_is_named(entry: str, tmp_path: Path) -> None:
    path = sharded(tmp_path)
    edit_index(path / "c/1/0", 3, *ENTRIES[entry])
    table = ZarrRows(path).open()
    assert len(read(table, range(16))["a"]) == 16
    with pytest.raises(DataError, match=r"a\.zarr: shard c/1/0: corrupt shard; found an index that leads"):
        read(table, [20])


def test_an_index_is_checked_by_its_checksum(tmp_path: Path) -> None:
    path = sharded(tmp_path)
    data = bytearray((path / "c/1/0").read_bytes())
    data[-20] ^= 1
    (path / "c/1/0").write_bytes(data)
    with pytest.raises(DataError, match=r"shard c/1/0: corrupt shard; found an index of CRC-32C"):
        read(ZarrRows(path).open(), [20])


def test_a_shard_that_is_too_short_for_an_index_is_named(tmp_path: Path) -> None:
    path = sharded(tmp_path)
    (path / "c/1/0").write_bytes(b"short")
    with pytest.raises(DataError, match=r"shard c/1/0: corrupt shard; found 5 bytes; wanted an index of 132"):
        read(ZarrRows(path).open(), [20])


def test_a_shard_that_is_replaced_is_named(tmp_path: Path) -> None:
    path = sharded(tmp_path, codec="zstd")
    table = ZarrRows(path).open()
    np.testing.assert_array_equal(read(table, range(16))["a"], DATA[:16])
    sevens = np.full((48, 6), 7, "f4")  # which zstd makes smaller
    other = write_array(tmp_path / "b.zarr", sevens, (4, 3), codec="zstd", shards=(16, 6))
    (other / "c/0/0").replace(path / "c/0/0")
    with pytest.raises(DataError, match="c/0/0: file changed"):
        read(table, range(16))


def test_indices_are_kept_but_not_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.formats.zarr.chunks.places.KEPT", 2 * 132)
    layout = ShardLayout((4, 3), (4, 2), first=False, checked=True, codecs=())
    path = sharded(tmp_path)
    chunks = ShardChunks(Folder(path), lambda coords: "c/" + "/".join(map(str, coords)), layout, "a")
    asked: list[str] = []
    reading = ShardChunks.read

    def counted(self: ShardChunks, key: str, shard: Any) -> Any:
        asked.append(key)
        return reading(self, key, shard)

    monkeypatch.setattr(ShardChunks, "read", counted)
    for row in (0, 1, 4, 0, 8, 4, 0):  # of chunks: shards 0, 0, 1, 0, 2, 1, 0
        assert chunks.has((row, 0))
    assert asked == ["c/0/0", "c/1/0", "c/2/0", "c/1/0", "c/0/0"]
    assert len(chunks.kept) == 2


def test_where_a_chunk_lies() -> None:
    layout = ShardLayout((4, 3), (4, 2), first=False, checked=True, codecs=())
    for coords in np.ndindex(9, 7):
        shard, number = layout.split(coords)
        assert layout.inner(shard, number) == coords
        assert shard == (coords[0] // 4, coords[1] // 2)
    assert layout.split((5, 3)) == ((1, 1), 3)
    assert layout.name((5, 3), str) == "(1, 1)[3]"


@pytest.mark.parametrize("route", ["pread", "zarr-python"])
def test_chunks_beside_a_window_are_not_missed(route: str, tmp_path: Path) -> None:
    data = DATA.copy()
    data[:4] = 0  # the first chunks of a shard are not written
    path = write_array(tmp_path / "a.zarr", data, (4, 3), shards=(16, 6))
    table = recording({"a": ZarrArray(str(path), route=route)}, 9).open()
    np.testing.assert_array_equal(read_window(table, 4)["a"], data[4:13])
    assert table.missing == 0
    np.testing.assert_array_equal(read_window(table, 3)["a"], data[3:12])
    assert table.missing == 2
    table.close()
