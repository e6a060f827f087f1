"""LmdbRows against lmdb over random databases, and over values and files that were damaged."""

from __future__ import annotations

import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.formats.compared import unlike
from flowload.formats.rows.lmdb import LmdbRows
from flowload.formats.rows.lmdb_keys import key_writer
from tests.fuzz.children import read_in_a_child
from tests.fuzz.inputs.mutate import mutants, survives
from tests.stages.fakes import FakeCall

lmdb = pytest.importorskip("lmdb")

SEED = 22
KEYS = ("decimal", "big32", "big64", "{:06d}", "{:02d}", "row-{:x}.bin")
KINDS: tuple[Any, ...] = ("u1", ">i2", "<f4", ">f8", "<i4,>f8", "S3", [("a", ">i2", (2,)), ("b", "<f4")])


@pytest.mark.slow
def test_random_databases_are_read_as_lmdb_reads_them(fuzz_count: int, tmp_path: Path) -> None:
    for number in range(fuzz_count // 3):
        check(tmp_path / str(number), np.random.default_rng((SEED, number)), f"{number} of seed {SEED}")


def check(path: Path, rng: np.random.Generator, what: str) -> None:
    """One database: its rows, and which of them are not there."""
    size = int(rng.integers(1, 200))
    keys = KEYS[rng.integers(len(KEYS))]
    key = key_writer(keys)
    arrays = {
        name: (
            np.dtype(KINDS[rng.integers(len(KINDS))]),
            tuple(rng.integers(1, 4, rng.integers(0, 3)).tolist()),
        )
        for name in "xyz"[: rng.integers(1, 4)]
    }
    width = sum(dtype.itemsize * prod(shape) for dtype, shape in arrays.values())
    stored = {row: rng.bytes(width) for row in range(size) if row in (0, size - 1) or rng.random() < 0.9}
    named = b"inner" if rng.random() < 0.3 else None
    with lmdb.open(str(path), subdir=bool(rng.random() < 0.5), max_dbs=2, map_size=1 << 22) as environment:
        inner = environment.open_db(named) if named else None
        with environment.begin(write=True, db=inner) as transaction:
            for row in rng.permutation(list(stored)).tolist():
                transaction.put(key(row), stored[row])
    rows = rng.integers(0, size, int(rng.integers(1, 50)))
    records = LmdbRows(str(path), arrays, keys, database=named.decode() if named else None)
    table = records.open()
    try:
        assert len(table) == size, what
        fields = table.fields("arrays", rows)
        out = {name: np.empty((len(rows), *shape), dtype) for name, (shape, dtype) in fields.items()}
        call = FakeCall()
        table.write("arrays", rows, out, call)
    finally:
        table.close()
    gone = [row not in stored for row in rows.tolist()]
    assert sum(count for _, count in call.lacks) == sum(gone), what
    begin = 0
    for name, (dtype, shape) in arrays.items():
        nbytes = dtype.itemsize * prod(shape)
        parts = [stored.get(row, bytes(width))[begin : begin + nbytes] for row in rows.tolist()]
        wanted = np.frombuffer(b"".join(parts), dtype).reshape(len(rows), *shape)
        assert not unlike(out[name], wanted).any(), f"{what}: {name}"
        begin += nbytes


def test_damaged_keys_and_values_are_read_or_refused(fuzz_count: int, tmp_path: Path) -> None:
    values = [np.int64(row).tobytes() for row in range(20)]
    damaged = iter(mutants(b"17", count=20 * fuzz_count, seed=SEED))
    rng = np.random.default_rng(SEED)
    for number in range(fuzz_count // 3):
        path = str(tmp_path / str(number))
        with lmdb.open(path) as environment, environment.begin(write=True) as transaction:
            for row, value in enumerate(values):
                bad = rng.random() < 0.1
                name = next(damaged)[:500] if bad else b"%d" % row
                transaction.put(name or b"x", value[: rng.integers(9)] if rng.random() < 0.02 else value)
        survives(lambda path=path: read_all(path), f"database {number}")  # type: ignore[misc]


def read_all(path: str) -> None:
    table = LmdbRows(path, {"x": "int64"}).open()
    try:
        rows = np.arange(min(len(table), 1000))
        table.write("arrays", rows, {"x": np.empty(len(rows), np.int64)}, FakeCall())
    finally:
        table.close()


#: Reads damaged databases: LMDB trusts its pages.
DAMAGED = """
import sys, lmdb
from tests.fuzz.inputs.mutate import survives
from tests.fuzz.test_lmdb import read_all

def by_lmdb(path):
    with lmdb.open(path, subdir=False, readonly=True, lock=False) as environment:
        if (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] > len(open(path, "rb").read()):
            return
        with environment.begin() as transaction:
            for row in range(transaction.stat()["entries"]):
                transaction.get(b"%d" % row)
            cursor = transaction.cursor()
            if cursor.first(): cursor.key()
            if cursor.last(): cursor.key()
            for row in range(2000):
                transaction.get(b"%d" % row)

for path in sys.argv[1:]:
    print("library", path, flush=True)
    try:
        by_lmdb(path)
    except lmdb.Error:
        pass
    print("us", path, flush=True)
    survives(lambda: read_all(path), path)
print("done", flush=True)
"""


@pytest.mark.slow
def test_damaged_databases_are_read_or_refused_unless_lmdb_dies(fuzz_count: int, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    with lmdb.open(str(whole), subdir=False) as environment, environment.begin(write=True) as transaction:
        for row in range(300):
            transaction.put(b"%d" % row, np.int64(row).tobytes())
    paths = []
    for number, data in enumerate(mutants(whole.read_bytes(), count=fuzz_count // 4, seed=SEED, first=8192)):
        paths.append(tmp_path / f"{number}.mdb")
        paths[-1].write_bytes(data)
    assert read_in_a_child(DAMAGED, paths) < len(paths) // 2


#: Reads databases that end too early in a process of its own: it may die of SIGBUS.
CHILD = """
import sys
from tests.fuzz.inputs.mutate import survives
from tests.fuzz.test_lmdb import read_all
print(sum(survives(lambda: read_all(path), path) for path in sys.argv[1:]))
"""


@pytest.mark.slow
def test_databases_that_end_anywhere(fuzz_count: int, tmp_path: Path) -> None:
    whole = str(tmp_path / "whole")
    with lmdb.open(whole, subdir=False) as environment, environment.begin(write=True) as transaction:
        for row in range(3000):
            transaction.put(b"%d" % row, np.int64(row).tobytes())
    data = (tmp_path / "whole").read_bytes()
    rng = np.random.default_rng(SEED)
    paths = []
    for size in [0, 1, 4095, 4096, 8191, 8192, *rng.integers(0, len(data), fuzz_count // 10).tolist()]:
        paths.append(tmp_path / f"{size}.mdb")
        paths[-1].write_bytes(data[:size])
    command = [sys.executable, "-c", CHILD, str(tmp_path / "whole"), *map(str, paths)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr[-3000:]
