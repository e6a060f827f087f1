"""The least that a user writes, in graphs and in the exams; and what is told where it is not kept."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.abc.adapted import AdaptedRecords, full_table
from flowload.abc.adapted_format import AdaptedFormat
from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.errors import DataError
from flowload.testing import check_format, check_records, check_stage

OPEN: list[str] = []


class Squares:
    """A table in two methods."""

    def __len__(self) -> int:
        return 100

    def gather(self, rows: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
        return {"square": rows**2, "pair": np.stack([rows, -rows], axis=1).astype(np.float32)}


class Closed(Squares):
    def __init__(self) -> None:
        OPEN.append("open")

    def describe(self, row: int) -> str:
        return f"squares.txt, line {row}"

    def close(self) -> None:
        OPEN.append("closed")


@dataclass(frozen=True)
class SquareFile:
    """Records in one method."""

    table: type = Squares

    def open(self) -> Squares:
        made: Squares = self.table()
        return made


def got(given: Any, size: int = 30) -> dict[str, NDArray[Any]]:
    with (fl.rows(given) >> fl.shuffle() >> fl.batch(size)).iterate(seed=3) as batches:
        made = list(batches)
    return {key: np.concatenate([batch[key] for batch in made]) for key in made[0]}


@pytest.mark.parametrize("given", [Squares(), SquareFile()], ids=["table", "records"])
def test_a_length_and_a_gather_are_records(given: Any) -> None:
    made = got(given)
    order = made["pair"][:, 0].astype(np.int64)
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != list(range(100))
    assert (made["square"] == order**2).all()
    assert (made["pair"][:, 1] == -order).all()
    assert made["square"].dtype == np.int64
    assert made["pair"].dtype == np.float32
    assert check_records(given) > 0


def test_small_batches_go_together_as_those_of_our_own_do() -> None:
    with (fl.rows(Squares()) >> fl.batch(5)).iterate() as batches:
        assert [batch["square"][0] for batch in batches] == [(5 * k) ** 2 for k in range(20)]
        assert batches.stats().stages["batch"].blocks_out < 20


def test_records_are_a_value_and_a_run_opens_its_own() -> None:
    assert fl.rows(SquareFile()) == fl.rows(SquareFile())
    assert fl.rows(SquareFile()) != fl.rows(SquareFile(Closed))
    OPEN.clear()
    got(SquareFile(Closed))
    assert OPEN[:1] == ["open"]
    assert OPEN.count("open") == OPEN.count("closed")
    table = Closed()
    OPEN.clear()
    got(table)
    assert OPEN == []  # it is its owner's


def test_the_full_form_of_a_simple_one_has_everything() -> None:
    records = AdaptedRecords(SquareFile(Closed))
    assert isinstance(records, LayoutRecords)
    assert isinstance(records.open(), LayoutTable)
    assert records.open().describe(7) == "squares.txt, line 7"
    assert AdaptedRecords(SquareFile()).open().describe(7) == "SquareFile, row 7"
    assert records.name == "SquareFile"


class Wrong(Squares):
    """Gives something else for rows from 50 on."""

    late: Any = None

    def gather(self, rows: NDArray[np.int64]) -> Any:
        return super().gather(rows) if rows.max() < 50 else self.late(super().gather(rows))


@pytest.mark.parametrize(
    ("late", "found", "wanted"),
    [
        (lambda made: {"square": made["square"]}, "square int64[30]", "those of row 0: square int64[], pair"),
        (
            lambda made: {**made, "square": made["square"].astype("f4")},
            "square float32[30]",
            "square int64[]",
        ),
        (lambda made: {**made, "pair": made["pair"][:, :1]}, "pair float32[30, 1]", "pair float32[2]"),
        (lambda made: {**made, "square": made["square"][1:]}, "square int64[29]", "30 rows in each"),
        (
            lambda made: {**made, "square": np.array(["a", None] * 15)},
            "square object[30]",
            "arrays of numbers",
        ),
        (lambda made: {**made, "square": 3}, "square int64[]", "arrays of numbers"),
        (list, "list: ['square', 'pair']", "arrays by key"),
        (lambda made: {}, "dict: {}", "arrays by key"),
    ],
)
def test_what_gather_should_not_have_given_is_told(late: Any, found: str, wanted: str) -> None:
    table = type("Late", (Wrong,), {"late": staticmethod(late)})()
    with pytest.raises(DataError) as caught, (fl.rows(table) >> fl.batch(30)).iterate() as batches:
        list(batches)
    assert "Late, row 30" in str(caught.value)
    assert found in str(caught.value)
    assert wanted in str(caught.value)


class Renamed(Squares):
    """A full table as it was before 0.2."""

    layouts = ("arrays",)

    def usable(self, rows: Any, call: Any) -> Any:
        return rows

    def fields(self, layout: str, rows: Any) -> Any:
        return {"square": ((), np.dtype(np.int64))}

    def gather(self, layout: Any, rows: Any, out: Any, call: Any) -> Any:  # type: ignore[override]
        out["square"][:] = rows**2
        return {}

    def describe(self, row: int) -> str:
        return f"row {row}"

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class RenamedFile:
    name = "renamed"
    layouts = Renamed.layouts

    def fields(self, layout: str) -> Any:
        return {}

    def open(self) -> Any:
        return Renamed()


def test_the_old_name_of_write_works_with_a_warning() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"Renamed.gather\(layout, rows, out, call\) is Renamed.write"
    ):
        made = got(RenamedFile())
    assert sorted(made["square"].tolist()) == [k * k for k in range(100)]
    own = AdaptedRecords(Squares()).open()
    assert full_table(own, "x") is own


# --- chunk formats ----------------------------------------------------------------------------------

RECORD = np.dtype([("number", "<i4"), ("board", "u1", (2, 3)), ("big", ">f8")])


@dataclass(frozen=True)
class Zipped:
    """Each chunk: its length, and records that zlib has compressed."""

    name: str = "zipped"
    record: np.dtype[Any] = field(default=RECORD, hash=False)

    def index(self, path: str) -> list[tuple[int, int]]:
        data, at, found = Path(path).read_bytes(), 0, []
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at)
            found.append((at + 4, size))
            at += 4 + size
        return found

    def inflate(self, data: bytes) -> bytes:
        return zlib.decompress(data)


def records_of(start: int, count: int) -> NDArray[Any]:
    made = np.zeros(count, RECORD)
    made["number"] = np.arange(start, start + count)
    made["board"] = made["number"][:, None, None] % 5 + np.arange(6).reshape(2, 3)
    made["big"] = made["number"] / 8
    return made


def write(path: Path, lengths: list[int]) -> Path:
    blob, start = b"", 0
    for count in lengths:
        packed = zlib.compress(records_of(start, count).tobytes())
        blob += struct.pack("<I", len(packed)) + packed
        start += count
    path.write_bytes(blob)
    return path


@pytest.mark.slow
def test_an_index_and_an_inflate_are_a_chunk_format(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zipped", [3, 40, 7])
    form: ChunkFormat = AdaptedFormat(Zipped())
    assert form.suffixes == (".zipped",)
    assert check_format(Zipped(), path) == 50
    graph = (
        fl.discover(str(tmp_path)) >> fl.read(Zipped()) >> fl.shuffle_pool(2) >> fl.unpack() >> fl.batch(50)
    )
    assert graph == (
        fl.discover(str(tmp_path)) >> fl.read(Zipped()) >> fl.shuffle_pool(2) >> fl.unpack() >> fl.batch(50)
    )
    with graph.iterate() as batches:
        (batch,) = batches
    order = np.argsort(batch["number"])
    wanted = records_of(0, 50)
    for key in ("number", "board", "big"):
        assert (batch[key][order] == wanted[key]).all()
        assert batch[key].dtype.isnative
    check_stage(fl.read(Zipped()), [fl_files(path)])


def fl_files(path: Path) -> Any:
    from flowload.blocks import Files  # noqa: PLC0415 - one test's own

    return Files((str(path),))


def test_a_plain_dtype_is_one_array(tmp_path: Path) -> None:
    path = tmp_path / "a.zipped"
    packed = zlib.compress(np.arange(9, dtype="<i2").tobytes())
    path.write_bytes(struct.pack("<I", len(packed)) + packed)
    form = Zipped(record=np.dtype("<i2"))
    with (fl.discover(str(path)) >> fl.read(form) >> fl.unpack() >> fl.batch(9)).iterate() as batches:
        assert [batch["x"].tolist() for batch in batches] == [list(range(9))]


@dataclass(frozen=True)
class Longer(Zipped):
    def index(self, path: str) -> list[tuple[int, int]]:
        return [(offset, size + 9**9) for offset, size in super().index(path)]


@dataclass(frozen=True)
class Uneven(Zipped):
    def inflate(self, data: bytes) -> bytes:
        return super().inflate(data)[:-1]


@pytest.mark.parametrize(
    ("form", "damage", "words"),
    [
        (Longer(), None, "chunk 0: no such chunk; found bytes 4 to "),
        (Uneven(), None, "bad length; found "),
        (Zipped(), b"\x05\0\0\0abcde", "cannot be inflated; found error("),
        (Zipped(), b"\x05\0\0", "no index; found error("),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, form: Any, damage: bytes | None, words: str) -> None:
    path = write(tmp_path / "a.zipped", [3])
    if damage is not None:
        path.write_bytes(damage)
    graph = fl.discover(str(path)) >> fl.read(form) >> fl.unpack() >> fl.batch(9)
    with pytest.raises(DataError) as caught, graph.iterate() as batches:
        list(batches)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_mistake_in_the_users_code_is_no_bad_data(tmp_path: Path) -> None:
    class Broken(Zipped):
        def inflate(self, data: bytes) -> bytes:
            raise KeyError("mine")

    path = write(tmp_path / "a.zipped", [3])
    graph = fl.discover(str(path)) >> fl.read(Broken()) >> fl.unpack(on_error="skip") >> fl.batch(9)
    with pytest.raises(KeyError, match="mine"), graph.iterate() as batches:
        list(batches)
