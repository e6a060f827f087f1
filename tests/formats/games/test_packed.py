from __future__ import annotations

import multiprocessing
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.record_powers import Grouped
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.games.pack import pack_games
from flowload.formats.games.packed import PackedGames
from flowload.formats.games.table import GamesTable
from flowload.testing.call import PlainCall
from tests.formats.games.on_disk import Arrays, naive_arrays, read_all, write_games

Save = Callable[[Path, np.ndarray[Any, Any]], object]


def save_raw(path: Path, array: np.ndarray[Any, Any]) -> None:
    """A headerless dump."""
    path.write_bytes(array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bit-packed games."""
    folder = tmp_path_factory.mktemp("packed")
    write_games(folder / "raw")
    pack_games(folder / "raw", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def samples(packed: Path) -> Arrays:
    return naive_arrays(sorted((packed.parent / "raw").iterdir()))


def write(folder: Path, inputs: Any, outputs: Any, save: Save = np.save) -> Path:
    """A published pair; its prefix."""
    save(folder / "x_inputs.npy", inputs)
    save(folder / "x_outputs.npy", outputs)
    return folder / "x"


def test_it_keeps_the_agreements(packed: Path) -> None:
    records = PackedGames(packed)
    assert isinstance(records, LayoutRecords)
    table = records.open()
    assert isinstance(table, LayoutTable)
    assert isinstance(table, Grouped)
    assert pickle.loads(pickle.dumps(records)) == records
    assert records.fields("onehot") == table.fields("onehot", np.arange(3))
    assert table.describe(7) == f"{packed}/positions_bits.npy, row 7"
    table.close()


@pytest.mark.parametrize(
    ("inputs", "outputs", "save"),
    [
        ("uint8", "uint8", np.save),
        ("uint8", "int64", np.save),
        ("float32", "int64", np.save),
        ("float32", "uint8", np.save),
        ("uint8", "uint8", save_raw),
    ],
)
def test_published_pairs_are_read(
    samples: Arrays, tmp_path: Path, inputs: str, outputs: str, save: Save
) -> None:
    prefix = write(tmp_path, samples[0].astype(inputs), samples[1].astype(outputs), save)
    for path in (prefix, str(prefix), tmp_path, tmp_path / "x_inputs.npy"):
        found = read_all(PackedGames(path))
        np.testing.assert_array_equal(found[0], samples[0])
        np.testing.assert_array_equal(found[1], samples[1])


@pytest.mark.slow
def test_a_dump_beside_a_real_file(samples: Arrays, tmp_path: Path) -> None:
    np.save(tmp_path / "x_inputs.npy", samples[0])
    save_raw(tmp_path / "x_outputs.npy", samples[1])
    np.testing.assert_array_equal(read_all(PackedGames(tmp_path))[1], samples[1])


GOOD = np.zeros((10, 193), np.uint8), np.ones(10, np.uint8)


@pytest.mark.parametrize(
    ("inputs", "outputs", "save", "said"),
    [
        (GOOD[0][:, 1:], GOOD[1], np.save, r"x_inputs\.npy: .*found uint8\[10, 192\]; wanted .*\[N, 193\]"),
        (GOOD[0][0], GOOD[1], np.save, r"found uint8\[193\]"),
        (GOOD[0].astype(">f4"), GOOD[1], np.save, r"found >f4\[10, 193\]; wanted uint8 or float32"),
        (GOOD[0].astype("float64"), GOOD[1], np.save, "found float64"),
        (np.array(1, np.uint8), GOOD[1], np.save, r"found uint8\[\]"),
        (GOOD[0], GOOD[1][:9], np.save, r"x_outputs\.npy: .*found uint8\[9\]; wanted uint8 or int64\[10\]"),
        (GOOD[0], GOOD[1].astype("int32"), np.save, r"found int32\[10\]; wanted uint8 or int64"),
        (GOOD[0], GOOD[1][:9], save_raw, r"found uint8\[9\]; wanted uint8 or int64\[10\]"),
        (
            GOOD[0].ravel()[:-1],
            GOOD[1],
            save_raw,
            r"x_inputs\.npy: wrong file size; found 1929 bytes; wanted .*1930",
        ),
    ],
)
def test_pairs_that_do_not_fit_are_refused(
    tmp_path: Path, inputs: Any, outputs: Any, save: Save, said: str
) -> None:
    write(tmp_path, inputs, outputs, save)
    with pytest.raises(DataError, match=said):
        PackedGames(tmp_path).open()


def test_a_missing_half_is_said(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    (tmp_path / "x_outputs.npy").unlink()
    with pytest.raises(NoDataError, match=r"x_outputs\.npy: no such file"):
        PackedGames(tmp_path).open()


@pytest.mark.parametrize("save", [np.save, save_raw])
def test_no_rows_are_said(tmp_path: Path, save: Save) -> None:
    write(tmp_path, GOOD[0][:0], GOOD[1][:0], save)
    with pytest.raises(NoDataError, match=r"x_inputs\.npy: no positions; found 0 rows"):
        PackedGames(tmp_path).open()


def test_nothing_and_several_are_said(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"no packed games; wanted a file \*_bits\.npy or \*_inputs\.npy"):
        PackedGames(tmp_path).open()
    with pytest.raises(
        NoDataError, match=r"gone: no packed games; wanted gone_bits\.npy or gone_inputs\.npy"
    ):
        PackedGames(tmp_path / "gone").open()
    for name in ("a", "b"):
        (tmp_path / f"{name}_bits.npy").write_bytes((packed / "positions_bits.npy").read_bytes())
    with pytest.raises(DataError, match=r"several packings; found a, b; wanted one, such as .*/a"):
        PackedGames(tmp_path).open()
    assert len(PackedGames(tmp_path / "b").open()) == len(PackedGames(tmp_path / "a_bits.npy").open())


def test_packed_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    for array in (np.zeros((3, 25), np.uint8), np.zeros(32, np.uint8), np.zeros((3, 32), np.int8)):
        np.save(tmp_path / "x_bits.npy", array)
        with pytest.raises(DataError, match=r"x_bits\.npy: array of another kind; .*wanted uint8"):
            PackedGames(tmp_path).open()
    (tmp_path / "x_bits.npy").write_bytes(bytes(64))
    with pytest.raises(DataError, match=r"no \.npy file"):
        PackedGames(tmp_path).open()


def test_a_cut_file_is_told_with_both_sizes(packed: Path, tmp_path: Path) -> None:
    data = (packed / "positions_bits.npy").read_bytes()
    (tmp_path / "x_bits.npy").write_bytes(data[:-5])
    with pytest.raises(DataError, match=f"found {len(data) - 5} bytes; wanted {len(data)} bytes"):
        PackedGames(tmp_path).open()


@pytest.mark.parametrize(
    ("firsts", "said"),
    [
        ([1, 5], "game 0: .*found 1, 5"),
        ([0, 5, 5, 6], "game 1: .*found 5, 5"),
        ([0, 5, 10], "game 2: .*found 10, 10"),
        ([0, 5, 2**64 - 1], "game 2: "),
        ([], "game 0: .*found 10"),
    ],
)
def test_first_rows_of_games_that_do_not_fit(tmp_path: Path, firsts: list[int], said: str) -> None:
    write(tmp_path, *GOOD)
    np.save(tmp_path / "x_games.npy", np.array([[first, 9] for first in firsts], np.uint64).reshape(-1, 2))
    with pytest.raises(DataError, match=f"{said}.*wanted rising numbers from 0, below 10"):
        PackedGames(tmp_path).open()


def test_a_row_with_no_outcome_is_named(packed: Path, tmp_path: Path) -> None:
    outputs = GOOD[1].copy()
    outputs[6] = 3
    write(tmp_path, GOOD[0], outputs)
    with pytest.raises(
        DataError, match=r"x_inputs\.npy, row 6: bad position; found outcome 3; wanted .* 0, 1 or 2"
    ):
        read_all(PackedGames(tmp_path))
    rows = np.load(packed / "positions_bits.npy")
    rows[11, 30] = 1
    (tmp_path / "bits").mkdir()
    np.save(tmp_path / "bits" / "x_bits.npy", rows)
    with pytest.raises(DataError, match=r"row 11: bad position; found turn and outcome .* 00 01 00"):
        read_all(PackedGames(tmp_path / "bits"))


def test_bad_rows_can_be_skipped(tmp_path: Path) -> None:
    outputs = GOOD[1].copy()
    outputs[6] = 3
    graph = fl.rows(PackedGames(write(tmp_path, GOOD[0], outputs))) >> fl.batch(4, on_error="skip")
    with graph.iterate() as run:
        assert [len(batch["outputs"]) for batch in run] == [4, 4, 1]
        assert run.stats().stages["batch"].dropped == {"bad position": 1}


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        *(("uint8", value) for value in (2, 255)),
        *(("float32", value) for value in (2, -1, 0.5, np.nan, np.inf)),
    ],
)
@pytest.mark.parametrize("size", [10, 4096])
def test_features_are_0_and_1(tmp_path: Path, dtype: str, value: float, size: int) -> None:
    """Both ways of writing a batch: through the caches, and past them."""
    inputs, outputs = np.zeros((size, 193), dtype), np.ones(size, np.uint8)
    inputs[7, 150] = value
    graph = fl.rows(PackedGames(write(tmp_path, inputs, outputs))) >> fl.batch(size)
    found = re.escape(f"feature 150 = {inputs[7, 150]}")
    said = rf"x_inputs\.npy, row 7: bad position; found {found}; wanted features of 0 and 1"
    with pytest.raises(DataError, match=said), graph.iterate() as run:
        next(run)


def test_a_split_never_parts_a_game(packed: Path) -> None:
    table = PackedGames(packed).open()
    rows = np.arange(len(table))
    keys = table.group("game", rows)
    starts = np.load(packed / "positions_games.npy")[:, 0]
    own = np.searchsorted(starts, rows, side="right")
    assert len(np.unique(keys)) == len(starts)
    assert all(len(np.unique(keys[own == game])) == 1 for game in np.unique(own))
    parts = fl.rows(PackedGames(packed)) >> fl.split(one=0.5, two=0.5, by="game")
    seen: dict[str, set[bytes]] = {}
    for name in ("one", "two"):
        other = parts.drop("two" if name == "one" else "one") >> fl.batch(16)
        with other.iterate() as run:
            seen[name] = {row.tobytes() for batch in run for row in batch["inputs"]}
    late = {row.tobytes() for row in read_all(PackedGames(packed))[0] if row[128:192].sum() > 20}
    assert late & seen["one"]
    assert late & seen["two"]
    assert not late & seen["one"] & seen["two"]


def test_the_same_game_is_on_one_side_wherever_it_lies(packed: Path, tmp_path: Path) -> None:
    """A key is of the moves alone: not of the file, its name, or the place in it."""
    raw = sorted((packed.parent / "raw").iterdir())
    (tmp_path / "games_z").write_bytes(raw[1].read_bytes() + raw[0].read_bytes() + raw[1].read_bytes())
    pack_games(tmp_path / "games_z", tmp_path / "out")
    one, two = (np.load(folder / "positions_games.npy")[:, 1] for folder in (packed, tmp_path / "out"))
    assert set(one.tolist()) == set(two.tolist())
    assert len(two) > len(one)


def test_without_games_a_split_by_game_says_so(tmp_path: Path) -> None:
    graph = fl.rows(PackedGames(write(tmp_path, *GOOD))) >> fl.split(one=1, two=1, by="game").drop("two")
    with (
        pytest.raises(GraphError, match=r"nobody kept which game a row of .*x_inputs.npy is of"),
        graph.iterate() as run,
    ):
        list(run)


@pytest.mark.slow
def test_it_opens_in_a_spawned_process(packed: Path, samples: Arrays) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(total, (PackedGames(packed),)) == samples[0].sum()


def total(records: PackedGames) -> float:
    return float(read_all(records)[0].sum())


def test_closing_lets_go_of_the_files(packed: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("no list of memory maps here")
    table = PackedGames(packed).open()
    assert str(packed) in Path("/proc/self/maps").read_text()
    table.close()
    assert str(packed) not in Path("/proc/self/maps").read_text()


def test_the_path_may_be_given_as_bytes_of_any_name(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "grüße 1"
    folder.mkdir()
    for path in packed.iterdir():
        os.link(path, folder / path.name)
    assert isinstance(PackedGames(folder).open(), GamesTable)


def test_empty_requests_give_empty_arrays(packed: Path) -> None:
    table = PackedGames(packed).open()
    none = np.empty(0, np.int64)
    out = {key: np.empty((0, *shape), dtype) for key, (shape, dtype) in table.fields("onehot", none).items()}
    assert table.write("onehot", none, out, PlainCall((0, 0), 0)) == {}
    assert len(table.group("game", none)) == 0
