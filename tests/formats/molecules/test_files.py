"""Whatever is wrong with a folder is an error that names the file, what was found, and what was wanted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, NoDataError
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules import packs as naive


def damaged(tmp_path: Path, change: Callable[[naive.Content], object]) -> PackedMolecules:
    arrays = naive.content([3, 1, 4])
    change(arrays)
    return PackedMolecules(naive.write(tmp_path / "set", arrays))


@pytest.mark.parametrize(
    ("name", "size", "wanted"),
    [
        ("Z_pack.int32", 31, 32),
        ("Z_pack.int32", 36, 32),
        ("R_pack.f32", 84, 96),
        ("R_pack.f32", 108, 96),
        ("F_pack.f32", 0, 96),
        ("E.f64", 16, 24),
        ("Qtot.f64", 32, 24),
    ],
)
def test_a_wrong_size_is_told_in_bytes(tmp_path: Path, name: str, size: int, wanted: int) -> None:
    records = damaged(tmp_path, lambda arrays: None)
    (tmp_path / "set" / name).write_bytes(bytes(size))
    message = rf"{name}: wrong file size; found {size} bytes; wanted {wanted} bytes"
    with pytest.raises(DataError, match=message):
        records.open()


@pytest.mark.parametrize("name", [name for name in naive.FILES if name != "Qtot.f64"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    records = damaged(tmp_path, lambda arrays: arrays.pop(name))
    with pytest.raises(NoDataError, match=rf"{name}: no such file"):
        records.open()


@pytest.mark.parametrize(
    ("offsets", "lengths", "message"),
    [
        (
            [0, 3, 2, 8],
            [3, 1, 4],
            r"molecule 1: offsets fall; found offsets 3 and 2: -1 atoms; wanted the 1 at",
        ),
        (
            [0, 3, 5, 8],
            [3, 1, 4],
            r"molecule 1: offsets do not fit; found offsets 3 and 5: 2 atoms; wanted the 1",
        ),
        ([1, 3, 4, 8], [3, 1, 4], r"offsets.npy: offsets do not begin at 0; found 1; wanted 0"),
        ([0, 3, 4, 9], [3, 1, 4], r"molecule 2: offsets do not fit; found offsets 4 and 9: 5 atoms"),
        ([0, 3, 4, 4], [3, 1, 0], r"molecule 2: molecule without atoms; .* wanted at least one atom"),
        ([0, 3, 4], [3, 1, 4], r"offsets.npy: arrays do not fit; found 3 offsets; wanted 4, one more"),
        ([0, 3, 4, 8], [3, 1], r"found 4 offsets; wanted 3, one more than n_atoms.npy has"),
        ([0, 2**62, 2**62 + 1, 8], [3, 1, 4], r"molecule 0: offsets do not fit"),
    ],
)
def test_offsets_that_do_not_fit(
    tmp_path: Path, offsets: list[int], lengths: list[int], message: str
) -> None:
    def change(arrays: naive.Content) -> None:
        arrays["offsets.npy"] = np.array(offsets, np.int64)
        arrays["n_atoms.npy"] = np.array(lengths, np.int32)

    with pytest.raises(DataError, match=message):
        damaged(tmp_path, change).open()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "offsets.npy",
            np.array([0, 3, 4, 8], np.int32),
            r"offsets.npy: array of another kind; found int32\[4\]",
        ),
        ("offsets.npy", np.array([[0, 3, 4, 8]]), r"found int64\[1, 4\]; wanted int64\[N\]"),
        ("offsets.npy", np.array([0, 3, 4, 8], ">i8"), r"found >i8\[4\]"),
        (
            "n_atoms.npy",
            np.array([3, 1, 4]),
            r"n_atoms.npy: array of another kind; found int64\[3\]; wanted int32",
        ),
        ("n_atoms.npy", np.array([3.0, 1, 4]), r"found float64\[3\]"),
        ("n_atoms.npy", np.array([3, 1, None], object), r"n_atoms.npy: array of another kind; found object"),
        ("groups.npy", np.array([0.5, 1, 2]), r"groups.npy: array of another kind; found float64\[3\]"),
        (
            "groups.npy",
            np.array([0, 1]),
            r"groups.npy: array of another kind; found int64\[2\]; wanted integers\[3\]",
        ),
    ],
)
def test_another_kind_of_array(
    tmp_path: Path, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        damaged(tmp_path, lambda arrays: arrays.update({name: array})).open()


@pytest.mark.parametrize("keep", [0, 5, 60, 130])
def test_a_truncated_array(tmp_path: Path, keep: int) -> None:
    records = damaged(tmp_path, lambda arrays: None)
    file = tmp_path / "set" / "offsets.npy"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"offsets.npy: "):
        records.open()


def test_no_molecules_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"set: no molecules; found N = 0; wanted at least one"):
        PackedMolecules(naive.write(tmp_path / "set", naive.content([]))).open()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="no folder of packed molecules"):
        PackedMolecules(tmp_path / "nothing").open()


def test_an_error_names_its_stage(tmp_path: Path) -> None:
    graph = fl.rows(
        PackedMolecules(tmp_path / "nothing"),
    ) >> fl.batch(4)
    with pytest.raises(NoDataError) as caught, graph.iterate() as batches:
        next(iter(batches))
    assert "in stage 'rows'" in caught.value.__notes__[0]


BIG = """
import sys, time
import numpy as np
from flowload.formats.molecules.packed import PackedMolecules

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

PackedMolecules(sys.argv[1]).open()  # loads the kernels
before, began = anonymous(), time.process_time()  # whatever else the machine does
table = PackedMolecules(sys.argv[2]).open()
print(len(table), time.process_time() - began, anonymous() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells anonymous memory")
def test_two_million_molecules_open_in_no_time_and_take_memory_for_their_offsets_alone(
    tmp_path: Path,
) -> None:
    small = naive.write(tmp_path / "small", naive.content([3, 1]))
    large, count = tmp_path / "large", 2_000_000
    large.mkdir()
    np.save(large / "offsets.npy", 20 * np.arange(count + 1))
    np.save(large / "n_atoms.npy", np.full(count, 20, np.int32))
    for name, row in (("Z_pack.int32", 80), ("R_pack.f32", 240), ("F_pack.f32", 240), ("E.f64", 8)):
        with (large / name).open("wb") as file:
            file.truncate(row * count)  # holes: they take no space
    command = [sys.executable, "-c", BIG, str(small), str(large)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    found, seconds, kilobytes = done.stdout.split()
    assert int(found) == count
    assert float(seconds) < 1.0
    assert int(kilobytes) < 8 * count // 1024 + 4_000
