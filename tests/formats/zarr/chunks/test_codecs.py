"""Decoders stop: what is more than a chunk, or less, is an error, and costs no more memory than the chunk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tracemalloc
import zlib
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.formats.recordings.recording import ZarrArray
from flowload.formats.rows.zarr import ZarrRows
from flowload.formats.zarr.chunks import codecs as chunk_codecs
from flowload.formats.zarr.chunks.codecs import (
    BOUNDED,
    DECODERS,
    decode_zstd,
    write_zstd_by_its_blocks,
    zstd_function,
)
from tests.formats.recordings.made import numbers, write_array
from tests.formats.rows.oracle import read

MiB = 1 << 20

ENCODERS: dict[str, Any] = {
    "zstd": numcodecs.Zstd(1).encode,
    "blosc": numcodecs.Blosc("lz4").encode,
    "lz4": numcodecs.LZ4().encode,
    "gzip": lambda data: gzip.compress(data, 1),
    "zlib": lambda data: zlib.compress(data, 1),
    "bz2": lambda data: bz2.compress(data, 1),
    "lzma": lambda data: lzma.compress(data, preset=0),
}


def lease(size: int) -> Bytes:
    return np.empty(size, np.uint8)


def as_bytes(data: Any) -> Bytes:
    return np.frombuffer(bytes(data), np.uint8)


def zstd_without_size(data: bytes, kind: str = "raw") -> bytes:
    """A zstd frame as streams write it: its header does not say how much comes (RFC 8878)."""
    blocks = [data[k : k + (1 << 17)] for k in range(0, len(data), 1 << 17)] or [b""]
    frame = b"\x28\xb5\x2f\xfd" + bytes([0, 0x58])
    for number, block in enumerate(blocks, 1):
        head = (len(block) << 3) | ((1 if kind == "rle" else 0) << 1) | (number == len(blocks))
        frame += struct.pack("<I", head)[:3] + (block[:1] if kind == "rle" else block)
    return frame


def zstd_compressed_without_size(data: bytes) -> bytes:
    """The block of a frame that has a size, in one that has none."""
    frame = bytes(numcodecs.Zstd(1).encode(data))
    flags = frame[4]
    begin = 5 + (not flags & 0x20) + (int(bool(flags & 0x20)), 2, 4, 8)[flags >> 6]
    return b"\x28\xb5\x2f\xfd" + bytes([0, 0x58]) + frame[begin:]


@given(st.binary(max_size=3000), st.sampled_from(sorted(ENCODERS)), st.integers(-3, 3))
def test_what_comes_is_what_was_encoded_or_an_error(data: bytes, codec: str, more: int) -> None:
    packed = as_bytes(ENCODERS[codec](data)) if data or codec not in ("blosc", "lz4") else as_bytes(b"")
    size = max(0, len(data) + more)
    fits = len(data) <= size and bool(len(packed))
    try:
        made = bytes(BOUNDED[codec](packed, size, {}))
    except ValueError:
        assert not fits
    else:
        assert fits
        assert made == data
    if codec not in DECODERS:
        return
    out = np.full(size, 0xA5, np.uint8)
    try:
        DECODERS[codec](packed, out)
    except ValueError:
        assert size != len(data) or not len(packed)
    else:
        assert out.tobytes() == data


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("kind", ["raw", "rle", "compressed"])
def test_zstd_frames_that_tell_no_size(kind: str, seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not seen:
        monkeypatch.setattr(chunk_codecs, "zstd_function", lambda: None)
    else:
        assert zstd_function() is not None
    data = b"7" * 300_000 if kind != "raw" else bytes(range(256)) * 1200
    frame = zstd_compressed_without_size(data) if kind == "compressed" else zstd_without_size(data, kind)
    assert bytes(numcodecs.Zstd().decode(frame)) == data
    out = np.zeros(len(data), np.uint8)
    decode_zstd(as_bytes(frame), out)
    assert out.tobytes() == data
    for size in (0, 1, len(data) - 1, len(data) + 1):
        with pytest.raises(ValueError, match="decoded bytes"):
            decode_zstd(as_bytes(frame), np.zeros(size, np.uint8))
    assert bytes(BOUNDED["zstd"](as_bytes(frame), len(data) + 9, {})) == data


def test_zstd_frames_in_a_row() -> None:
    frames = zstd_without_size(b"1" * 100) + zstd_without_size(b"2" * 50)
    out = np.zeros(150, np.uint8)
    decode_zstd(as_bytes(frames), out)
    assert out.tobytes() == b"1" * 100 + b"2" * 50


def test_gzip_members_in_a_row() -> None:
    members = as_bytes(gzip.compress(b"1" * 100) + gzip.compress(b"") + gzip.compress(b"2" * 50))
    out = np.zeros(150, np.uint8)
    DECODERS["gzip"](members, out)
    assert out.tobytes() == b"1" * 100 + b"2" * 50
    for size in (0, 99, 100, 149, 151):
        with pytest.raises(ValueError, match="decoded bytes"):
            DECODERS["gzip"](members, np.zeros(size, np.uint8))
    with pytest.raises(ValueError, match=r"decoded bytes|gzip"):
        DECODERS["gzip"](as_bytes(gzip.compress(b"1") + b"rubbish"), np.zeros(1, np.uint8))


BOMBS: dict[str, Any] = {
    "zstd": lambda: zstd_without_size(bytes(512 * MiB), "rle"),
    "zstd in blocks": lambda: zstd_compressed_without_size(bytes(MiB // 8)),
    "gzip": lambda: gzip.compress(bytes(64 * MiB), 1),
    "zlib": lambda: zlib.compress(bytes(64 * MiB), 1),
    "bz2": lambda: bz2.compress(bytes(64 * MiB), 9),
    "lzma": lambda: lzma.compress(bytes(64 * MiB), preset=0),
    "blosc": lambda: b"\2\1\1\4" + struct.pack("<III", 1 << 31 - 1, 1 << 20, 24) + bytes(8),
    "lz4": lambda: struct.pack("<I", (1 << 31) - 1) + bytes(50),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stops_at_the_wanted_size(name: str) -> None:
    codec, bomb = name.split(maxsplit=1)[0], as_bytes(BOMBS[name]())
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bytes|fit"):
            BOUNDED[codec](bomb, 192, {})
        if codec in DECODERS:
            with pytest.raises(ValueError, match="decoded bytes"):
                DECODERS[codec](bomb, np.empty(192, np.uint8))
        assert tracemalloc.get_traced_memory()[1] < len(bomb) + 4 * MiB
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_without_its_function_a_zstd_bomb_is_refused_by_its_blocks() -> None:
    with pytest.raises(ValueError, match="up to 536,870,912 decoded bytes"):
        write_zstd_by_its_blocks(as_bytes(BOMBS["zstd"]()), np.empty(192, np.uint8))


def test_a_dictionary_of_lzma_is_bounded() -> None:
    huge = lzma.compress(b"x", lzma.FORMAT_ALONE, preset=0)
    huge = huge[:1] + struct.pack("<I", 0xFFFF_FFFF) + huge[5:]
    with pytest.raises(ValueError, match=r"[Mm]emory"):
        BOUNDED["lzma"](as_bytes(huge), 10, {"format": lzma.FORMAT_ALONE})


#: Ways by which zarr-python decodes: version 2 with a filter, version 3 with two codecs, and shards of those.
CHAINS: dict[str, dict[str, Any]] = {
    "version 2": {
        "zarr_format": 2,
        "compressors": numcodecs.GZip(1),
        "filters": [numcodecs.Delta(dtype="<f4")],
    },
    "version 2, bz2": {"zarr_format": 2, "compressors": numcodecs.BZ2()},
    "version 3": {
        "compressors": [zarr.codecs.GzipCodec()],
        "filters": [zarr.codecs.TransposeCodec(order=(1, 0))],
    },
    "version 3, twice": {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.GzipCodec()]},
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.filterwarnings("ignore")
def test_what_zarr_python_decodes_stops_too(chain: str, tmp_path: Any) -> None:
    how = CHAINS[chain]
    data = numbers((16, 4))
    zarr.create_array(str(tmp_path / "a"), data=data, chunks=(8, 4), **how)
    name = "1.0" if "2" in chain.split(",", maxsplit=1)[0] else "c/1/0"
    bomb = BOMBS["bz2" if "bz2" in chain else "gzip"]()
    array = ZarrArray(str(tmp_path / "a"), route="zarr-python")
    table = ZarrRows(tmp_path / "a").open()
    np.testing.assert_array_equal(read(table, range(16))["a"], data)
    table.close()
    (tmp_path / "a" / name).write_bytes(bomb[: 2 * 128 + (1 << 16)])
    reader = array.open()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="rows 8 to 16: unreadable chunk; found"):
            reader.read(
                reader.pieces(8, 16)[0], 8, np.zeros((8, 4), "f4"), lambda size: np.empty(size, np.uint8)
            )
        assert tracemalloc.get_traced_memory()[1] < 4 * MiB
    finally:
        tracemalloc.stop()
        reader.close()


def test_a_file_far_larger_than_its_chunk_is_not_read(tmp_path: Any) -> None:
    for codec, name in (("zstd", "c/1/0"), ("raw", "c/1/0")):
        path = write_array(tmp_path / f"{codec}.zarr", numbers((16, 4)), (8, 4), codec=codec)
        with (path / name).open("r+b") as file:
            file.truncate(1 << 40)
        for route in ("pread", "zarr-python"):
            table = ZarrArray(str(path), route=route).open()
            with pytest.raises(DataError, match=r"chunk c/1/0: corrupt chunk; found 1,099,511,627,776 bytes"):
                table.read(
                    table.pieces(8, 16)[0], 8, np.zeros((8, 4), "f4"), lambda size: np.empty(size, np.uint8)
                )
            table.close()
