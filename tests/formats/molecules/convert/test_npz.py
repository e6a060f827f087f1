"""Archives that are wrong by mistake or on purpose: named, in bounded memory, and nothing is unpickled."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert import npz as molecules_npz
from flowload.formats.molecules.convert.pack import pack_molecules
from tests.formats.molecules.convert.sources import OURS, converted, write_npz


def header(version: tuple[int, int], text: bytes, length: int | None = None) -> bytes:
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes(version) + size.to_bytes(2 if version == (1, 0) else 4, "little") + text


GOOD = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
HEADERS = [
    header((9, 9), GOOD),
    header((2, 0), b" " * 100, 1 << 31),
    header((2, 0), GOOD, 1 << 14),
    header((1, 0), b"{" * 9000),
    header((1, 0), b"(" * 9000 + b")" * 900),
    header((1, 0), b"-" * 9000 + b"1"),
    header((1, 0), GOOD.replace(b"(1,)", b"(-1,)")),
    header((1, 0), GOOD.replace(b"(1,)", b"(1.5,)")),
    header((1, 0), GOOD.replace(b"(1,)", b"(" + b"9" * 5000 + b",)")),
    header((1, 0), GOOD.replace(b"(1,)", b"(4611686018427387904,)")),
    header((1, 0), GOOD.replace(b"'<f8'", b"'|O'")),
    header((1, 0), GOOD.replace(b"'<f8'", b"'V0'")),
    header((1, 0), GOOD.replace(b"'<f8'", b"[('a', '<f8')]")),
    header((1, 0), GOOD.replace(b"'<f8'", b"{'a': 1}")),
    header((1, 0), GOOD.replace(b"'<f8'", b"'<c16'")),
    header((1, 0), GOOD.replace(b"'descr'", b"3")),
    header((1, 0), b"__import__('os').abort()"),
    header((3, 0), b"\xff" * 60),
    b"\x93NUMPY",
    b"",
    b"\x80\x04pickle",
]


def archive(path: Path, **members: bytes) -> Path:
    """An archive of one good molecule, some of whose members are these bytes."""
    write_npz(path.parent)
    with zipfile.ZipFile(path.parent / "set.npz") as old:
        known = {name.removesuffix(".npy"): old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for key, data in {**known, **members}.items():
            new.writestr(f"{key}.npy", data)
    return path


@pytest.mark.parametrize("data", HEADERS)
@pytest.mark.parametrize("key", ["E", "Z"])
def test_headers_that_cannot_be(tmp_path: Path, key: str, data: bytes) -> None:
    with pytest.raises(DataError, match=f"bad.npz, {key}.npy: ") as caught:
        converted(archive(tmp_path / "bad.npz", **{key: data}))
    assert len(str(caught.value)) < 1500
    assert not (tmp_path / "out").exists()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.abort, ()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"E.npy: array of another kind; found object"):
        converted(archive(tmp_path / "bad.npz", E=npy(np.array([Bomb()]))))


@pytest.mark.slow
def test_an_archive_that_grows_is_read_as_far_as_it_is_wanted(tmp_path: Path) -> None:
    bomb = npy(np.array([-1.5])) + bytes(300 << 20)
    path = archive(tmp_path / "bad.npz", E=bomb, other=npy(np.zeros(1)) + bytes(300 << 20))
    assert path.stat().st_size < 1 << 20
    del bomb
    tracemalloc.start()
    with pytest.raises(DataError, match=r"E.npy: more data than the header says; wanted \[1\]"):
        converted(path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_molecule_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    wide = 1 << 30
    path = archive(
        tmp_path / "bad.npz",
        Z=npy(np.zeros((1, 1), np.int32)).replace(b"(1, 1), }" + b" " * 9, f"(1, {wide}), }}".encode()),
    )
    with pytest.raises(
        DataError, match=r"Z.npy: (array of another kind; found 4,294,967,296 bytes|bad .npy)"
    ):
        converted(path)


def test_large_molecules_are_read_fewer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules_npz, "NBYTES", 500)
    sizes = [1, 3, 2, 3]
    arrays = {
        "Z": np.array([[6] * size + [0] * (3 - size) for size in sizes]),
        "R": np.ones((4, 3, 3)),
        "F": np.ones((4, 3, 3)),
        "N": np.array(sizes),
        "E": np.arange(4.0),
        "Q": np.array(-1),
    }
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    told: list[int] = []
    done = pack_molecules(tmp_path / "a.npz", tmp_path / "out", OURS, tell=lambda now, of: told.append(now))
    assert (done.molecules, told) == (4, [2, 4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Z": [[8, 0, 1]]}, r"molecule 0, atom 2: N and Z differ; found Z = 1 behind the 2 atoms"),
        ({"N": [1]}, r"molecule 0, atom 1: N and Z differ; found Z = 1 behind the 1 atoms that N says"),
        ({"N": [3]}, r"molecule 0, atom 2: bad molecule; found Z = 0"),
        ({"N": [2.5]}, r"molecule 0: bad size; found N = 2.5"),
        ({"N": [np.nan]}, r"molecule 0: bad size; found N = nan"),
        ({"Z": [[8, 7.9, 0]]}, r"molecule 0, atom 1: bad molecule; found Z = 7.9; wanted an atomic number"),
        ({"Z": [[8, 4294967302, 0]]}, r"molecule 0, atom 1: bad molecule; found Z = 4294967302"),
        (
            {"Z": np.array([[8, 2**63 + 6, 0]], np.uint64)},
            r"atom 1: bad molecule; found Z = 92233720368547758",
        ),
        ({"N": [[2, 2]]}, r"N.npy: arrays do not fit"),
        ({"Q": [[1, 2]]}, None),
        ({"charge": [1.0, 2.0]}, None),
    ],
)
def test_sizes_and_elements_that_do_not_go_together(
    tmp_path: Path, change: dict[str, Any], message: str | None
) -> None:
    path = archive(tmp_path / "bad.npz", **{key: npy(np.array(value)) for key, value in change.items()})
    if message is None:  # what fits nothing is not taken, and told
        assert any("is no number a molecule" in words for words in converted(path).done.told.warned)
        return
    with pytest.raises(DataError, match=message):
        converted(path)


def test_padding_may_be_negative_or_nan(tmp_path: Path) -> None:
    for pad in (-1, 0.0, np.nan):
        path = archive(tmp_path / "a.npz", Z=npy(np.array([[8, 1, pad]])))
        assert converted(path).pack.numbers.tolist() == [8, 1]
        (tmp_path / "out").rename(tmp_path / f"out{pad}")


def test_a_member_that_comes_twice(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("E.npy", npy(np.zeros(1)))
    with pytest.raises(
        DataError, match=r"set.npz: bad .npz; found 6 members, of 5 names; wanted each array once"
    ):
        converted(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_numpy_never_writes(tmp_path: Path, method: int) -> None:
    path = write_npz(tmp_path)
    with zipfile.ZipFile(path, "a", method) as file:
        file.writestr("x.npy", bytes(1 << 20))
    with pytest.raises(DataError, match=rf"x.npy: bad .npz; found method {method}; wanted deflate, or none"):
        converted(path)


def test_members_that_are_no_arrays_are_told(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("README", "text")
    assert converted(path).done.told.ignored == {"README": 1}
