"""Records in a store: their objects come to a cache, stay there while a table is open, and are files."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.objects.cache import Cache
from flowload.formats.games import Games, PackedGames
from flowload.formats.games.pack import pack_games
from flowload.formats.molecules import MoleculeSets, PackedMolecules
from flowload.formats.rows import Hdf5Rows, NpyRows, ParquetRows
from flowload.formats.rows.tiledb import settings
from flowload.sample import sample_path
from tests.files.objects.server import S3
from tests.states import through_json

MUCH = 1 << 30


def put(s3: S3, folder: Path, under: str) -> str:
    """Put a folder into the store; its URL."""
    for path in folder.rglob("*"):
        if path.is_file():
            s3.buckets["games"][f"{under}/{path.relative_to(folder)}"] = path.read_bytes()
    return f"s3://games/{under}"


def npy(folder: Path) -> Any:
    np.save(folder / "x.npy", np.arange(300.0).reshape(100, 3))
    np.save(folder / "y.npy", np.arange(100))
    return NpyRows


def npy_files(folder: Path) -> Any:
    npy(folder)
    return lambda where: NpyRows({"b": f"{where}/y.npy", "a": f"{where}/x.npy"})


def hdf5(folder: Path) -> Any:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"], file["y"] = np.arange(300.0).reshape(100, 3), np.arange(100)
    return lambda where: Hdf5Rows(f"{where}/a.h5")


def parquet(folder: Path) -> Any:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for number in range(3):
        pq.write_table(pa.table({"x": np.arange(40) + 100 * number}), folder / f"{number}.parquet")
    return ParquetRows


def molecules(folder: Path) -> Any:
    shutil.copytree(sample_path("molecules"), folder, dirs_exist_ok=True)
    return lambda where: PackedMolecules(where, num_atoms=26)


def sets(folder: Path) -> Any:
    make = molecules(folder)
    return lambda where: MoleculeSets([make(where), make(where)])


def packed_games(folder: Path) -> Any:
    pack_games(tuple(map(str, sorted(sample_path("games").glob("games*")))), folder, layout="bits")
    return PackedGames


def packed_file(folder: Path) -> Any:
    packed_games(folder)
    (file,) = folder.glob("*_bits.npy")
    return lambda where: PackedGames(f"{where}/{file.name}")


def games(folder: Path) -> Any:
    for path in sample_path("games").glob("games*"):
        shutil.copy(path, folder)
    return Games


def games_by_pattern(folder: Path) -> Any:
    games(folder)
    return lambda where: Games(f"{where}/game[s]*")


MAKERS: list[Callable[[Path], Any]] = [
    npy,
    npy_files,
    hdf5,
    parquet,
    molecules,
    sets,
    packed_games,
    packed_file,
    games,
    games_by_pattern,
]


def run(records: Any, **how: Any) -> fl.Graph:
    return fl.rows(records, **how) >> fl.shuffle() >> fl.batch(16)


def digests(graph: fl.Graph, **options: Any) -> list[bytes]:
    with graph.iterate(seed=4, **options) as batches:
        return [
            b"".join(np.ascontiguousarray(batch[key]).tobytes() for key in sorted(batch)) for batch in batches
        ]


def links() -> list[str]:
    return [path.name for path in Path(tempfile.gettempdir()).glob("flowload-objects-*")]


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS)
def test_records_and_states_are_those_of_a_folder(
    s3: S3, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    records = make(folder)
    url = put(s3, folder, "set/data")
    graphs = [run(records(str(folder))), run(records(url), cache=tmp_path / "cache", cache_bytes=MUCH)]
    s3.troubles = ["503", "ok", "cut", "reset"]
    wanted = digests(graphs[0])
    assert digests(graphs[1]) == wanted
    assert len(wanted) > 2
    gets = len(s3.gets())
    assert digests(graphs[1]) == wanted
    assert len(s3.gets()) == gets, "what is in the cache is not asked for again"
    assert not links()
    for before, behind in (graphs, graphs[::-1]):
        with before.iterate(seed=4) as batches:
            for _ in range(2):
                next(batches)
            state = through_json(batches.state_dict())
        assert digests(behind, state=state) == wanted[2:]
    with graphs[1].iterate(seed=4) as batches:
        list(batches)
    assert digests(graphs[0], state=through_json(batches.state_dict())) == [], "its files have gone by then"


def test_what_is_open_stays_and_is_let_go_when_it_is_closed(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    npy(folder)
    url = put(s3, folder, "set")
    records = NpyRows(url).in_cache(str(tmp_path / "cache"), 5000)
    cache = Cache(str(tmp_path / "cache"))
    with closing(records.open()) as table:
        assert len(table) == 100
        with cache.books() as books:
            cache.free(books, 4000)
            assert books.total > 3000, "what is held makes no room"
        assert len(links()) == 1
    with cache.books() as books:
        cache.free(books, 5000)
        assert books.total == 0
    assert not links()


def test_what_does_not_fit_is_said_at_once(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    npy(folder)
    url = put(s3, folder, "set")
    with pytest.raises(DataError, match="not enough cache space; found a bound of 3,000 bytes; wanted room"):
        digests(run(NpyRows(url), cache=tmp_path / "cache", cache_bytes=3000))
    assert s3.gets() == []
    assert not links()


def test_errors_name_the_url(s3: S3, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    with pytest.raises(NoDataError, match="s3://games/none: no objects; found 0 others"):
        PackedMolecules("s3://games/none").in_cache(cache, None).open()
    shutil.copytree(sample_path("molecules"), tmp_path / "set")
    (tmp_path / "set/R_pack.f32").write_bytes(b"short")
    url = put(s3, tmp_path / "set", "set")
    with pytest.raises(DataError, match=r"^s3://games/set/R_pack.f32: "):
        PackedMolecules(url).in_cache(cache, None).open()
    s3.always[""] = "403"
    with pytest.raises(DataError, match="permission denied; found 403"):
        PackedMolecules(url).in_cache(str(tmp_path / "other"), None).open()
    assert not links()


def test_an_object_that_changes_while_it_comes_is_named(s3: S3, tmp_path: Path) -> None:
    s3.buckets["games"]["x.npy"] = b"first"

    def change(key: str) -> None:
        if s3.gets():
            s3.buckets["games"]["x.npy"] = b"other"

    s3.gate = change
    with pytest.raises(DataError, match=r"s3://games/x.npy: object changed"):
        NpyRows("s3://games/x.npy").in_cache(str(tmp_path / "cache"), None).open()
    assert not links()


def test_who_leaves_while_objects_come_does_not_wait_for_them(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    npy(folder)
    url = put(s3, folder, "set")
    stalled, answer = threading.Event(), threading.Event()

    def stall(key: str) -> None:
        if key.endswith(".npy"):
            stalled.set()
            answer.wait(600)

    s3.gate = stall
    with run(NpyRows(url), cache=tmp_path / "cache").iterate():
        assert stalled.wait(60)
    assert not links()
    assert list(Cache(str(tmp_path / "cache")).held()) == []
    answer.set()


def test_sizes_and_columns_are_asked_without_a_run(s3: S3, tmp_path: Path) -> None:
    local = PackedMolecules(sample_path("molecules"))
    stored = PackedMolecules(put(s3, sample_path("molecules"), "set")).in_cache(str(tmp_path / "cache"), MUCH)
    assert (stored.sizes() == local.sizes()).all()
    assert (stored.column("E") == local.column("E")).all()
    assert stored.columns == local.columns
    assert len(stored) == len(local)
    there = pickle.loads(pickle.dumps(stored))
    with closing(there.hold()) as held:
        assert held.cache.root == str(tmp_path / "cache")
    assert stored == PackedMolecules(stored.path), "where objects lie is no part of a value"
    assert not links()


WORK = """
import sys
import numpy as np
import flowload as fl
from flowload.formats.rows import NpyRows
graph = fl.rows(NpyRows(sys.argv[1]), cache=sys.argv[2], cache_bytes=8000) >> fl.shuffle() >> fl.batch(10)
with graph.iterate(epochs=3) as batches:
    assert sum(float(batch["x"].sum()) for batch in batches) == 3 * float(np.arange(300.0).sum())
