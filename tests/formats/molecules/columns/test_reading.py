"""Columns and missing arrays come into batches as numpy would put them there; what is bad is named."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.molecules import Column, PackedMolecules
from tests.formats.molecules import packs as naive

DTYPES = ("float32", "float64", "bool", "int8", "uint16", "int32", "int64")
COLUMNS = {
    "dipole": Column(per="molecule", shape=(3,), dtype="float32", unit="e*angstrom", kind="vector"),
    "spin": Column(per="molecule", dtype="int8"),
    "gap": Column(per="molecule", dtype="float64", unit="eV"),
    "charges": Column(per="atom", unit="e"),
    "quadrupole": Column(per="atom", shape=(3, 3), dtype="float64", unit="e*angstrom^2", kind="tensor"),
    "fixed": Column(per="atom", dtype="bool"),
}
SIZES = [3, 1, 5, 2, 4, 4]


def values_of(columns: Mapping[str, Column], sizes: list[int], seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random numbers for each column."""
    rng = np.random.default_rng(seed)
    counts = {"molecule": len(sizes), "atom": sum(sizes)}
    return {
        name: rng.normal(size=(counts[column.per], *column.shape), scale=50).astype(column.dtype)
        for name, column in columns.items()
    }


def write(
    folder: Path, arrays: naive.Content, columns: Mapping[str, Column], values: Mapping[str, NDArray[Any]]
) -> Path:
    """A folder with a manifest."""
    naive.write(folder, arrays)
    for name, column in columns.items():
        (folder / column.file(name)).write_bytes(values[name].tobytes())
    without = [key for key, name in (("F", "F_pack.f32"), ("E", "E.f64")) if name not in arrays]
    said = {"columns": {name: column.as_json() for name, column in columns.items()}, "without": without}
    (folder / "meta.json").write_text(json.dumps(said))
    return folder


def wanted_of(
    arrays: naive.Content,
    columns: Mapping[str, Column],
    values: Mapping[str, NDArray[Any]],
    rows: range,
    slots: int,
    layout: str,
) -> naive.Content:
    """The batch by numpy."""
    full = {"F_pack.f32": np.zeros((1, 3)), "E.f64": np.zeros(len(arrays["n_atoms.npy"])), **arrays}
    if "F_pack.f32" not in arrays:
        full["F_pack.f32"] = arrays["R_pack.f32"]
    made = (naive.masked if layout == "masked" else naive.physnet)(full, rows, slots)
    for key, name in (("F", "F_pack.f32"), ("E", "E.f64")):
        if name not in arrays:
            del made[key]
    for name, column in columns.items():
        if column.per == "molecule":
            made[name] = values[name][list(rows)]
            continue
        made[name] = np.zeros((len(rows), slots, *column.shape), column.dtype)
        for place, row in enumerate(rows):
            begin, end = arrays["offsets.npy"][row : row + 2]
            made[name][place, : end - begin] = values[name][begin:end]
    return made


def batches_of(graph: fl.Graph, **how: Any) -> list[dict[str, NDArray[Any]]]:
    with graph.iterate(**how) as batches:
        return [{key: np.array(array) for key, array in batch.items()} for batch in batches]


def same(found: dict[str, NDArray[Any]], wanted: naive.Content) -> None:
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape), key
        np.testing.assert_array_equal(found[key], array, err_msg=key)


columns_of = st.dictionaries(
    st.sampled_from(["a", "B", "c_1"]),
    st.builds(
        Column,
        per=st.sampled_from(["molecule", "atom"]),
        shape=st.lists(st.integers(1, 3), max_size=2).map(tuple),
        dtype=st.sampled_from(DTYPES),
    ),
    max_size=3,
)


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    columns=columns_of,
    batch=st.integers(1, 22),
    spare=st.none() | st.integers(0, 2),
    layout=st.sampled_from(["physnet", "masked"]),
    without=st.sets(st.sampled_from(["F_pack.f32", "E.f64", "Qtot.f64"])),
)
def test_batches_are_those_of_numpy(
    sizes: list[int],
    columns: dict[str, Column],
    batch: int,
    spare: int | None,
    layout: str,
    without: set[str],
) -> None:
    arrays, values = naive.content(sizes, seed=len(sizes)), values_of(columns, sizes)
    for name in without:
        del arrays[name]
    num_atoms = None if spare is None else max(sizes) + spare
    with tempfile.TemporaryDirectory() as folder:
        records = PackedMolecules(write(Path(folder), arrays, columns, values), num_atoms, pairs="none")
        graph = fl.rows(records) >> fl.batch(batch, layout=layout)
        found = batches_of(graph)
        table, every = records.open(), np.arange(len(sizes))
        if num_atoms is not None:
            assert records.fields(layout) == table.fields(layout, every)
        table.close()
    for start, one in zip(range(0, len(sizes), batch), found, strict=True):
        rows = range(len(sizes))[start : start + batch]
        slots = num_atoms or max(sizes[start : start + batch])
        same(one, wanted_of(arrays, columns, values, rows, slots, layout))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "set", naive.content(SIZES), COLUMNS, values_of(COLUMNS, SIZES))


