"""What every kind of rows is asked: whole graphs over it give what the arrays themselves hold."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import flowload as fl
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.testing import check_records as exam
from tests.stages.fakes import FakeCall
from tests.suite.warm import run_warm

__all__ = ["ROOT", "arrays_of", "check_records", "opened_by_a_child", "read"]

ROOT = Path(__file__).parents[3]

CODE = """
import hashlib, pickle, sys
import flowload as fl
records = pickle.loads(bytes.fromhex(sys.argv[1]))
word = hashlib.sha1()
with (fl.rows(records) >> fl.shuffle() >> fl.batch(7)).iterate(seed=3) as run:
    for batch in run:
        for key, array in batch.items():
            word.update(key.encode() + array.tobytes())
print(word.hexdigest())
"""


def arrays_of(n: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Columns of several shapes and dtypes."""
    rng = np.random.default_rng(seed)
    return {
        "images": rng.standard_normal((n, 3, 4, 5)).astype(np.float32),
        "labels": rng.integers(-100, 100, n),
        "flags": rng.integers(0, 256, (n, 7), dtype=np.uint8),
        "big": rng.standard_normal((n, 2)).astype(">f8"),
    }


def read(table: LayoutTable, rows: Any) -> dict[str, NDArray[Any]]:
    """These rows, as `batch` asks for them."""
    call = FakeCall()
    numbers = table.usable(np.asarray(rows, np.int64), call)
    fields = table.fields(table.layouts[0], numbers)
    out = {key: np.full((len(numbers), *shape), 77, dtype) for key, (shape, dtype) in fields.items()}
    assert not table.write(table.layouts[0], numbers, out, call)
    return out


def check_records(records: LayoutRecords, wanted: Mapping[str, NDArray[Any]]) -> None:
    """Any rows in any order, whole graphs, several threads, a child process, twice at once."""
    n = len(next(iter(wanted.values())))
    assert isinstance(records, LayoutRecords)
    assert pickle.loads(pickle.dumps(records)) == records
    assert exam(records)
    table = records.open()
    assert isinstance(table, LayoutTable)
    assert len(table) == n
    assert table.layouts == records.layouts
    rng = np.random.default_rng(1)
    for rows in (
        [0],
        [n - 1, 0],
        range(n),
        range(n)[::-1],
        rng.permutation(n),
        rng.integers(0, n, 2 * n),
        [],
    ):
        same(read(table, rows), {key: array[np.asarray(rows, int)] for key, array in wanted.items()})
    assert f"row {n - 1}" in table.describe(n - 1)
    graph = fl.rows(records) >> fl.shuffle() >> fl.batch(7, workers=4)
    with graph.iterate(seed=3, cpus=4) as run, graph.iterate(seed=3, cpus=1) as again:
        one, two = list(run), list(again)
    table.close()
    for left, right in zip(one, two, strict=True):
        same(left, right)
    with (fl.rows(n) >> fl.shuffle() >> fl.batch(n)).iterate(seed=3) as run:
        order = next(run)["index"]
    same(
        {key: np.concatenate([batch[key] for batch in one]) for key in wanted},
        {key: array[order] for key, array in wanted.items()},
    )


def same(found: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]]) -> None:
    assert list(found) == list(wanted)
    for key, array in wanted.items():
        assert found[key].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[key], array, strict=False)


def opened_by_a_child(records: LayoutRecords) -> bool:
    """Whether a fresh process, given the declaration alone, streams the same."""
    word = hashlib.sha1(usedforsecurity=False)
    with (fl.rows(records) >> fl.shuffle() >> fl.batch(7)).iterate(seed=3) as run:
        for batch in run:
            for key, array in batch.items():
                word.update(key.encode() + array.tobytes())
    done = run_warm("-c", CODE, pickle.dumps(records).hex())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == word.hexdigest()
