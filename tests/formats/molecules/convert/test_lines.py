"""XYZ is read through a window, in bounded memory; what is no file, or changes meanwhile, is named."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError, NoDataError
from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.xyz import lines as molecules_lines
from flowload.formats.molecules.convert.xyz import reader as molecules_xyz
from flowload.formats.molecules.convert.xyz.reader import read_xyz
from tests.formats.molecules.convert.sources import (
    KEYS,
    OURS,
    converted,
    frame,
    write_ani,
    write_npz,
    write_xyz,
)

# --- lines --------------------------------------------------------------------------------------------


@given(
    window=st.integers(1, 200),
    lines=st.integers(1, 4),
    last=st.booleans(),
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_frames_are_the_same_whatever_is_read_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, window: int, lines: int, last: bool, counts: list[int]
) -> None:
    rng = np.random.default_rng(sum(counts))
    path = tmp_path_factory.getbasetemp() / "windows.xyz"
    values = [rng.normal(size=(count, 6)) for count in counts]
    texts = [
        f'{len(rows)}\nnote="{"x" * (len(rows) * 7)}" {KEYS}{len(rows)}.5\n'
        + "".join(f"C {' '.join(map(repr, row))}\n" for row in rows.tolist())
        for rows in values
    ]
    path.write_text("".join(texts) if last else "".join(texts)[:-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(molecules_lines, "WINDOW", window)
        patch.setattr(molecules_xyz, "LINES", lines)
        patch.setattr(molecules_xyz, "ATOMS", 7)
        parts = list(read_xyz(path))
    assert [size for part, _, _ in parts for size in part.sizes.tolist()] == counts
    assert [energy for part, _, _ in parts for energy in np.asarray(part.energies).tolist()] == [
        count + 0.5 for count in counts
    ]
    found = np.concatenate([np.hstack([part.places, np.asarray(part.forces)]) for part, _, _ in parts])
    np.testing.assert_array_equal(found, np.concatenate(values))
    assert parts[-1][1:] == (path.stat().st_size, path.stat().st_size)


@pytest.fixture
def loaded(tmp_path: Path) -> None:
    """Kernels and libraries are loaded, before memory is counted."""
    (tmp_path / "small.xyz").write_text(frame())
    list(read_xyz(tmp_path / "small.xyz"))


@pytest.mark.usefixtures("loaded")
def test_a_line_without_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules_lines, "WINDOW", 1 << 16)
    monkeypatch.setattr(molecules_lines, "LONGEST", 1 << 18)
    path = tmp_path / "a.xyz"
    for begin in (b"", b"2\n", frame().encode()):
        with path.open("wb") as file:
            file.write(begin)
            file.truncate(1 << 30)  # zeros, of which the disk has none
        tracemalloc.start()
        with pytest.raises(DataError, match="line too long; found more than 262,144 bytes without an end"):
            list(read_xyz(path))
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
        tracemalloc.stop()


@pytest.mark.usefixtures("loaded")
def test_a_frame_larger_than_its_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    with path.open("wb") as file:
        file.write(b"400000000\n" + KEYS.encode() + b"1\nH 0 0 0 0 0 0\n")
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(DataError):
        list(read_xyz(path))
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_a_million_keys_are_told_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules_xyz, "KINDS", 50)
    text = "".join(frame(keys=f"key{number}=1 {KEYS}") for number in range(1500))
    (tmp_path / "a.xyz").write_text(text)
    most = [0]
    tell = molecules_xyz.Reader.tell

    def watched(reader: molecules_xyz.Reader) -> None:
        most.append(len(reader.kinds))
        tell(reader)

    monkeypatch.setattr(molecules_xyz.Reader, "tell", watched)
    told = converted(tmp_path / "a.xyz").done.told
    assert max(most) == 51
    assert told.used["energy"] == {"energy": 1500}
    assert len(told.ignored) == 1001
    assert told.ignored.total() == 1500


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.xyz", "a.npz", "a.h5"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(NoDataError, match="no such file"):
        converted(path)
    os.mkfifo(path)
    with pytest.raises(DataError, match="not a file; found a pipe"):
        converted(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="not a file; found a device"):
        converted(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="not a file; found a folder"):
        converted(path)


@pytest.mark.parametrize("make", [write_xyz, write_npz, write_ani])
def test_a_file_that_is_rewritten_meanwhile_is_told(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)

    def rewrite(done: int, of: int) -> None:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)

    with pytest.raises(DataError, match=path.name):
        pack_molecules(path, tmp_path / "out", OURS, tell=rewrite)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_cut_meanwhile_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules_lines, "WINDOW", 400)
    monkeypatch.setattr(molecules_xyz, "FRAMES", 1)
    path = tmp_path / "a.xyz"
    path.write_text(frame() * 50)
    with pytest.raises(DataError, match=r"file ends early|no count|too few columns|no energy|file changed"):
        pack_molecules(path, tmp_path / "out", OURS, tell=lambda done, of: os.truncate(path, 500))
    assert [file.name for file in tmp_path.iterdir()] == ["a.xyz"]
