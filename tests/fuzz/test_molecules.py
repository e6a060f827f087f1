"""Converters of molecules: what is damaged is read, or refused by name, and nothing is left of it."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from flowload.formats.molecules.convert.pack import pack_molecules
from tests.formats.molecules.convert.sources import OURS, write_ani, write_npz
from tests.fuzz.mutate import mutants, survives

MOST = 32 << 20  #: bytes at once, for sources of some kilobytes

XYZ = """3
Lattice="9 0 0 0 9 0 0 0 9" pbc="F F F" Properties=species:S:1:pos:R:3:forces:R:3:tag:I:1 energy=-76.5 Q=-1
O 0.0 0.0 0.1 1 2 3 1
H 0.7e0 0.0 -.5 4.5 5 6 2
H -0.7 +0 -5E-1 7 8 9.25000000000000001 3
2
Properties=Z:I:1:pos:R:3:forces:R:3 energy={-1.5} note='x "y" z' list=[1, [2, 3]] Qtot=1 virial="1 2 3"
8 0 0 0 0 0 0.1
1 0 0 0.97 0 0 -0.1
"""


@contextmanager
def little_memory() -> Iterator[None]:
    """Not more than `MOST` is taken inside."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def xyz(folder: Path) -> Path:
    (folder / "set.xyz").write_text(XYZ)
    return folder / "set.xyz"


def ani(folder: Path) -> Path:
    return write_ani(folder, charge=-1, other=3.0)


def npz(folder: Path) -> Path:
    return write_npz(folder, Q=-1, other=3.0)


def deflated(folder: Path) -> Path:
    with np.load(npz(folder)) as arrays:
        np.savez_compressed(folder / "set.npz", **arrays)
    return folder / "set.npz"


MAKERS: dict[str, tuple[Callable[[Path], Path], int | None]] = {
    "xyz": (xyz, 110),
    "npz": (npz, 400),
    "deflated npz": (deflated, 400),
    "hdf5": (ani, 2048),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_damaged_sources(tmp_path: Path, kind: str, skip_bad: bool, fuzz_count: int) -> None:
    make, first = MAKERS[kind]
    path = make(tmp_path)
    valid, out = path.read_bytes(), tmp_path / "out"
    assert pack_molecules(path, out, OURS).molecules == (2 if kind == "xyz" else 1)
    shutil.rmtree(out)
    read = 0
    for number, data in enumerate(
        mutants(valid, count=fuzz_count // 3, seed=len(kind) + 100 * skip_bad, first=first)
    ):
        path.write_bytes(data)
        with little_memory():
            read += survives(lambda: pack_molecules(path, out, OURS, skip_bad=skip_bad), f"{kind} {number}")
        shutil.rmtree(out, ignore_errors=True)
        assert sorted(tmp_path.iterdir()) == [path]  # no draft
    assert 0 < read < fuzz_count // 3  # the damage is neither too small nor too large to tell anything
