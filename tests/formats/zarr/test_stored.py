"""Arrays in a store are read chunk by chunk, without a cache: those of the folder, whatever happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, NoDataError
from flowload.files.objects.traffic import TRAFFIC
from flowload.files.objects.trouble import Budget
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.rows import ZarrRows
from flowload.formats.zarr.chunks import stored
from tests.files.objects.server import S3
from tests.formats.recordings.made import KINDS, numbers, read_window, write_array
from tests.states import through_json

DATA = numbers((90, 6))


def put(s3: S3, folder: Path, under: str = "rec") -> str:
    """Put a folder into the store; its URL."""
    for path in folder.rglob("*"):
        if path.is_file():
            s3.buckets["games"][f"{under}/{path.relative_to(folder)}"] = path.read_bytes()
    return f"s3://games/{under}"


def stored_array(s3: S3, folder: Path, **how: Any) -> str:
    if how.get("codec") == "sharded":
        how = {"codec": "zstd", "shards": (16, 8)}
    write_array(folder / "timeseries.zarr", DATA, (8, 4), **how)
    return put(s3, folder)


def chunks_asked(s3: S3) -> list[tuple[str, str]]:
    """Names of the chunks that were asked for, and their ranges."""
    with s3.lock:
        return [
            (path.partition("timeseries.zarr/")[2], wanted)
            for method, path, wanted in s3.asked
            if method == "GET" and "timeseries.zarr/" in path and not path.endswith((".json", "y", "s", "p"))
        ]


@pytest.mark.parametrize(("version", "codec"), KINDS)
def test_every_kind_is_read_as_from_the_folder(s3: S3, tmp_path: Path, version: Any, codec: str) -> None:
    url = stored_array(s3, tmp_path, version=version, codec=codec)
    local, table = recording(tmp_path, 50).open(), recording(url, 50).open()
    for start in (0, 13, 40):
        found, wanted = read_window(table, start), read_window(local, start)
        np.testing.assert_array_equal(found["timeseries"], wanted["timeseries"])
    ways = {"pread": "get"}
    route = local.routes["timeseries"]
    assert table.routes["timeseries"] == route.replace("pread", "get") or not route.startswith(tuple(ways))
    local.close()
    table.close()


def test_of_a_plain_chunk_the_rows_that_are_wanted_are_asked_for(s3: S3, tmp_path: Path) -> None:
    table = recording(stored_array(s3, tmp_path, codec="raw"), 10).open()
    before = len(chunks_asked(s3))
    np.testing.assert_array_equal(read_window(table, 13)["timeseries"], DATA[13:23])
    row = 4 * DATA.itemsize
    assert sorted(chunks_asked(s3)[before:]) == [
        (f"c/1/{side}", f"bytes={5 * row}-{8 * row - 1}") for side in (0, 1)
    ] + [(f"c/2/{side}", f"bytes=0-{7 * row - 1}") for side in (0, 1)]
    table.close()


def test_parts_of_rows_are_those_of_the_folder(s3: S3, tmp_path: Path) -> None:
    select = {"a": {"array": "timeseries", "columns": [5, 0]}, "b": {"array": "timeseries", "columns": 1}}
    for codec in ("raw", "zstd", "sharded"):
        folder = tmp_path / codec
        url = stored_array(s3, folder, codec=codec)
        local, table = recording(folder, 30, select=select).open(), recording(url, 30, select=select).open()
        found, wanted = read_window(table, 17), read_window(local, 17)
        for key in select:
            np.testing.assert_array_equal(found[key], wanted[key])
        local.close()
        table.close()


def test_an_index_of_a_shard_is_asked_for_once(s3: S3, tmp_path: Path) -> None:
    table = recording(stored_array(s3, tmp_path, codec="sharded"), 80).open()
    before = len(chunks_asked(s3))
    for _ in range(2):
        np.testing.assert_array_equal(read_window(table, 3)["timeseries"], DATA[3:83])
    asked = chunks_asked(s3)[before:]
    indices = [name for name, wanted in asked if wanted.startswith("bytes=-")]
    assert len(indices) == len(set(indices)) > 0
    assert all(wanted for _, wanted in asked), "never a whole shard"
    table.close()


@pytest.mark.parametrize("codec", ["raw", "zstd", "sharded"])
def test_troubles_on_the_way_change_nothing(s3: S3, tmp_path: Path, codec: str) -> None:
    table = recording(stored_array(s3, tmp_path, codec=codec), 80).open()
    s3.troubles = ["503", "ok", "reset", "cut", "ok", "cut", "503"]
    np.testing.assert_array_equal(read_window(table, 3)["timeseries"], DATA[3:83])
    assert not s3.troubles
    table.close()


@pytest.mark.parametrize("codec", ["raw", "sharded"])
def test_what_stays_is_named(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    monkeypatch.setattr(stored, "Budget", lambda: Budget(seconds=0))
    table = recording(stored_array(s3, tmp_path, codec=codec), 8).open()
    s3.always[""] = "403"
    with pytest.raises(DataError, match=r"rec/timeseries.zarr/c/0/0: permission denied; found 403"):
        read_window(table, 0)
    s3.always[""] = "503"
    with pytest.raises(DataError, match=r"timeseries.zarr/c/0/0: cannot be reached; found 503"):
        read_window(table, 0)
    s3.always.clear()
    table.close()


def test_a_chunk_that_is_written_again_is_no_mixture(s3: S3, tmp_path: Path) -> None:
    url = stored_array(s3, tmp_path, codec="raw")
    table = recording(url, 8).open()
    read_window(table, 0)
    key = "rec/timeseries.zarr/c/0/1"
    s3.buckets["games"][key] = s3.buckets["games"][key][::-1]
    with pytest.raises(DataError, match="c/0/1: object changed; found 128 bytes, written since"):
        read_window(table, 0)
    table.close()


@pytest.mark.parametrize("length", [0, 20, 100, 200])
def test_a_plain_chunk_of_another_size_is_corrupt(s3: S3, tmp_path: Path, length: int) -> None:
    table = recording(stored_array(s3, tmp_path, codec="raw"), 10).open()
    key = "rec/timeseries.zarr/c/1/0"
    s3.buckets["games"][key] = (s3.buckets["games"][key] * 2)[:length]
    with pytest.raises(DataError, match=f"chunk c/1/0: corrupt chunk; found {length} bytes; wanted 128"):
        read_window(table, 13)
    table.close()


@pytest.mark.parametrize("codec", ["raw", "zstd", "sharded"])
def test_gaps_are_those_of_the_folder(s3: S3, tmp_path: Path, codec: str) -> None:
    url = stored_array(s3, tmp_path, codec=codec)
    gone = next(key for key in sorted(s3.buckets["games"]) if key.endswith("/c/1/0"))
    del s3.buckets["games"][gone]
    (tmp_path / gone.removeprefix("rec/")).unlink()
    local, table = recording(tmp_path, 40).open(), recording(url, 40).open()
    np.testing.assert_array_equal(read_window(table, 0)["timeseries"], read_window(local, 0)["timeseries"])
    assert table.missing == local.missing > 0
    local.close()
    table.close()
    found = []
    for where in (str(tmp_path), url):
        with fl.windows(where, 8, order="sequential", missing="skip").iterate() as windows:
            found.append([int(window["start"]) for window in windows])
    assert found[0] == found[1]
    assert len(found[0]) < 12


def test_nothing_there_is_named(s3: S3, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"s3://games/none: no zarr array"):
        recording("s3://games/none", 8).open()
    url = stored_array(s3, tmp_path)
    for key in [key for key in s3.buckets["games"] if "/c/" in key]:
        del s3.buckets["games"][key]
    with pytest.raises(NoDataError, match="no chunk exists"):
        recording(url, 8).open()


@pytest.mark.slow
def test_windows_and_rows_are_those_of_the_folder(s3: S3, tmp_path: Path) -> None:
    url = stored_array(s3, tmp_path, codec="zstd")

    def windows(where: str) -> list[tuple[int, bytes]]:
        with fl.windows(where, 16, count=12).iterate(seed=5) as run:
            return [(int(window["start"]), window["timeseries"].tobytes()) for window in run]

    def rows(where: str) -> list[bytes]:
        graph = fl.rows(ZarrRows(f"{where}/timeseries.zarr")) >> fl.shuffle() >> fl.batch(32)
        with graph.iterate(seed=5) as run:
            return [batch["timeseries"].tobytes() for batch in run]

    s3.troubles = ["ok"] * 9 + ["503", "cut", "reset"]
    assert windows(url) == windows(str(tmp_path))
    assert rows(url) == rows(str(tmp_path))
    assert fl.read_range(url, 10, 20)["timeseries"].tobytes() == DATA[10:20].tobytes()


@pytest.mark.slow
def test_states_interchange_with_a_folder_and_know_other_metadata(s3: S3, tmp_path: Path) -> None:
    url = stored_array(s3, tmp_path, codec="zstd")

    def windows(where: str) -> fl.Graph:
        return fl.windows(where, 16, count=8)

    def rows(where: str) -> fl.Graph:
        return fl.rows(ZarrRows(f"{where}/timeseries.zarr")) >> fl.shuffle() >> fl.batch(16)

    def rest(graph: fl.Graph, **how: Any) -> list[bytes]:
        with graph.iterate(seed=5, **how) as run:
            return [batch["timeseries"].tobytes() for batch in run]

    for make in (windows, rows):
        graphs = [make(str(tmp_path)), make(url)]
        wanted = rest(graphs[0])
        for before, behind in (graphs, graphs[::-1]):
            with before.iterate(seed=5) as run:
                next(run)
                state = through_json(run.state_dict())
            assert rest(behind, state=state) == wanted[1:]
        s3.buckets["games"]["rec/timeseries.zarr/zarr.json"] += b" "
        with pytest.raises(DataError, match=r"zarr.json had \d+ bytes, has \d+"):
            rest(graphs[1], state=state)
        put(s3, tmp_path)


def test_requests_are_counted_whoever_makes_them(s3: S3, tmp_path: Path) -> None:
    url = stored_array(s3, tmp_path, codec="zstd")
    for route in (None, "zarr-python"):
        table = recording(ZarrArray(f"{url}/timeseries.zarr", route=route), 10).open()
        assert table.routes["timeseries"].startswith(route or "get")
        before = TRAFFIC.taken()
        np.testing.assert_array_equal(read_window(table, 13)["timeseries"], DATA[13:23])
        now = TRAFFIC.taken().since(before)
        table.close()
        assert (now.requests, now.failures) == (4, 0)
        assert now.nbytes == sum(
            len(s3.buckets["games"][f"rec/timeseries.zarr/c/{band}/{side}"])
            for band in (1, 2)
            for side in (0, 1)
        )


def test_a_number_in_a_name_is_no_status() -> None:
    where = "http://127.0.0.1:41635/games/rec/c/416/0"
    for said, behind in (
        (f"Error performing GET {where}: Server returned non-2xx status code: 403 Forbidden", False),
        (f"Error performing GET {where}: error sending request", False),
        (
            f"Error performing GET {where}: Server returned non-2xx status code: 416 Range Not Satisfiable",
            True,
        ),
        (f"416, message='Range Not Satisfiable', url='{where}'", True),
        ("<Code>InvalidRange</Code>", True),
    ):
        assert bool(stored.BEHIND.search(said)) is behind, said
