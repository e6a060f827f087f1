"""Packed molecules and games whose files were damaged, read by every kernel that finds its way by them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.games.packed import PackedGames
from flowload.formats.games.table import GamesTable
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.table import MoleculeTable
from flowload.kernels._jit import CHECKED
from tests.formats.molecules import packs as small
from tests.fuzz.inputs.mutate import mutants
from tests.stages.fakes import FakeCall

ROOT = Path(__file__).parents[2]
SEED = 11
HEADER = 128  #: bytes of a .npy file before its numbers

Files = Mapping[str, bytes]


def packed_molecules(folder: Path) -> Files:
    """A folder of molecules that names their groups, too."""
    content = small.content(np.random.default_rng(0).integers(1, 12, 40).tolist())
    small.write(folder, {**content, "groups.npy": np.arange(40) // 4})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def packed_games(folder: Path) -> Files:
    """Positions with the games that they are of."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (60, 32), np.uint8)
    rows[:, 24:] = 0
    np.save(folder / "a_bits.npy", rows)
    firsts = np.arange(0, 60, 6, dtype=np.uint64)
    np.save(folder / "a_games.npy", np.stack([firsts, rng.integers(0, 2**63, 10, np.uint64)], axis=1))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_molecules(folder: Path) -> None:
    """Through every way that leads to a kernel."""
    for slots in (None, 12):
        table = PackedMolecules(folder, num_atoms=slots, pairs="real", cutoff=2.0, too_large="drop").open()
        try:
            look(table, FakeCall(on_error="skip"))
        finally:
            table.close()


def look(table: MoleculeTable, call: FakeCall) -> None:
    """Read all molecules of a table."""
    everything = np.arange(len(table))
    table.most("physnet", 4)
    for by in table.groups:
        table.group(by, everything)
    table.sizes(everything)
    rows = table.usable(everything[::-1].copy(), call)
    if not len(rows):
        return
    table.padding(rows)
    fields = table.fields("physnet", rows)
    out = {key: np.empty((len(rows), *shape), dtype) for key, (shape, dtype) in fields.items()}
    table.write("physnet", rows, out, call)
    assert np.isfinite(out["R"]).all()


def read_games(folder: Path) -> None:
    """All rows, and the games that they are of."""
    table = PackedGames(folder).open()
    assert isinstance(table, GamesTable)
    try:
        rows = np.arange(len(table))[::-1].copy()
        table.group("game", rows)
        fields = table.fields("onehot", rows)
        out = {key: np.empty((len(rows), *shape), dtype) for key, (shape, dtype) in fields.items()}
        table.write("onehot", rows, out, FakeCall())
    finally:
        table.close()


KINDS = [(packed_molecules, read_molecules), (packed_games, read_games)]


@pytest.mark.parametrize(("make", "read"), KINDS)
def test_damaged_files_are_read_or_named(
    tmp_path: Path, fuzz_count: int, make: Callable[[Path], Files], read: Callable[[Path], Any]
) -> None:
    files = make(tmp_path)
    read(tmp_path)
    each, named = max(20, fuzz_count // len(files)), list[str]()
    for number, (name, content) in enumerate(files.items()):
        for damaged in mutants(content, count=each, seed=SEED + number, first=HEADER):
            (tmp_path / name).write_bytes(damaged)
            try:
                read(tmp_path)
            except DataError as error:
                named.append(error.where)
        (tmp_path / name).write_bytes(content)
    assert len(named) > each
    assert all(str(tmp_path) in where for where in named)


@pytest.mark.parametrize("name", ["offsets.npy", "n_atoms.npy"])
def test_wild_numbers_are_refused(tmp_path: Path, fuzz_count: int, name: str) -> None:
    """Not bytes but numbers: each of the values that overflow somewhere, at each place."""
    packed_molecules(tmp_path)
    right = np.load(tmp_path / name)
    limits = np.iinfo(right.dtype)
    wild = [limits.min, limits.min + 1, -1, 0, 10**6, limits.max - 1, limits.max]
    for place in range(0, len(right), max(1, len(right) * len(wild) // fuzz_count)):
        for value in wild:
            array = right.copy()
            array[place] = value
            np.save(tmp_path / name, array)
            if (array == right).all():
                continue
            with pytest.raises(DataError):
                read_molecules(tmp_path)


@pytest.mark.hammer  # kernels are compiled anew
def test_the_same_with_every_index_checked(fuzz_count: int) -> None:
    """In a process of its own: what kernels read and write are bytes of the arrays that they are given."""
    if CHECKED:
        pytest.skip("this is that process")
    asked = ("--hammers", "all", "--fuzz", str(max(50, fuzz_count // 4)))
    command = [sys.executable, "-m", "pytest", "-q", "-x", __file__, *asked]
    how = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=how, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" in done.stdout
