from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.rows.lmdb import LmdbRows
from tests.formats.molecules.packs import content, write
from tests.stages.batches.cut_rows import cut


def molecules(path: Path, **options: Any) -> tuple[PackedMolecules, NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    made = content(rng.integers(1, 9, 200).tolist())
    for row in (0, 3, 4, 5, 77, 78, 150, 199):
        made["E.f64"][row] = np.nan
    return PackedMolecules(write(path / "set", made), **options), made["E.f64"]


@pytest.mark.covering(2)
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("bucket", [None, 50])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_atoms": 8},
        {"num_atoms": 8, "pairs": "real"},
        {"num_atoms": 5, "too_large": "drop"},
        {"num_atoms": 5, "too_large": "raise"},
        {"num_atoms": 5, "too_large": "drop", "pairs": "none"},
    ],
)
@pytest.mark.parametrize("layout", ["physnet", "masked"])
def test_molecules(
    layout: str, options: dict[str, Any], bucket: int | None, shards: int, tmp_path: Path
) -> None:
    records, energies = molecules(tmp_path, **options)
    sizes = np.diff(records.open().pack.offsets)
    good = np.isfinite(energies) & (sizes <= options.get("num_atoms", 99))
    graph = fl.rows(records) >> fl.shuffle() >> fl.shard(0, shards)
    if bucket is not None:
        graph = graph >> fl.bucket(bucket)
    found = []
    for workers in (1, 3):
        whole = graph >> fl.batch(7, layout=layout, on_error="skip", drop_last=True, workers=workers)
        with whole.iterate(seed=2, even="allow") as run:
            found.append([batch["E"].tolist() for batch in run])
        assert run.stats().finished
    assert found[0] == found[1]
    assert {len(batch) for batch in found[0]} == {7}
    came = np.concatenate(found[0])
    assert len(set(came.tolist())) == len(came)
    assert set(came.tolist()) <= set(energies[good].tolist())
    if shards == 1:
        assert len(came) == int(good.sum()) // 7 * 7


@pytest.mark.parametrize("missing", ["skip", "raise"])
def test_rows_of_lmdb_that_are_not_there_or_are_of_another_size(missing: Any, tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    with (
        lmdb.open(str(tmp_path / "a.lmdb"), subdir=False, map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        for row in range(50):
            if row not in (7, 31):
                value = np.array([row, row], np.float32).tobytes()
                transaction.put(b"%d" % row, value[: 3 if row == 8 else None])
    arrays = {"x": ("float32", (2,))}
    records = LmdbRows(str(tmp_path / "a.lmdb"), arrays, count=50, missing=missing)
    with (fl.rows(records) >> fl.batch(8, on_error="skip")).iterate() as run:
        got = [batch["x"][:, 0].astype(int).tolist() for batch in run]
    assert got == cut([row for row in range(50) if row not in (7, 8, 31)], 8)
    assert run.stats().stages["batch"].dropped == {"missing": 2, "wrong size": 1}
    if missing == "skip":  # which is no error
        records = LmdbRows(str(tmp_path / "a.lmdb"), arrays, count=50, missing=missing)
        graph = fl.rows(records, indices=[row for row in range(50) if row != 8]) >> fl.batch(
            8, drop_last=True
        )
        with graph.iterate() as run:
            assert [len(batch["x"]) for batch in run] == [8] * 5
