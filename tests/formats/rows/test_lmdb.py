"""LMDB rows are what lmdb itself gives for their keys."""

from __future__ import annotations

import os
import pickle
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.rows.lmdb import LmdbRows
from flowload.formats.rows.lmdb_environments import ENVIRONMENTS
from flowload.formats.rows.lmdb_keys import key_reader, key_writer
from flowload.stages.batches.batch_memory import under_way
from tests.formats.rows.oracle import arrays_of, check_records, opened_by_a_child, read
from tests.stages.fakes import FakeCall

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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_decoder_that_gives_a_tuple(write: Write) -> None:
    path = str(write())
    table = LmdbRows(path, {"x": ("float32", (3,)), "y": "int64"}, decode=lambda _: (np.ones(3), 3)).open()
    with pytest.raises(DataError, match=r"row 0: unlike samples; found setting an array element"):
        read(table, [0])
    table.close()


def test_an_error_in_the_decoder_says_where(write: Write) -> None:
    table = LmdbRows(str(path := write()), {"y": "int64"}, decode=labels_alone).open()
    with pytest.raises(zlib.error) as caught:
        read(table, [3])
    assert caught.value.__notes__ == [f"decoding {path}, row 3"]
    table.close()


def few(path: Path, rows: Iterable[int], key: Callable[[int], bytes] = lambda row: b"%d" % row) -> str:
    """A database of some rows, each of which holds its own number."""
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for row in rows:
            transaction.put(key(row), np.int64(row).tobytes())
    return str(path)


WAYS = {
    "decimal": lambda row: b"%d" % row,
    "big64": lambda row: row.to_bytes(8, "big"),
    "{:03d}": lambda row: b"%03d" % row,
    "{:02d}": lambda row: b"%02d" % row,  # behind 99 the order of keys is another than that of rows
    "row {:x}!": lambda row: b"row %x!" % row,
    "{:.3f}": lambda row: f"{row:.3f}".encode(),  # nobody reads numbers from these
}


@pytest.mark.parametrize("keys", WAYS)
@pytest.mark.parametrize("holes", [{5}, {5, 149, 148, 70}, {5, 150}, set(range(20, 80))])
def test_rows_without_a_key(keys: str, holes: set[int], tmp_path: Path) -> None:
    rows = [row for row in range(152) if row not in holes]
    path = few(tmp_path / "a", rows, WAYS[keys])
    for records in (LmdbRows(path, {"x": "int64"}, keys), LmdbRows(path, {"x": "int64"}, keys, count=152)):
        with (fl.rows(records) >> fl.batch(40)).iterate() as run:
            found = np.concatenate([batch["x"] for batch in run])
        assert found.tolist() == [0 if row in holes else row for row in range(152)]
        assert run.stats().stages["batch"].missing == len(holes)
    table = LmdbRows(path, {"x": "int64"}, keys, missing="skip").open()
    call = FakeCall()
    assert table.usable(np.arange(152), call).tolist() == rows
    assert call.drops == {"missing": len(holes)}
    table.close()


def test_a_row_without_a_key_as_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = few(tmp_path / "a", [0, 1, 3])
    graph = fl.rows(LmdbRows(path, {"x": "int64"}, missing="raise"))
    with (
        pytest.raises(DataError, match="a, row 2: missing; found no such key; wanted b'2'"),
        (graph >> fl.batch(9)).iterate() as run,
    ):
        list(run)
    with (graph >> fl.batch(9, on_error="skip")).iterate() as run:
        assert [batch["x"].tolist() for batch in run] == [[0, 1, 3]]
    caplog.clear()
    with (fl.rows(LmdbRows(path, {"x": "int64"})) >> fl.batch(2)).iterate(epochs=2) as run:
        list(run)
    assert [record.getMessage() for record in caplog.records] == [
        "batch: the fill value stands for data that do not exist: "
        f"{path}: missing; found rows without one; wanted a key for each of 4 rows, such as b'0'"
    ]


def test_a_decoder_is_not_asked_about_what_is_not_there(tmp_path: Path) -> None:
    path = few(tmp_path / "a", [0, 2])
    table = LmdbRows(path, {"x": ("int64", (2,))}, decode=twice).open()
    assert read(table, [2, 1, 0])["x"].tolist() == [[2, 2], [0, 0], [0, 0]]
    table.close()


def twice(stored: Any) -> Any:
    return np.repeat(np.frombuffer(stored, "i8"), 2)