def test_shuffled_batches_of_any_number_of_workers_are_alike(folder: Path) -> None:
    graph = fl.rows(PackedMolecules(folder)) >> fl.shuffle() >> fl.bucket(4) >> fl.batch(2)
    one, two = (batches_of(graph, seed=3, cpus=cpus) for cpus in (1, 2))
    for left, right in zip(one, two, strict=True):
        same(left, right)
    assert len({batch["gap"][0] for batch in one}) == 3


@pytest.mark.parametrize("num_atoms", [None, 6])
def test_what_is_selected_is_there_and_nothing_else(folder: Path, num_atoms: int | None) -> None:
    records = PackedMolecules(folder, num_atoms, pairs="none", select=("charges", "E"))
    (batch,) = batches_of(fl.rows(records) >> fl.batch(9, layout="masked"))
    assert sorted(batch) == ["E", "R", "Z", "charges", "mask"]
    all_of_it = fl.rows(PackedMolecules(folder, num_atoms, pairs="none")) >> fl.batch(9, layout="masked")
    (every,) = batches_of(all_of_it)
    for key, array in batch.items():
        np.testing.assert_array_equal(array, every[key], err_msg=key)


def test_what_is_not_selected_is_not_looked_at(folder: Path) -> None:
    (folder / "gap.f64").write_bytes(np.full(len(SIZES), np.nan).tobytes())
    (folder / "F_pack.f32").write_bytes(np.full(3 * sum(SIZES), np.nan, np.float32).tobytes())
    records = PackedMolecules(folder, check_values=True, select=["E"])
    assert len(batches_of(fl.rows(records) >> fl.batch(4))) == 2
    with pytest.raises(DataError, match=r"F_pack\.f32, molecule 0, atom 0"):
        PackedMolecules(folder, check_values=True).open()


def test_an_unknown_selection_lists_what_there_is(folder: Path) -> None:
    with pytest.raises(GraphError, match=r"select has 'dipol'; .*set has F, E, Qtot, dipole, spin, gap"):
        PackedMolecules(folder, select=("dipol",)).open()
    with pytest.raises(GraphError, match="select is 'E'; wanted names"):
        PackedMolecules(folder, select="E")


@pytest.mark.parametrize("num_atoms", [None, 6])
@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("dipole", 2 * 3 + 1, np.nan, r"dipole\.f32, molecule 2, byte 28: not finite; found nan"),
        ("gap", 2, np.inf, r"gap\.f64, molecule 2, byte 16: not finite; found inf"),
        ("charges", 5, -np.inf, r"charges\.f32, molecule 2, atom 1, byte 20: not finite; found -inf"),
        ("quadrupole", 50, np.nan, r"quadrupole\.f64, molecule 2, atom 1, byte 400: not finite"),
        ("fixed", 4, 2, r"fixed\.bool, molecule 2, atom 0, byte 4: no truth; found 2; wanted 0 or 1"),
    ],
)
def test_a_bad_number_is_named_or_skipped(
    folder: Path, num_atoms: int | None, name: str, place: int, value: float, message: str
) -> None:
    file = folder / COLUMNS[name].file(name)
    dtype = np.uint8 if COLUMNS[name].dtype == "bool" else COLUMNS[name].dtype
    numbers = np.fromfile(file, dtype)
    numbers[place] = value
    file.write_bytes(numbers.tobytes())
    graph = fl.rows(PackedMolecules(folder, num_atoms)) >> fl.batch(2)
    with pytest.raises(DataError, match=message):
        batches_of(graph)
    skipped = fl.rows(PackedMolecules(folder, num_atoms)) >> fl.batch(2, on_error="skip")
    with skipped.iterate() as run:
        found = [batch["N"].tolist() for batch in run]
    assert found == [[3, 1], [2, 4], [4]]
    assert sum(run.stats().stages["batch"].dropped.values()) == 1


