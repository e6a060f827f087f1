"""Every codec that zarr-python has: windows, whole and in parts, are what it reads; in shards, too."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs
from numcodecs.registry import codec_registry
from zarr.storage import LocalStore

from flowload.formats.recordings.recording import recording
from tests.formats.recordings.made import read_window

wrapped = pytest.importorskip("zarr.codecs.numcodecs")  # zarr-python 3.1.3 and later

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")

SHAPE, CHUNKS = (50, 6, 4), (8, 4, 4)

#: Of numcodecs, by the filters and the compressor of an array.
V2: dict[str, tuple[list[Any], Any]] = {
    "adler32": ([], numcodecs.Adler32()),
    "astype": ([numcodecs.AsType("f4", "f8")], None),
    "bitround": ([numcodecs.BitRound(10)], numcodecs.Zstd()),
    "blosc": ([], numcodecs.Blosc("lz4hc", 5, numcodecs.Blosc.BITSHUFFLE)),
    "bz2": ([], numcodecs.BZ2()),
    "crc32": ([], numcodecs.CRC32()),
    "crc32c": ([], numcodecs.CRC32C()),
    "delta": ([numcodecs.Delta("f8")], numcodecs.GZip()),
    "fixedscaleoffset": ([numcodecs.FixedScaleOffset(0, 1, "f8", "i4")], numcodecs.Zlib()),
    "fletcher32": ([], numcodecs.Fletcher32()),
    "gzip": ([], numcodecs.GZip()),
    "jenkins_lookup3": ([], numcodecs.JenkinsLookup3()),
    "lz4": ([], numcodecs.LZ4()),
    "lzma": ([], numcodecs.LZMA()),
    "packbits": ([numcodecs.PackBits()], None),
    "quantize": ([numcodecs.Quantize(2, "f8")], numcodecs.LZ4()),
    "shuffle": ([numcodecs.Shuffle(8)], numcodecs.Zstd()),
    "zlib": ([], numcodecs.Zlib()),
    "zstd": ([], numcodecs.Zstd()),
}

#: What is for text and objects, or for something else than numbers over time.
OBJECTS = {"base64", "categorize", "json2", "msgpack2", "pickle", "vlen-array", "vlen-bytes", "vlen-utf8"}
#: What numcodecs has only with packages that are not here.
OPTIONAL = {"pcodec", "zfpy"}


def data_for(name: str) -> Any:
    """Numbers that a codec takes: whole ones, within what 8 bytes hold, or bits."""
    data = (np.arange(np.prod(SHAPE)) % 1009 - 500).reshape(SHAPE)
    return (data % 2 == 0) if name == "packbits" else data.astype("f8")


def check(path: Path) -> None:
    """Windows are the rows that zarr-python reads, whole and in parts."""
    wanted = np.asarray(zarr.open_array(path, mode="r")[:])
    assert wanted.any()
    select = {"x": {"array": "a", "neurons": [5, 0], "columns": slice(1, 3)}}
    for row, size in ((0, 50), (5, 20)):
        table = recording(path, size).open()
        np.testing.assert_array_equal(read_window(table, row)["a"], wanted[row : row + size])
        table.close()
        table = recording(path, size, select=select).open()
        part = wanted[row : row + size][..., 1:3][:, [5, 0]]
        np.testing.assert_array_equal(read_window(table, row)["x"], part)
        table.close()


def test_no_codec_is_forgotten() -> None:
    own = {name for name, codec in codec_registry.items() if codec.__module__.startswith("numcodecs.")}
    assert own - OBJECTS - OPTIONAL == set(V2)


@pytest.mark.parametrize("name", V2)
def test_of_version_2(name: str, tmp_path: Path) -> None:
    filters, compressor = V2[name]
    zarr.create_array(
        LocalStore(tmp_path / "a.zarr"),
        data=data_for(name),
        chunks=CHUNKS,
        zarr_format=2,
        filters=filters or None,
        compressors=compressor,
    )
    check(tmp_path / "a.zarr")


def kinds_of_version_3() -> dict[str, dict[str, Any]]:
    """Of zarr's own and of numcodecs: filters, what makes bytes, and compressors."""
    return {
        "bytes": {"compressors": None},
        "bytes, big": {"compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
        "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")},
        "crc32c": {"compressors": zarr.codecs.Crc32cCodec()},
        "gzip": {"compressors": zarr.codecs.GzipCodec()},
        "transpose": {"filters": zarr.codecs.TransposeCodec(order=(2, 0, 1))},
        "zstd": {"compressors": zarr.codecs.ZstdCodec(checksum=True)},
        "two": {"compressors": [zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()]},
        "numcodecs.adler32": {"compressors": wrapped.Adler32()},
        "numcodecs.astype": {"filters": wrapped.AsType(encode_dtype="float32", decode_dtype="float64")},
        "numcodecs.bitround": {"filters": wrapped.BitRound(keepbits=10)},
        "numcodecs.blosc": {"compressors": wrapped.Blosc()},
        "numcodecs.bz2": {"compressors": wrapped.BZ2()},
        "numcodecs.crc32": {"compressors": wrapped.CRC32()},
        "numcodecs.crc32c": {"compressors": wrapped.CRC32C()},
        "numcodecs.delta": {"filters": wrapped.Delta(dtype="<f8")},
        "numcodecs.fixedscaleoffset": {
            "filters": wrapped.FixedScaleOffset(offset=0, scale=1, dtype="<f8", astype="<i4")
        },
        "numcodecs.fletcher32": {"compressors": wrapped.Fletcher32()},
        "numcodecs.gzip": {"compressors": wrapped.GZip()},
        "numcodecs.jenkins_lookup3": {"compressors": wrapped.JenkinsLookup3(initval=0)},
        "numcodecs.lz4": {"compressors": wrapped.LZ4()},
        "numcodecs.lzma": {"compressors": wrapped.LZMA()},
        "numcodecs.packbits": {"filters": wrapped.PackBits()},
        "numcodecs.quantize": {"filters": wrapped.Quantize(digits=2, dtype="<f8")},
        "numcodecs.shuffle": {"compressors": [wrapped.Shuffle(elementsize=8), wrapped.Zlib()]},
        "numcodecs.zlib": {"compressors": wrapped.Zlib()},
        "numcodecs.zstd": {"compressors": wrapped.Zstd()},
    }


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that version 3 has no codecs of numcodecs in its specification
    V3 = kinds_of_version_3()


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("name", V3)
def test_of_version_3(name: str, shards: bool, tmp_path: Path) -> None:
    more: dict[str, Any] = {"shards": (24, 8, 4)} if shards else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.create_array(
            LocalStore(tmp_path / "a.zarr"),
            data=data_for(name.rpartition(".")[2]),
            chunks=CHUNKS,
            **more,
            **V3[name],
        )
    check(tmp_path / "a.zarr")


def test_no_codec_of_version_3_is_forgotten() -> None:
    known = {f"numcodecs.{name.lower()}" for name in dir(wrapped) if name[0].isupper()}
    assert known - {f"numcodecs.{name}" for name in ("pcodec", "zfpy")} <= {
        name.replace("_lookup3", "lookup3") for name in V3
    }
    own = {name for name in dir(zarr.codecs) if name.endswith("Codec")}
    text = {"VLenBytesCodec", "VLenUTF8Codec"}
    used = {
        "BloscCodec",
        "BytesCodec",
        "Crc32cCodec",
        "GzipCodec",
        "ShardingCodec",
        "TransposeCodec",
        "ZstdCodec",
    }
    assert own - text - {"PCodec"} == used
