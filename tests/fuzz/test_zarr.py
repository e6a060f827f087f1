"""Zarr: whatever zarr-python writes is read as it reads it; whatever is damaged is an error that says so."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.rows.zarr import ZarrRows
from tests.formats.recordings.made import numbers, read_window, write_array, zipped
from tests.formats.rows.oracle import read
from tests.fuzz.inputs.mutate import mutants, survives
from tests.fuzz.inputs.zarr_arrays import random_array
from tests.stages.fakes import FakeCall

pytestmark = pytest.mark.filterwarnings("ignore")

DATA = numbers((30, 4), "i4")
#: Bytes that reading such arrays may take.
MOST = 256 << 20


@pytest.fixture(autouse=True)
def quiet_and_small(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Warnings that are expected by the hundred are not kept; and no size is believed that is a lie."""
    caplog.set_level(logging.CRITICAL, "flowload")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST


def same(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    native = np.ascontiguousarray(wanted, wanted.dtype.newbyteorder("="))
    return found.dtype == native.dtype and found.tobytes() == native.tobytes()


def lost_rows(path: Path, wanted: zarr.Array[Any]) -> NDArray[np.bool_]:
    """Rows of which a chunk is not stored, as zarr-python tells."""
    unit = wanted.chunks
    lost = np.zeros(wanted.shape[0], bool)
    stored = set(chunk_places(wanted))
    grid = [-(-size // chunk) for size, chunk in zip(wanted.shape, unit, strict=True)]
    for place in np.ndindex(*grid):
        if place not in stored:
            lost[place[0] * unit[0] : (place[0] + 1) * unit[0]] = True
    return lost


def chunk_places(array: zarr.Array[Any]) -> list[tuple[int, ...]]:
    """The chunks that exist, those inside of shards by their index."""
    files = array.shards or array.chunks
    across = [whole // part for whole, part in zip(files, array.chunks, strict=True)]
    found = []
    for file in np.ndindex(*[-(-size // chunk) for size, chunk in zip(array.shape, files, strict=True)]):
        key = array.metadata.encode_chunk_key(file)
        if not sync(array.store.exists(key)):
            continue
        if array.shards is None:
            found.append(file)
            continue
        data = Path(str(array.store.root), key).read_bytes()  # type: ignore[attr-defined]  # a LocalStore
        metadata: Any = array.metadata.to_dict()
        own = metadata["codecs"][0]["configuration"]
        size = int(np.prod(across)) * 16
        tail = 4 * (len(own["index_codecs"]) - 1)
        part = data[:size] if own["index_location"] == "start" else data[len(data) - size - tail :][:size]
        index = np.frombuffer(part, "<u8").reshape(*across, 2)
        found += [
            tuple(int(f * n + i) for f, n, i in zip(file, across, inner, strict=True))
            for inner in np.ndindex(*across)
            if index[inner][0] != 2**64 - 1
        ]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_arrays_are_read_as_zarr_python_reads_them(seed: int, fuzz_count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    routes = set()
    for number in range(fuzz_count // 4):
        path = tmp_path / "x" / f"a{number}.zarr"
        array = random_array(path, rng)
        array = zarr.open_array(str(path), mode="r")
        wanted, lost = np.asarray(array[...]), lost_rows(path, array)
        rows = rng.integers(0, len(wanted), 30)
        location = zipped(path.parent) / path.name if rng.random() < 0.15 else path
        if lost.all():
            continue
        table = ZarrRows(location).open()
        (column,) = table.columns.values()
        routes.add(column.array.route)  # type: ignore[attr-defined]  # a ZarrColumn
        call = FakeCall()
        out = {
            key: np.full((30, *shape), 77, kind)
            for key, (shape, kind) in table.fields("arrays", rows).items()
        }
        table.write("arrays", rows, out, call)
        what = f"seed {seed}, array {number}: {array.metadata.to_dict()}"
        assert same(next(iter(out.values())), wanted[rows]), what
        assert sum(count for _, count in call.lacks) == int(lost[rows].sum()), what
        table.close()
        windows(location, wanted, rng, what)
        shutil.rmtree(path.parent)
    assert len(routes) > (5 if fuzz_count >= 100 else 0)


def windows(location: Path, wanted: NDArray[Any], rng: np.random.Generator, what: str) -> None:
    """Some windows of an array, by a way that is asked for."""
    size = int(rng.integers(1, len(wanted) + 2))
    route = "zarr-python" if rng.random() < 0.3 else None
    table = recording({"w": ZarrArray(str(location), route=route)}, size).open()
    for start in rng.integers(0, len(wanted), 3).tolist():
        assert same(read_window(table, start)["w"], wanted[start : start + size]), what
    table.close()


KINDS: dict[str, dict[str, Any]] = {
    "raw": {"codec": "raw"},
    "zstd": {"codec": "zstd"},
    "blosc": {"codec": "blosc"},
    "gzip": {"codec": "gzip"},
    "crc32c": {"codec": "zstd, crc32c"},
    "old lz4": {"codec": "lz4", "version": 2},
    "old raw": {"codec": "raw", "version": 2},
    "shards": {"codec": "zstd", "shards": (16, 4)},
    "plain shards": {"codec": "raw", "shards": (16, 4)},
    "zarr-python": {"codec": "gzip", "filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
}


def read_all(location: Path) -> None:
    """Rows and windows of whatever is there, as far as it can be opened."""
    table = ZarrRows(location).open()
    try:
        read(table, range(min(len(table), 40)))
    finally:
        table.close()


def damaged(file: Path, location: Path, count: int, seed: int) -> int:
    """Let mutants of a file be read; how many were read to the end."""
    valid = file.read_bytes()
    sound = 0
    for number, data in enumerate(mutants(valid, count=count, seed=seed)):
        file.write_bytes(data)
        sound += survives(lambda: read_all(location), f"{location.name}, {file.name}, mutant {number}")
    file.write_bytes(valid)
    read_all(location)
    return sound


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_chunks(kind: str, fuzz_count: int, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 4), **KINDS[kind])
    chunk = next(file for file in sorted(path.rglob("*")) if file.is_file() and file.name[0] in "01")
    damaged(chunk, path, fuzz_count // len(KINDS), seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_metadata(kind: str, fuzz_count: int, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 4), **KINDS[kind])
    name = ".zarray" if "old" in kind else "zarr.json"
    damaged(path / name, path, fuzz_count // len(KINDS), seed=2)


@pytest.mark.parametrize("version", [2, 3])
def test_damaged_groups(version: Any, fuzz_count: int, tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w", zarr_format=version)
    for name in ("x", "y"):
        group.create_array(name, shape=(6,), chunks=(3,), dtype="f4")[:] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(tmp_path / "g"))
    name = ".zmetadata" if version == 2 else "zarr.json"
    damaged(tmp_path / "g" / name, tmp_path / "g", fuzz_count // 6, seed=3)


@pytest.mark.parametrize("kind", ["stored", "deflated"])
def test_damaged_zips(kind: str, fuzz_count: int, tmp_path: Path) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4), codec="zstd")
    path = zipped(tmp_path / "x", 0 if kind == "stored" else 8)
    valid = path.read_bytes()
    for number, data in enumerate(mutants(valid, count=fuzz_count // 3, seed=4)):
        path.write_bytes(data)
        survives(lambda: read_all(path / "a.zarr"), f"{kind} zip, mutant {number}")


#: Values that stand in the place of any other in the metadata.
HOSTILE: list[Any] = [
    None, True, -1, 0, 1, 2.5, 1 << 31, 1 << 62, 10**400, 1e308, float("nan"), "", "x", "0", [], {}, [[]],
    [0], [1 << 62], {"name": "bytes"}, {"id": "zlib"}, {"name": "sharding_indexed"}, "\0", "a" * 5000,
]  # fmt: skip


def replaced(found: Any, rng: np.random.Generator) -> Any:
    """A copy in which something is another value, is gone, or stands twice."""
    if isinstance(found, dict) and found and rng.random() < 0.8:
        key = pick_key(found, rng)
        if rng.random() < 0.1:
            return {name: value for name, value in found.items() if name != key}
        return {**found, key: replaced(found[key], rng)}
    if isinstance(found, list) and found and rng.random() < 0.7:
        at = int(rng.integers(len(found)))
        if rng.random() < 0.2:
            return found + found[at:]
        return [*found[:at], replaced(found[at], rng), *found[at + 1 :]]
    return HOSTILE[int(rng.integers(len(HOSTILE)))]


def pick_key(found: dict[str, Any], rng: np.random.Generator) -> str:
    return sorted(found)[int(rng.integers(len(found)))]


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_of_hostile_values(kind: str, fuzz_count: int, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 4), **KINDS[kind])
    file = path / (".zarray" if "old" in kind else "zarr.json")
    rng = np.random.default_rng(5)
    valid = json.loads(file.read_text())
    refused = 0
    for number in range(fuzz_count // len(KINDS)):
        changed = replaced(valid, rng)
        file.write_text(json.dumps(changed))
        refused += not survives(lambda: read_all(path), f"{kind}, {number}: {json.dumps(changed)[:2000]}")
    assert refused