"""


@pytest.mark.slow
def test_two_processes_at_one_cache_bring_each_object_once(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    npy(folder)
    url = put(s3, folder, "set")
    s3.troubles = ["503", "ok", "cut"]
    command = [sys.executable, "-c", WORK, url, str(tmp_path / "cache")]
    children = [subprocess.Popen(command) for _ in range(2)]
    assert [child.wait(100) for child in children] == [0, 0]
    assert len(s3.gets()) == 2 + 2, "two objects, two troubles"
    cache = Cache(str(tmp_path / "cache"))
    assert sum(size for _, size, _ in cache.held()) <= 8000
    assert sorted(Path(path).name for _, _, path in cache.held()) == ["x.npy", "y.npy"]


@pytest.mark.slow
def test_a_child_process_reads_a_store_too(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    npy(folder)
    graph = run(NpyRows(put(s3, folder, "set")), cache=tmp_path / "cache", cache_bytes=MUCH)
    assert digests(graph, process=True) == digests(run(NpyRows(folder)))


def test_tiledb_is_told_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SKIP_SIGNATURE"):
        monkeypatch.delenv(name, raising=False)
    assert settings("s3://bucket/a") == {}
    assert settings("gs://bucket/a") is settings("/data/a") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert settings("s3://bucket/a") == {
        "vfs.s3.region": "eu-west-1",
        "vfs.s3.scheme": "http",
        "vfs.s3.endpoint_override": "127.0.0.1:9000",
        "vfs.s3.use_virtual_addressing": "false",
        "vfs.s3.no_sign_request": "true",
    }


def test_drawings_that_cannot_be_run(tmp_path: Path) -> None:
    for records in ({"x": np.arange(3)}, NpyRows(tmp_path)):
        with pytest.raises(GraphError, match="cache and cache_bytes are for records in a store"):
            fl.rows(records, cache=tmp_path)
    with pytest.raises(GraphError, match="cache_bytes is 0"):
        fl.rows(NpyRows("s3://games/x.npy"), cache_bytes=0)
