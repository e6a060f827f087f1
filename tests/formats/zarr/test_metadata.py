"""Metadata that nobody can mean are refused at once, by name, and so is what zarr-python does not take."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from flowload.errors import DataError, FlowloadError, NoDataError
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.recordings.table import RecordingTable
from flowload.formats.rows.zarr import ZarrRows
from flowload.formats.zarr.chunks.files import ZipMembers
from flowload.formats.zarr.metadata import MOST_BYTES, MOST_JSON
from tests.formats.recordings.made import numbers, write_array, zipped
from tests.formats.rows.oracle import read
from tests.stages.fakes import FakeCall

DATA = numbers((20, 4))


@pytest.fixture(params=[2, 3])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An array of one version."""
    return write_array(tmp_path / "x" / "a.zarr", DATA, (8, 4), version=request.param, codec="zstd")


def document(path: Path) -> Path:
    return next(path / name for name in ("zarr.json", ".zarray") if (path / name).exists())


def change(path: Path, how: Callable[[Any, bool], object]) -> None:
    """Edit the metadata; the function is told whether they are of version 2."""
    file = document(path)
    found = json.loads(file.read_text())
    how(found, file.name == ".zarray")
    file.write_text(json.dumps(found))


def refused(path: Path, match: str = "") -> None:
    """Neither rows nor windows can be opened, and both say where."""
    for opened in (ZarrRows(path).open, ZarrRows(path.parent, path.name).open, recording(path, 3).open):
        with pytest.raises(DataError, match=match) as caught:
            opened()
        assert path.name in str(caught.value)
        assert len(str(caught.value)) < 1000


