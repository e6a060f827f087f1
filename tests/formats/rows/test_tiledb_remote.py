"""TileDB rows in a store: TileDB's own client asks the server of these tests, as the environment says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.files.objects.server import S3

tiledb = pytest.importorskip("tiledb")

ROWS = np.arange(1200, dtype=np.float32).reshape(100, 12)

#: A process of its own: TileDB keeps Python's lock while it asks, and the server answers in Python.
READ = """
import json
import flowload as fl
from flowload.formats.rows import TileDbRows

graph = fl.rows(TileDbRows("s3://bucket/run/array")) >> fl.shuffle() >> fl.batch(10)
with graph.iterate(seed=1) as batches:
    print(json.dumps([batch["x"].tolist() for batch in batches]))
"""


def read(s3: S3, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the process says."""
    return subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, **s3.environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def stored(s3: S3, tmp_path: Path) -> S3:
    """An array that was written to a folder, and copied."""
    folder = tmp_path / "array"
    domain = tiledb.Domain(
        tiledb.Dim("row", (0, 99), 16, dtype=np.int64), tiledb.Dim("column", (0, 11), 12, dtype=np.int64)
    )
    tiledb.Array.create(str(folder), tiledb.ArraySchema(domain, [tiledb.Attr("x", dtype="f4")]))
    with tiledb.open(str(folder), "w") as array:
        array[:] = ROWS
    files = [path for path in folder.rglob("*") if path.is_file()]
    s3.buckets["bucket"] = {
        f"run/array/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files
    }
    return s3


@pytest.mark.slow
def test_rows_are_those_of_the_array(stored: S3) -> None:
    found = read(stored)
    assert found.returncode == 0, found.stderr
    batches = np.array(json.loads(found.stdout), np.float32)
    assert batches.shape == (10, 10, 12)
    rows = batches.reshape(100, 12)
    assert sorted(rows[:, 0].tolist()) == ROWS[:, 0].tolist()
    np.testing.assert_array_equal(rows, ROWS[(rows[:, 0] // 12).astype(int)])
    assert rows[:, 0].tolist() != ROWS[:, 0].tolist(), "shuffled"
    assert any(key.startswith("run/array/__fragments/") for key in stored.gets())


@pytest.mark.slow
def test_an_array_that_is_not_there_is_named(stored: S3) -> None:
    stored.buckets["bucket"].clear()
    found = read(stored)
    assert found.returncode == 1
    assert "s3://bucket/run/array" in found.stderr
    assert "DataError" in found.stderr
