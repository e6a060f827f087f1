"""LMDB rows are what lmdb itself gives for their keys."""

from __future__ import annotations

import os
import pickle
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.lmdb_environments import ENVIRONMENTS
from flowload.formats.lmdb_keys import key_writer
from flowload.formats.rows_lmdb import LmdbRows
from flowload.stages.batch import under_way
from tests.formats.rows_oracle import arrays_of, check_records, opened_by_a_child, read

lmdb = pytest.importorskip("lmdb")

N = 50
ARRAYS = arrays_of(N)
KINDS = {key: (array.dtype, array.shape[1:]) for key, array in ARRAYS.items()}

Write = Callable[..., Path]


def value(row: int) -> bytes:
    return b"".join(array[row].tobytes() for array in ARRAYS.values())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        key: Callable[[int], bytes] = lambda row: b"%d" % row,
        make: Callable[[int], bytes] = value,
        *,
        subdir: bool = True,
        database: bytes | None = None,
        more: Mapping[bytes, bytes] | None = None,
    ) -> Path:
        path = tmp_path / "data.lmdb"
        with lmdb.open(str(path), subdir=subdir, map_size=1 << 24, max_dbs=2) as environment:
            inner = None if database is None else environment.open_db(database)
            with environment.begin(write=True, db=inner) as transaction:
                for row in range(N):
                    transaction.put(key(row), make(row))
                for name, content in (more or {}).items():
                    transaction.put(name, content)
        return path

    return write


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Any:
    yield
    assert not ENVIRONMENTS.users


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("decimal", lambda row: str(row).encode()),
        ("big64", lambda row: row.to_bytes(8, "big")),
        ("big32", lambda row: row.to_bytes(4, "big")),
        ("image-{:08d}", lambda row: b"image-%08d" % row),
    ],
)
def test_every_way_to_write_keys(keys: str, key: Callable[[int], bytes], write: Write) -> None:
    records = LmdbRows(write(key), KINDS, keys)  # type: ignore[arg-type]
    check_records(records, ARRAYS)
    for row in (0, 7, 10**6):
        assert key_writer(keys)(row) == key(row)


def test_the_rows_are_those_of_lmdb(write: Write) -> None:
    path = write()
    order = np.random.default_rng(0).permutation(N)
    table = LmdbRows(str(path), KINDS).open()
    found = read(table, order)
    table.close()
    with lmdb.open(str(path), readonly=True) as environment, environment.begin() as transaction:
        for place, row in enumerate(order):
            stored = b"".join(found[key][place].astype(KINDS[key][0]).tobytes() for key in KINDS)
            assert stored == transaction.get(b"%d" % row)


def test_a_file_and_a_named_database(write: Write) -> None:
    records = LmdbRows(str(write(subdir=False, database=b"train")), KINDS, database="train")
    check_records(records, ARRAYS)
    assert opened_by_a_child(records)
    table = records.open()
    assert "(train), row 3" in table.describe(3)
    table.close()


def test_one_array_of_one_number(write: Write) -> None:
    path = write(make=lambda row: np.int16(-row).tobytes())
    check_records(LmdbRows(str(path), {"y": "int16"}), {"y": -np.arange(N, dtype=np.int16)})
    check_records(LmdbRows(str(path), {"y": "i2"}, count=20), {"y": -np.arange(20, dtype=np.int16)})


def unzipped(stored: Any) -> dict[str, Any]:
    data = zlib.decompress(stored)
    found, begin = {}, 0
    for key, (dtype, shape) in KINDS.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        found[key] = np.frombuffer(data[begin : begin + size], dtype).reshape(shape)
        begin += size
    return found


def labels_alone(stored: Any) -> Any:
    return unzipped(stored)["labels"]


def test_decoding(write: Write) -> None:
    path = write(make=lambda row: zlib.compress(value(row)))
    records = LmdbRows(str(path), KINDS, decode=unzipped)
    check_records(records, ARRAYS)
    assert opened_by_a_child(records)
    one = LmdbRows(str(path), {"labels": "int64"}, decode=labels_alone)
    check_records(one, {"labels": ARRAYS["labels"]})
    assert repr(one).endswith("labels: int64[], keys='decimal', decode=labels_alone)")


def test_a_decoder_that_gives_something_else(write: Write) -> None:
    path = str(write(make=lambda row: zlib.compress(value(row))))
    for kinds, message in (
        ({"labels": "int32"}, r"row 0: unlike samples; found labels int64\[\]; wanted labels int32\[\]"),
        ({"labels": ("int64", (2,))}, r"found labels int64\[\]; wanted labels int64\[2\]"),
    ):
        table = LmdbRows(path, kinds, decode=labels_alone).open()
        with pytest.raises(DataError, match=message):
            read(table, [0])
        table.close()
    table = LmdbRows(path, {"x": "int64"}, decode=unzipped).open()
    with pytest.raises(DataError, match=r"unlike samples; found images .*; wanted x int64"):
        read(table, [0])
    table.close()


def test_an_error_in_the_decoder_says_where(write: Write) -> None:
    table = LmdbRows(str(path := write()), {"y": "int64"}, decode=labels_alone).open()
    with pytest.raises(zlib.error) as caught:
        read(table, [3])
    assert caught.value.__notes__ == [f"decoding {path}, row 3"]
    table.close()


