"""pipelines/games.py on the sample that ships with it, and on games of one's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, NoDataError, OptionError
from flowload.formats.games.pack import pack_games
from flowload.graph.pipelines.load import options_of
from tests.formats.games.on_disk import naive_arrays, write_games

ROOT = Path(__file__).parents[2]
GAMES = ROOT / "pipelines" / "games.py"
SPLITS = ("train", "valid", "test")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_games(tmp_path / "raw", files=3, count=12)
    return tmp_path / "raw"


def batches(seed: int = 0, epochs: int = 1, **options: Any) -> Iterator[dict[str, Any]]:
    """Batches of numpy arrays."""
    with fl.load(GAMES, device="cpu", **options).iterate(seed=seed, epochs=epochs) as run:
        for batch in run:
            yield {key: tensor.numpy() for key, tensor in batch.items()}


def rows(**options: Any) -> np.ndarray[Any, Any]:
    """All samples, one row each: features, then the outcome."""
    found = [np.column_stack([batch["inputs"], batch["outputs"]]) for batch in batches(**options)]
    return np.concatenate(found)


def ordered(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same rows, sorted."""
    return array[np.lexsort(array.T)]


@pytest.fixture
def wanted(raw: Path) -> np.ndarray[Any, Any]:
    return np.column_stack(naive_arrays(sorted(raw.iterdir())))


def test_the_options_are_those_that_are_promised() -> None:
    names = {option.name for option in options_of(GAMES)}
    assert {"data", "batch_size", "device", "shuffle", "split", "packed", "packing"} <= names
    assert all(option.help for option in options_of(GAMES))


def test_it_is_a_drawing_without_logic() -> None:
    assert len(GAMES.read_text().splitlines()) <= 80


@pytest.mark.slow
def test_the_whole_sample_comes_without_arguments(tmp_path: Path) -> None:
    got = list(batches(packed=tmp_path))
    assert {key: (array.shape[1:], str(array.dtype)) for key, array in got[0].items()} == {
        "inputs": ((193,), "float32"),
        "outputs": ((), "int64"),
    }
    assert [len(batch["outputs"]) for batch in got[:-1]] == [4096] * (len(got) - 1)
    assert sum(len(batch["outputs"]) for batch in got) == 44_311


@pytest.mark.slow
@pytest.mark.parametrize("packing", ["bits", "uint8", "float32"])
def test_every_row_comes_once_from_any_packing(raw: Path, wanted: Any, packing: str) -> None:
    np.testing.assert_array_equal(rows(data=raw, packing=packing, shuffle=False, batch_size=100), wanted)
    shuffled = rows(data=raw, packing=packing, batch_size=77, seed=3)
    assert not np.array_equal(shuffled, wanted)
    np.testing.assert_array_equal(ordered(shuffled), ordered(wanted))


@pytest.mark.slow
def test_all_packings_give_the_same_batches(raw: Path) -> None:
    one, two, three = (rows(data=raw, packing=packing, seed=5) for packing in ("bits", "uint8", "float32"))
    assert np.array_equal(one, two)
    assert np.array_equal(two, three)


@pytest.mark.slow
def test_the_parts_of_a_split_are_the_whole(raw: Path, wanted: Any) -> None:
    parts = [rows(data=raw, split=split, shuffle=False) for split in SPLITS]
    assert all(len(part) for part in parts)
    np.testing.assert_array_equal(ordered(np.concatenate(parts)), ordered(wanted))
    for split, part in zip(SPLITS, parts, strict=True):
        for seed in (1, 2):  # whatever the seed, the same part
            np.testing.assert_array_equal(ordered(rows(data=raw, split=split, seed=seed)), ordered(part))


def test_late_positions_of_a_split_are_of_its_own_games(raw: Path) -> None:
    late = [
        {row.tobytes() for row in rows(data=raw, split=split) if row[128:192].sum() > 20} for split in SPLITS
    ]
    assert not late[0] & late[1]
    assert not late[0] & late[2]


@pytest.mark.parametrize("split", ["all", "train"])
def test_the_ranks_share_it(raw: Path, wanted: Any, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(data=raw, split=split)
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares.append(rows(data=raw, split=split))
    assert {len(share) for share in shares} == {len(whole) // 3}
    together = np.stack(shares, axis=1).reshape(-1, whole.shape[1])
    np.testing.assert_array_equal(together, whole[: len(together)])


def test_what_is_packed_is_read_as_it_is(raw: Path, wanted: Any, tmp_path: Path) -> None:
    pack_games(raw, tmp_path / "out", layout="uint8")
    for name in ("inputs", "outputs"):  # as they are published: bytes, and nothing else
        array = np.load(tmp_path / "out" / f"positions_{name}.npy")
        (tmp_path / f"x_{name}.npy").write_bytes(array.tobytes())
    np.testing.assert_array_equal(rows(data=tmp_path / "x", shuffle=False), wanted)
    parts = [rows(data=tmp_path / "x", split=split, split_by="row") for split in SPLITS]
    np.testing.assert_array_equal(ordered(np.concatenate(parts)), ordered(wanted))


def test_bad_data_are_said(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="gone: no games"):
        next(batches(data=tmp_path / "gone"))
    (raw / "games_1").write_bytes(bytes([1, 0, 0, 10, 1, 0]))
    with pytest.raises(DataError, match="games_1, byte 2, game 0, ply 0: illegal move"):
        next(batches(data=raw))
    with pytest.raises(OptionError, match="split is 'both'"):
        fl.load(GAMES, split="both")


@pytest.mark.slow
def test_the_drawing_is_the_same_in_every_process() -> None:
    command = [
        sys.executable,
        "-m",
        "flowload.cli",
        "show",
        str(GAMES),
        "--split",
        "valid",
        "--format",
        "json",
    ]
    told = {
        subprocess.run(
            command, cwd=ROOT, env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


@pytest.mark.slow
def test_resumed_in_the_middle_it_goes_on(raw: Path) -> None:
    graph = fl.load(GAMES, data=raw, batch_size=50, split="train", device="cpu")
    with graph.iterate(seed=4, epochs=2) as run:
        whole = [batch["inputs"].numpy().copy() for batch in run]
    with graph.iterate(seed=4, epochs=2) as run:
        for _ in range(5):
            next(run)
        state = run.state_dict()
    with graph.iterate(seed=4, epochs=2, state=state) as run:
        rest = [batch["inputs"].numpy().copy() for batch in run]
    assert len(rest) == len(whole) - 5
    assert all(np.array_equal(one, two) for one, two in zip(whole[5:], rest, strict=True))


@pytest.mark.parametrize("workers", [2, 4])
def test_batches_do_not_depend_on_workers(raw: Path, workers: int) -> None:
    def digest(cpus: int) -> list[bytes]:
        graph = fl.load(GAMES, data=raw, batch_size=50, device="cpu")
        with graph.iterate(seed=1, epochs=2, cpus=cpus) as run:
            return [batch["inputs"].numpy().tobytes() + batch["outputs"].numpy().tobytes() for batch in run]

    assert digest(workers) == digest(1)