def test_fields_in_several_byte_orders(tmp_path: Path) -> None:
    kind = np.dtype([("a", "<i4"), ("b", ">f8")])
    rows = np.array([(k, k / 2) for k in range(5)], kind)
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        for k in range(5):
            transaction.put(b"%d" % k, rows[k].tobytes())
    table = LmdbRows(str(tmp_path), {"x": kind}).open()
    assert read(table, [4, 1])["x"].tolist() == [(4, 2.0), (1, 0.5)]
    table.close()


def test_keys_of_another_kind_are_found_at_once(write: Write, tmp_path: Path) -> None:
    path = str(write(lambda row: b"%08d" % row))
    found = "found 50 entries, the first b'00000000', the last b'00000049'"
    with pytest.raises(DataError, match=rf"keys that are no rows; {found}; wanted .*b'0'; or say count="):
        LmdbRows(path, KINDS).open()
    with pytest.raises(NoDataError, match=rf"no such keys; {found}; wanted b'0' to b'49'; or say count="):
        LmdbRows(path, KINDS, count=N).open()
    path = few(tmp_path / "from 1", range(1, 9))
    with pytest.raises(DataError, match=r"missing key; found 8 entries, .*; wanted b'0', for row 0"):
        LmdbRows(path, {"x": "int64"}).open()
    path = few(tmp_path / "little", range(12), lambda row: row.to_bytes(8, "little"))
    with pytest.raises(DataError, match=r"most rows are missing; found 12 entries, the first .*; wanted an"):
        LmdbRows(path, {"x": "int64"}, "big64").open()
    path = few(tmp_path / "far", [0, 1, 2, 9])
    with pytest.raises(
        DataError, match=r"most rows are missing; found 4 entries, .*; wanted .* to 9; or say"
    ):
        LmdbRows(path, {"x": "int64"}).open()


def test_entries_that_are_no_rows(write: Write) -> None:
    path = str(write(more={b"length": b"50", b"meta": b""}))
    with pytest.raises(DataError, match=r"keys that are no rows; found 52 entries, .* the last b'meta'"):
        LmdbRows(path, KINDS).open()
    check_records(LmdbRows(path, KINDS, count=N), ARRAYS)


def test_keys_that_only_look_like_numbers() -> None:
    for keys, good, bad in (
        ("decimal", b"17", (b"017", b"+17", b"1_7", b" 17", b"", b"-1", "\u0661".encode())),
        ("big32", b"\0\0\0\x11", (b"\x11", b"\0" * 4 + b"\x11")),
        ("image-{:04d}.png", b"image-0017.png", (b"image-17.png", b"image-0017.jpg", b"image-0017")),
    ):
        reads = key_reader(keys)
        assert reads is not None
        assert reads(good) == 17
        assert [reads(key) for key in bad] == [None] * len(bad)
    assert key_reader("{:.3f}") is None
    assert key_reader("{0!r}-{0}") is None


def test_a_file_that_ends_before_its_last_page(tmp_path: Path) -> None:
    path = few(tmp_path / "a", range(5000))
    file = tmp_path / "a" / "data.mdb"
    size = file.stat().st_size
    for left in (size - 1, size - 4096, size // 2):
        os.truncate(file, left)
        with pytest.raises(
            DataError, match=rf"data\.mdb: truncated; found {left:,} bytes; wanted {size:,} b"
        ):
            LmdbRows(path, {"x": "int64"}).open()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.mdb")
    for path in (tmp_path, tmp_path / "data.mdb"):
        with pytest.raises(DataError, match=r"data\.mdb: not a file; found a pipe"):
            LmdbRows(str(path), KINDS).open()


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
    with pytest.raises(NoDataError, match=r"folder/data\.mdb: no such file; wanted an LMDB database"):
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
        ({"count": 2**32 + 1, "keys": "big32"}, "count is 4294967297; keys='big32' do not reach so far"),
        ({"missing": "zero"}, "missing is 'zero'; wanted"),
        ({"decode": "jpeg"}, "decode is 'jpeg'"),
    ],
)
def test_bad_parameters(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=f"LmdbRows: {message}"):
        LmdbRows(**{"path": "data.lmdb", "arrays": {"x": "f4"}, **options})


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.formats.rows.columns.import_module", absent)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'flowload[lmdb]'")):
        LmdbRows("data.lmdb", {"x": "f4"}).open()