def test_a_missing_key(write: Write) -> None:
    path = str(write(lambda row: b"%d" % (row if row != 20 else 999)))
    table = LmdbRows(path, KINDS, count=N).open()
    with pytest.raises(DataError, match=r"data\.lmdb, row 20: missing key; found no such key; wanted b'20'"):
        read(table, [19, 20])
    table.close()
    graph = fl.rows(LmdbRows(path, KINDS)) >> fl.batch(10, on_error="skip")
    with graph.iterate() as run:
        assert sum(len(batch["labels"]) for batch in run) == N - 10
    assert run.stats().stages["batch"].dropped == {"missing key": 10}


def test_keys_of_another_kind_are_found_at_once(write: Write) -> None:
    path = str(write(lambda row: b"%08d" % row))
    message = r"row \d+: missing key; found 50 entries, the first b'00000000'; wanted b'\d+'"
    with pytest.raises(DataError, match=message):
        LmdbRows(path, KINDS).open()
    with pytest.raises(DataError, match=r"row 59: missing key; found 50 entries, .*; wanted b'00000059'"):
        LmdbRows(path, KINDS, "{:08d}", count=60).open()


def test_entries_that_are_no_rows(write: Write) -> None:
    path = str(write(more={b"length": b"50", b"meta": b""}))
    with pytest.raises(DataError, match=r"row 51: missing key; found 52 entries"):
        LmdbRows(path, KINDS).open()
    check_records(LmdbRows(path, KINDS, count=N), ARRAYS)


def test_a_value_of_another_size(write: Write) -> None:
    wide = len(value(0))
    path = str(write(make=lambda row: value(row) + b"!" * (row == 4)))
    table = LmdbRows(path, KINDS).open()
    with pytest.raises(DataError, match=f"row 4: wrong size; found {wide + 1} bytes; wanted {wide} bytes"):
        read(table, [4])
    table.close()


def test_what_is_no_database(tmp_path: Path, write: Write) -> None:
    with pytest.raises(NoDataError, match=r"absent: no such file; wanted an LMDB folder or file"):
        LmdbRows(str(tmp_path / "absent"), KINDS).open()
    (tmp_path / "text").write_bytes(b"text" * 10_000)
    with pytest.raises(DataError, match=r"text: no LMDB database; found .*"):
        LmdbRows(str(tmp_path / "text"), KINDS).open()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"folder: no LMDB database"):
        LmdbRows(str(tmp_path / "folder"), KINDS).open()
    with pytest.raises(DataError, match=r"\(valid\): no such database"):
        LmdbRows(str(write()), KINDS, database="valid").open()


def test_no_rows(tmp_path: Path) -> None:
    lmdb.open(str(tmp_path / "none")).close()
    with (
        pytest.raises(NoDataError, match="no records; found 0 rows"),
        (fl.rows(LmdbRows(str(tmp_path / "none"), KINDS)) >> fl.batch(2)).iterate() as run,
    ):
        list(run)


def test_two_runs_share_what_a_process_may_open_once(write: Write) -> None:
    records = LmdbRows(str(path := write()), KINDS)
    one, two = records.open(), LmdbRows(os.path.relpath(path), KINDS).open()
    assert one.environment is two.environment
    one.close()
    assert len(read(two, [1])["labels"]) == 1
    two.close()
    message = r"no LMDB database; found .*already open in this process"
    with lmdb.open(str(path)), pytest.raises(DataError, match=message):
        records.open()


def test_it_is_a_value(write: Write) -> None:
    records = LmdbRows(str(write()), {"y": "int64", "x": ("float32", [3, 8])})
    assert pickle.loads(pickle.dumps(records)) == records != LmdbRows(records.path, {"y": "int64"})
    assert records.fields("arrays")["x"] == ((3, 8), np.dtype("f4"))
    assert repr(records).endswith("y: int64[], x: float32[3, 8], keys='decimal')")
    graph = fl.rows(records) >> fl.batch(64)
    assert graph.memory(cpus=1)["batch"] == under_way(64 * (8 + 96), workers=1, together=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": 3}, "path is 3"),
        ({"arrays": {}}, r"arrays are \{\}; wanted dtype and shape by key"),
        ({"arrays": {"x": "float31"}}, "array 'x' is 'float31'; wanted a dtype"),
        ({"arrays": {"x": ("f4", 3)}}, "array 'x' is"),
        ({"arrays": {"x": ("f4", (0,))}}, "array 'x' is"),
        ({"arrays": {"x": "O"}}, "array 'x' is"),
        ({"arrays": {3: "f4"}}, "array 3 is"),
        ({"keys": "roman"}, r"key is 'roman'; wanted 'decimal', 'big32', 'big64', or a template"),
        ({"keys": "{:d} {:d}"}, "key is"),
        ({"keys": 8}, "key is 8"),
        ({"count": 0}, "count is 0"),
        ({"count": True}, "count is True"),
        ({"decode": "jpeg"}, "decode is 'jpeg'"),
    ],
)
def test_bad_parameters(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=f"LmdbRows: {message}"):
        LmdbRows(**{"path": "data.lmdb", "arrays": {"x": "f4"}, **options})


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.formats.columns.import_module", absent)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'flowload[lmdb]'")):
        LmdbRows("data.lmdb", {"x": "f4"}).open()