SHAPES = [
    [1 << 62, 4],
    [1 << 61],
    [-1, 4],
    [2.5, 4],
    ["20", 4],
    [None, 4],
    [True, 4],
    {"a": 1},
    "20",
    20,
    None,
    [20] * 33,
    [[20], 4],
    [10**30, 4],
    [1e999, 4],
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_that_no_array_has(shape: Any, path: Path) -> None:
    change(path, lambda found, old: found.update(shape=shape))
    refused(path, "bad zarr metadata")


@pytest.mark.parametrize(
    "chunks", [[0, 4], [-8, 4], [8], [8, 4, 1], [8.0, 4], ["8", 4], None, 8, [1 << 62, 4]], ids=str
)
def test_chunks_that_no_array_has(chunks: Any, path: Path) -> None:
    def put(found: Any, old: bool) -> None:
        if old:
            found["chunks"] = chunks
        else:
            found["chunk_grid"]["configuration"]["chunk_shape"] = chunks

    change(path, put)
    refused(path, "bad zarr metadata")


@pytest.mark.parametrize("inner", [[0, 4], [-4, 4], [3, 4], [4], [1e9, 4], "4", None])
def test_chunks_inside_of_shards_that_no_array_has(inner: Any, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (4, 4), shards=(8, 4))
    change(path, lambda found, old: found["codecs"][0]["configuration"].update(chunk_shape=inner))
    refused(path, "bad zarr metadata")


def test_an_array_that_no_disk_holds(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((20, 4), "f8"), (8, 4))
    change(path, lambda found, old: found.update(shape=[MOST_BYTES // 4, 4]))
    refused(path, f"at most {MOST_BYTES:,} bytes")


def test_a_chunk_that_no_memory_holds(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 4), codec="zstd")
    change(path, lambda found, old: found["chunk_grid"]["configuration"].update(chunk_shape=[1 << 50, 4]))
    refused(
        path,
        r"chunk too large; found chunks of 18,014,398,509,481,984 bytes; wanted at most .* of this machine",
    )


TEXTS = {
    "digits": '{"zarr_format": 3, "node_type": "array", "shape": [' + "9" * 5000 + "]}",
    "nested": "[" * 100_000,
    "nested objects": '{"a":' * 50_000,
    "a list": "[]",
    "a number": "3",
    "nothing": "",
    "half": '{"zarr_format": 3, "node_ty',
    "no text": "\0\1\2",
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_metadata(text: str, path: Path) -> None:
    document(path).write_text(TEXTS[text])
    refused(path, "bad zarr metadata")


def test_bytes_that_are_no_text(path: Path) -> None:
    document(path).write_bytes(b"\xff\xfe{}")
    refused(path, "bad zarr metadata")


def test_metadata_that_are_too_large_are_not_read(path: Path) -> None:
    with document(path).open("r+b") as file:
        file.truncate(1 << 42)
    refused(path, f"found more than {MOST_JSON:,} bytes")


CHANGES: dict[str, Callable[[Any, bool], object]] = {
    "version": lambda found, old: found.update(zarr_format=7),
    "version of another": lambda found, old: found.update(zarr_format=3 if old else 2),
    "version true": lambda found, old: found.update(zarr_format=True),
    "dtype": lambda found, old: found.update({"dtype" if old else "data_type": "<q99"}),
    "dtype list": lambda found, old: found.update({"dtype" if old else "data_type": [["a"]]}),
    "dtype nothing": lambda found, old: found.update({"dtype" if old else "data_type": None}),
    "fill": lambda found, old: found.update(fill_value="many"),
    "fill list": lambda found, old: found.update(fill_value=[1, 2]),
    "codec": lambda found, old: found.update(
        {"compressor": {"id": "mp3"}} if old else {"codecs": [{"name": "mp3"}]}
    ),
    "codec number": lambda found, old: found.update({"compressor": 3} if old else {"codecs": [3]}),
    "codec nothing": lambda found, old: found.update({"compressor": {}} if old else {"codecs": []}),
    "filters": lambda found, old: found.update({"filters": [{"id": "none"}]} if old else {"codecs": "bytes"}),
    "keys": lambda found, old: found.update(
        {"dimension_separator": "x"} if old else {"chunk_key_encoding": {"name": "x"}}
    ),
    "order": lambda found, old: found.update({"order": "K"} if old else {"chunk_grid": {"name": "odd"}}),
    "grid": lambda found, old: found.update({"order": 3} if old else {"chunk_grid": {"name": "regular"}}),
    "left out": lambda found, old: found.pop("dtype" if old else "data_type"),
    "left out, too": lambda found, old: found.pop("chunks" if old else "codecs"),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.filterwarnings("ignore")
def test_what_zarr_python_does_not_take_is_named(what: str, path: Path) -> None:
    change(path, CHANGES[what])
    refused(path)


def test_a_filter_that_runs_code_is_refused(tmp_path: Path) -> None:
    for number, how in enumerate(
        ({"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle", "protocol": 5}})
    ):
        path = write_array(tmp_path / f"{number}.zarr", DATA, (8, 4), version=2)
        change(path, lambda found, old, how=how: found.update(how))  # type: ignore[misc]
        refused(path, "unsafe codec; found 'pickle'; wanted one that runs no code")
    path = write_array(tmp_path / "3.zarr", DATA, (4, 4), shards=(8, 4))
    change(
        path,
        lambda found, old: found["codecs"][0]["configuration"].update(codecs=[{"name": "numcodecs.pickle"}]),
    )
    refused(path, "unsafe codec")


@pytest.mark.parametrize("name", ["zarr.json", ".zarray"])
def test_a_pipe_in_the_place_of_metadata_is_refused_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    os.mkfifo(tmp_path / "a.zarr" / name)
    refused(tmp_path / "a.zarr", f"{name}: not a file; found a pipe")


@pytest.mark.parametrize("route", ["pread", "zarrs", "zarr-python"])
@pytest.mark.parametrize("kind", ["chunk", "shard"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_pipe_in_the_place_of_a_chunk_is_refused_not_waited_for(
    route: str, kind: str, place: int, tmp_path: Path
) -> None:
    if route == "zarrs":
        pytest.importorskip("zarrs")
    more: dict[str, Any] = {"shards": (8, 4)} if kind == "shard" else {}
    path = write_array(tmp_path / "a.zarr", DATA, (4, 4) if more else (8, 4), codec="zstd", **more)
    (path / f"c/{place}/0").unlink()
    os.mkfifo(path / f"c/{place}/0")
    table = recording(ZarrArray(str(path), route=route), 8).open()
    assert table.routes["a"].startswith(route)
    with pytest.raises(DataError, match=r"a\.zarr.*unreadable chunk; found a pipe, which is no file"):
        read_pieces(table, 8 * place)
    table.close()


def read_pieces(table: RecordingTable, row: int) -> None:
    out = {"a": np.zeros((table.window(row)[2], 4), "f4")}
    for piece in table.pieces(row):
        table.read(row, piece, out, FakeCall())


@pytest.mark.parametrize("location", ["a\0b", "x" * 5000, "/dev/null/a", "", ".", "bad://[", "s3://"])
def test_places_that_are_none(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FlowloadError):
        ZarrRows(location or "./nothing").open()
    with pytest.raises(FlowloadError):
        recording(location, 3).open()


def test_a_folder_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zarr")
    refused(tmp_path / "a.zarr", "no such folder")


def test_what_a_store_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (8, 4))

    class Odd(Exception):  # noqa: N818 - as stores have them
        pass

    async def get(*what: Any) -> None:
        raise Odd("no credentials")

    monkeypatch.setattr("zarr.storage.LocalStore.get", get)
    refused(path, "unreadable metadata; found no credentials")


# --- zips


def test_members_that_come_twice_are_told_and_the_last_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4))
    path = zipped(tmp_path / "x")
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a.zarr/c/0/0", np.full((8, 4), 7, "f4").tobytes())
    table = ZarrRows(path / "a.zarr").open()
    assert read(table, [0, 8])["a"][:, 0].tolist() == [7, DATA[8, 0]]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{path}/a.zarr: the zip has 'a.zarr/c/0/0' more than once; the last is read"
    ]
    table.close()


def test_a_zip_that_is_replaced_is_named(tmp_path: Path) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4))
    path = zipped(tmp_path / "x")
    table = ZarrRows(path / "a.zarr").open()
    write_array(tmp_path / "x/a0.zarr", DATA, (8, 4))
    zipped(tmp_path / "x")
    with pytest.raises(DataError, match=r"x\.zip: a\.zarr/c/0/0: file changed"):
        read(table, [0])


