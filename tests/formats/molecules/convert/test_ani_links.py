from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import pytest

from flowload.errors import DataError
from flowload.formats.hdf5 import plain as hdf5_plain
from tests.formats.molecules.convert.ani_files import change
from tests.formats.molecules.convert.sources import converted, write_ani


def test_a_group_is_read_once_whatever_links_to_it(tmp_path: Path) -> None:
    def circles(file: Any) -> None:
        file["alias"] = h5py.SoftLink("/OH")
        file["deep/hard"] = file["OH"]
        file["OH/up"] = h5py.SoftLink("/")
        file["deep/self"] = h5py.SoftLink("/deep")

    done, pack = converted(change(write_ani(tmp_path), circles))
    assert len(pack) == 1
    assert done.told.supposed["links to groups that are read anyway"] == 4


def test_links_to_other_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write_ani(tmp_path / "b", charge=-1).rename(tmp_path / "b" / "other.h5")
    change(
        tmp_path / "b" / "other.h5", lambda file: file.update({"back": h5py.ExternalLink("../set.h5", "/OH")})
    )

    def link(file: Any) -> None:
        file["one"] = h5py.ExternalLink("b/other.h5", "/")
        file["two"] = h5py.ExternalLink("b/other.h5", "/OH")

    _, pack = converted(change(write_ani(tmp_path), link))
    assert pack.charges.tolist() == [0, -1]


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "text.h5").write_text("text")

    def break_links(file: Any) -> None:
        file["a"] = h5py.SoftLink("/gone")
        file["b"] = h5py.ExternalLink("gone.h5", "/OH")
        file["c"] = h5py.ExternalLink("pipe.h5", "/OH")
        file["d"] = h5py.ExternalLink("text.h5", "/OH")
        file["e"] = h5py.ExternalLink("set.h5", "/gone")
        file["f"] = h5py.SoftLink("/f")

    done, pack = converted(change(write_ani(tmp_path), break_links))
    assert len(pack) == 1
    assert done.told.warned == {"links that lead nowhere, such as 'a'": 6}


def test_a_link_to_a_dataset_is_the_dataset(tmp_path: Path) -> None:
    def link(file: Any) -> None:
        file.move("OH/energies", "all")
        file["OH/energies"] = h5py.SoftLink("/all")

    assert converted(change(write_ani(tmp_path), link)).pack.energies.tolist() == [-1.5]


def test_damage_is_named(tmp_path: Path) -> None:
    path = write_ani(tmp_path)
    data = path.read_bytes()
    for cut in (0, 8, 100, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError, match=r"set.h5.*: "):
            converted(path)


def test_a_dataset_in_another_file_is_read_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [-7.5]
    os.mkfifo(tmp_path / "pipe.h5")

    def link(file: Any) -> None:
        del file["OH/energies"]
        file["OH/energies"] = h5py.ExternalLink("other.h5", "/x")
        file["OH/dipole"] = h5py.ExternalLink("pipe.h5", "/x")

    done, pack = converted(change(write_ani(tmp_path), link))
    assert pack.energies.tolist() == [-7.5]
    assert done.told.warned == {"links that lead nowhere, such as 'OH/dipole'": 1}


def test_energies_behind_a_lost_link_are_missing(tmp_path: Path) -> None:
    def link(file: Any) -> None:
        del file["OH/energies"]
        file["OH/energies"] = h5py.SoftLink("/gone")

    with pytest.raises(DataError, match=r"OH: arrays are missing; found .*; wanted energies"):
        converted(change(write_ani(tmp_path), link))


def test_heaps_are_looked_at_before_the_library_runs_in_circles(tmp_path: Path) -> None:
    """The library reads on for ever where the room that is left in a heap has the size 0."""
    path = write_ani(tmp_path)
    data = path.read_bytes()
    at = data.index(b"GCOL\1\0\0\0")
    free = at + 16 + 2 * 24  # behind two objects, of 16 bytes and 8 for one letter
    assert data[free : free + 2] == bytes(2)
    for place, value in (
        (free + 8, 0),
        (free + 8, 15),
        (at + 16 + 8, 1 << 40),
        (at + 8, 8),
        (at + 8, 1 << 62),
    ):
        path.write_bytes(data[:place] + value.to_bytes(8, "little") + data[place + 8 :])
        with pytest.raises(DataError, match=rf"set.h5, byte {at}: bad HDF5; found a damaged heap"):
            converted(path)
    path.write_bytes(data)
    assert converted(path).done.molecules == 1


@pytest.mark.parametrize("piece", [13, 101, 1 << 20])
def test_every_heap_is_found_wherever_it_lies(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_plain, "PIECE", piece)

    def many(file: Any) -> None:
        file.create_dataset("words", data=["x" * (k % 300) for k in range(300)], dtype=h5py.string_dtype())

    path = change(write_ani(tmp_path), many)
    hdf5_plain.check_heaps(path)
    data = path.read_bytes()
    places = [at for at in range(0, len(data), 8) if data[at : at + 8] == b"GCOL\1\0\0\0"]
    assert len(places) > 1
    for at in places:
        path.write_bytes(data[: at + 8] + bytes(8) + data[at + 16 :])
        with pytest.raises(DataError, match=rf"byte {at}: bad HDF5"):
            hdf5_plain.check_heaps(path)
