"""Which arrays a group has, what they are called, and what stale consolidated metadata do."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.recordings.recording import recording
from flowload.formats.rows.zarr import ZarrRows
from flowload.formats.zarr.members import array_keys, key_of
from tests.formats.recordings.made import numbers, write_array, zipped
from tests.formats.rows.oracle import read

Version = Literal[2, 3]


@pytest.fixture
def group(request: pytest.FixtureRequest, tmp_path: Path) -> zarr.Group:
    """Of one version, with two arrays."""
    made = zarr.open_group(str(tmp_path / "x" / "g"), mode="w", zarr_format=request.param)
    add(made, "x", 1)
    add(made, "y", 2)
    return made


both = pytest.mark.parametrize("group", [2, 3], indirect=True)


def add(group: zarr.Group, name: str, value: int, rows: int = 6) -> None:
    group.create_array(name, shape=(rows,), chunks=(3,), dtype="f4")[:] = value


def consolidate(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not part of version 3 yet
        zarr.consolidate_metadata(str(path))


def first_rows(location: Any, **how: Any) -> dict[str, float]:
    table = ZarrRows(location, **how).open()
    found = {key: float(array[0]) for key, array in read(table, [0]).items()}
    table.close()
    return found


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_names_with_dots_stay_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    for value, name in enumerate(["a.energy", "a.dipole", "b.energy", "c"], 1):
        add(group, name, value)
    assert first_rows(tmp_path / "g") == {"a.dipole": 2, "a.energy": 1, "b.energy": 3, "c": 4}
    assert told(caplog) == []


def test_names_that_would_be_one_stay_whole_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    for value, name in enumerate(["a", "a.zarr", "b.zarr"], 1):
        add(group, name, value)
    assert first_rows(tmp_path / "g") == {"a": 1, "a.zarr": 2, "b": 3}
    assert told(caplog) == [
        f"{tmp_path}/g: 'a', 'a.zarr' keep their whole names: without .zarr two would be one"
    ]


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["a.zarr"], ["a"]),
        (["a", "b.c.zarr"], ["a", "b.c"]),
        ([".zarr"], [".zarr"]),
        (["a.zarr", "a.zarr.zarr"], ["a", "a.zarr"]),
        (["a.zarr.zarr", "a.zarr", "a"], ["a.zarr.zarr", "a.zarr", "a"]),
        (["a", "a.zarr", "a.zarr.zarr", "b.zarr"], ["a", "a.zarr", "a.zarr.zarr", "b.zarr"]),
    ],
)
def test_no_two_keys_are_one(names: list[str], keys: list[str]) -> None:
    assert array_keys(names, "g") == keys
    assert key_of("a.b.zarr") == "a.b"


def test_an_array_by_itself_keeps_its_name(tmp_path: Path) -> None:
    for name in ("a.energy", "a.energy.zarr"):
        write_array(tmp_path / name, numbers((6,)), (3,))
        assert list(first_rows(tmp_path / name)) == ["a.energy"]
    (key,) = recording(tmp_path / "a.energy.zarr", 3).open().arrays()
    assert key == "a.energy"


@pytest.mark.parametrize("name", ["start", "recording"])
def test_no_array_of_windows_takes_the_name_of_a_number(name: str, tmp_path: Path) -> None:
    write_array(tmp_path / f"{name}.zarr", numbers((6, 2)), (3, 2))
    with pytest.raises(GraphError, match=f"no array can be called '{name}'"):
        fl.windows({name: tmp_path / f"{name}.zarr"}, 3)
    with fl.windows(tmp_path / f"{name}.zarr", 3).iterate() as run:
        assert next(run)["timeseries"].shape == (3, 2)


@both
def test_arrays_that_came_after_consolidation_are_read_and_told(
    group: zarr.Group, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x/g"
    consolidate(path)
    assert list(first_rows(path)) == ["x", "y"]
    assert told(caplog) == []
    add(zarr.open_group(str(path), mode="a", use_consolidated=False), "z", 3)
    assert first_rows(path) == {"x": 1, "y": 2, "z": 3}
    assert told(caplog) == [f"{path}: its consolidated metadata are stale: they hide 'z'; read all the same"]
    assert first_rows(zipped(tmp_path / "x") / "g") == {"x": 1, "y": 2, "z": 3}


@both
def test_arrays_that_went_after_consolidation_are_an_error(group: zarr.Group, tmp_path: Path) -> None:
    path = tmp_path / "x/g"
    consolidate(path)
    shutil.rmtree(path / "y")
    with pytest.raises(DataError, match=r"g/y: no zarr array; .* consolidated metadata list; consolidate"):
        ZarrRows(path).open()
    assert first_rows(path, arrays="x") == {"x": 1}


@both
def test_an_array_that_grew_after_consolidation_is_read_as_it_is(
    group: zarr.Group, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x/g"
    consolidate(path)
    for name in "xy":
        array = zarr.open_array(str(path / name), mode="a")
        array.resize((9,))
        array[:] = 5
    table = ZarrRows(path).open()
    assert len(table) == 9
    assert read(table, [8])["x"].tolist() == [5]
    assert told(caplog) == [
        f"{path}: its consolidated metadata are stale: another shape of 'x', 'y'; the array's own is read"
    ]


@both
def test_groups_inside_are_not_read_and_that_is_told(
    group: zarr.Group, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(group.create_group("inner"), "deep", 3)
    path = tmp_path / "x/g"
    (path / "notes").mkdir()
    (path / "README").write_text("no array")
    assert list(first_rows(path)) == ["x", "y"]
    assert told(caplog) == [
        f"{path}: only its own arrays are read, not those of its groups 'inner'; "
        "name them, such as 'inner/NAME'"
    ]
    assert first_rows(path, arrays={"deep": "inner/deep"}) == {"deep": 3}


@both
def test_a_store_that_cannot_list_is_read_by_its_consolidated_metadata(
    group: zarr.Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consolidate(tmp_path / "x/g")
    monkeypatch.setattr("zarr.storage.LocalStore.supports_listing", False)
    assert first_rows(tmp_path / "x/g") == {"x": 1, "y": 2}


NO_COPIES = ["[]", '{"metadata": []}', '{"metadata": 3}', "null", '{"metadata": {"x/.zarray": 1}}', "{"]


@pytest.mark.parametrize("found", NO_COPIES)
def test_consolidated_metadata_that_are_none(found: str, tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w", zarr_format=2)
    add(group, "x", 1)
    (tmp_path / "g/.zmetadata").write_text(found)
    if "x/.zarray" in found:
        assert first_rows(tmp_path / "g") == {"x": 1}
        return
    with pytest.raises(DataError, match="bad zarr metadata"):
        ZarrRows(tmp_path / "g").open()


def test_a_member_that_is_damaged_is_named(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    add(group, "x", 1)
    add(group, "y", 1)
    (tmp_path / "g/y/zarr.json").write_text("{")
    with pytest.raises(DataError, match=r"g/y/zarr\.json: bad zarr metadata"):
        ZarrRows(tmp_path / "g").open()


def test_members_of_another_kind_are_named(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w", zarr_format=2)
    add(group, "x", 1)
    kinds: dict[str, dict[str, Any]] = {
        "scalar": {"shape": (), "dtype": "f4"},
        "text": {"shape": (6,), "dtype": "U3"},
        "record": {"shape": (6,), "dtype": [("a", "f4"), ("b", "i2")]},
    }
    for name, kind in kinds.items():
        group.create_array(name, **kind)
        with pytest.raises(DataError, match=rf"{name}: no array of numbers .* name the arrays that are"):
            ZarrRows(tmp_path / "g").open()
        assert first_rows(tmp_path / "g", arrays="x") == {"x": 1}
        shutil.rmtree(tmp_path / "g" / name)


def test_a_group_of_nothing_is_told(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "g"), mode="w").create_group("inner")
    with pytest.raises(NoDataError, match=r"no zarr array; found none; wanted at least one"):
        ZarrRows(tmp_path / "g").open()
    (tmp_path / "g/zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "heap"}))
    with pytest.raises(DataError, match="g"):
        ZarrRows(tmp_path / "g").open()


def test_a_group_of_too_many_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    for name in "abcd":
        add(group, name, 1)
    monkeypatch.setattr("flowload.formats.zarr.members.MOST", 3)
    with pytest.raises(DataError, match="large group; found more; wanted at most 3 names; say which"):
        ZarrRows(tmp_path / "g").open()
    assert np.isclose(first_rows(tmp_path / "g", arrays="a")["a"], 1)