def test_a_member_whose_header_is_of_another_is_named(tmp_path: Path) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4))
    path = zipped(tmp_path / "x")
    data = bytearray(path.read_bytes())
    at = data.index(b"a.zarr/c/1/0")  # in its own header; the list of members comes last
    data[at : at + 12] = b"a.zarr/c/9/0"
    path.write_bytes(data)
    table = ZarrRows(path / "a.zarr").open()
    with pytest.raises(DataError, match=r"c/1/0: (bad zip|unreadable chunk)"):
        read(table, [8])
    table.close()


def test_a_zip_that_is_locked_is_named(tmp_path: Path) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4))
    path = zipped(tmp_path / "x")
    data = bytearray(path.read_bytes())
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:  # each member of the list
        data[at + 8] |= 1
        at += 4
    path.write_bytes(data)
    assert not ZipMembers(path, "a.zarr").stored
    with pytest.raises(DataError, match="encrypted"):
        ZarrRows(path / "a.zarr").open()


@pytest.mark.slow
def test_a_member_that_claims_to_be_huge_is_not_inflated(tmp_path: Path) -> None:
    write_array(tmp_path / "x/a.zarr", DATA, (8, 4))
    (tmp_path / "x/a.zarr/c/1/0").write_bytes(bytes(1 << 26))
    path = zipped(tmp_path / "x", zipfile.ZIP_DEFLATED)
    table = ZarrRows(path / "a.zarr").open()
    with pytest.raises(DataError, match=r"a\.zarr: chunk c/1/0: corrupt chunk; found 67,108,864 bytes;"):
        read(table, [8])
    table.close()


def test_nothing_of_an_array_is_no_array(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(NoDataError, match=r"no zarr array; found nothing of either; wanted zarr"):
        ZarrArray(str(tmp_path / "a.zarr")).open()
    zarr.open_group(str(tmp_path / "g"), mode="w")
    with pytest.raises(NoDataError, match=r"no zarr array; found a group; wanted zarr.json or .zarray"):
        ZarrArray(str(tmp_path / "g")).open()