def test_files_and_manifest_agree(folder: Path) -> None:
    (folder / "gap.f64").write_bytes(bytes(40))
    with pytest.raises(DataError, match=r"gap\.f64: wrong file size; found 40 bytes; wanted 48 bytes"):
        PackedMolecules(folder).open()
    (folder / "gap.f64").unlink()
    with pytest.raises(NoDataError, match=r"gap\.f64: no such file"):
        PackedMolecules(folder).open()


def test_forces_are_absent_only_where_the_manifest_says_so(tmp_path: Path) -> None:
    arrays = naive.content(SIZES)
    forces = arrays.pop("F_pack.f32")
    path = naive.write(tmp_path / "set", arrays)
    with pytest.raises(NoDataError, match=r"F_pack\.f32: no such file"):
        PackedMolecules(path).open()
    (path / "meta.json").write_text('{"without": ["F"]}')
    (batch,) = batches_of(fl.rows(PackedMolecules(path)) >> fl.batch(6))
    assert "F" not in batch
    (path / "F_pack.f32").write_bytes(forces.tobytes())
    with pytest.raises(DataError, match=r"F_pack\.f32: a file too many; .*meta\.json says .* without F"):
        PackedMolecules(path).open()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"meta\.json: no JSON"),
        ("[" * 100_000, r"meta\.json: no JSON"),
        ("[]", r"meta\.json: no manifest; found list"),
        ('{"columns": []}', r"meta\.json, columns: no manifest; found list"),
        ('{"without": ["R"]}', r"meta\.json, without: no manifest; found \['R'\]; wanted a list of E and F"),
        ('{"columns": {"x": 3}}', r"column 'x': no column; found int"),
        ('{"columns": {"x": {"per": "atom"}}}', r"column 'x': no column; found \['per'\]"),
        ('{"columns": {"x": {"per": "pair", "shape": [], "dtype": "bool"}}}', "per is 'pair'"),
        ('{"columns": {"x": {"per": "atom", "shape": 3, "dtype": "bool"}}}', "shape 3"),
        ('{"columns": {"x": {"per": "atom", "shape": [0], "dtype": "bool"}}}', r"shape is \[0\]"),
        ('{"columns": {"x": {"per": "atom", "shape": [true], "dtype": "bool"}}}', r"shape is \[True\]"),
        ('{"columns": {"x": {"per": "atom", "shape": [9999999, 9], "dtype": "bool"}}}', "of at most"),
        ('{"columns": {"x": {"per": "atom", "shape": [], "dtype": "object"}}}', "dtype is 'object'"),
        ('{"columns": {"x": {"per": "atom", "shape": [], "dtype": ["bool"]}}}', "dtype|unhashable"),
        (
            '{"columns": {"x": {"per": "atom", "shape": [2], "dtype": "float32", "kind": "vector"}}}',
            "a vector",
        ),
        ('{"columns": {"x": {"per": "atom", "shape": [3], "dtype": "int8", "kind": "vector"}}}', "a vector"),
        ('{"columns": {"x": {"per": "atom", "shape": [], "dtype": "bool", "unit": 3}}}', "unit is 3"),
        ('{"columns": {"x": {"per": "atom", "shape": [], "dtype": "bool", "kind": "q"}}}', "kind is 'q'"),
        ('{"columns": {"../x": {"per": "atom", "shape": [], "dtype": "bool"}}}', "wanted a name of letters"),
        ('{"columns": {"Qtot": {"per": "atom", "shape": [], "dtype": "bool"}}}', "something else of a batch"),
        ('{"columns": {"e": {"per": "atom", "shape": [], "dtype": "float64"}}}', "something else of a batch"),
        ('{"columns": {"cell": {"per": "molecule", "shape": [3, 3], "dtype": "float32"}}}', "stands alone"),
    ],
)
def test_a_manifest_that_cannot_be_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = naive.write(tmp_path / "set", naive.content(SIZES))
    (path / "meta.json").write_text(text)
    with pytest.raises(DataError, match=message):
        PackedMolecules(path).open()


def test_memory_counts_columns(folder: Path) -> None:
    def given(**how: Any) -> dict[str, int]:
        return (fl.rows(PackedMolecules(folder, 6, pairs="none", **how)) >> fl.batch(1000)).memory()

    assert sum(given().values()) > sum(given(select=("E",)).values()) > 0


def test_other_keys_of_the_manifest_are_for_people(tmp_path: Path) -> None:
    path = naive.write(tmp_path / "set", naive.content(SIZES))
    (path / "meta.json").write_text('{"made_by": "somebody", "units": {"energy": "eV"}}')
    assert PackedMolecules(path).columns == {}
    assert len(PackedMolecules(path).open()) == len(SIZES)
