from __future__ import annotations

import pickle
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.formats.lc0.layouts import BITS, TENSORS, TUPLE, Lc0Layout
from flowload.formats.lc0.records import SIZES
from flowload.kernels.chess.planes import expand_planes
from tests.kernels import naive, strategies

LAYOUTS = [TENSORS, TUPLE, BITS]


def arrays(layout: Lc0Layout, n: int) -> dict[str, NDArray[Any]]:
    return {key: np.full((n, *shape), 77, dtype) for key, (shape, dtype) in layout.fields().items()}


def encoded(layout: Lc0Layout, rows: Bytes) -> dict[str, NDArray[Any]]:
    out = arrays(layout, len(rows))
    layout.encode(rows, out, 0)
    return out


def equal_bits(found: NDArray[Any], wanted: NDArray[Any]) -> None:
    """Equal bit for bit, but that any nan equals any other."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype == np.float32
    nan = np.isnan(wanted)
    assert np.array_equal(np.isnan(found), nan)
    assert np.array_equal(found.view(np.uint32)[~nan], wanted.view(np.uint32)[~nan])


def some_records(tar: Path, count: int) -> Bytes:
    """Records from all over the games of a tar, read with Python's own libraries."""
    games = []
    with tarfile.open(tar) as file:
        for info in file:
            if info.name.endswith(".gz"):
                member = file.extractfile(info)
                assert member is not None
                games.append(zlib.decompress(member.read(), 31))
    rows = np.frombuffer(b"".join(games), np.uint8).reshape(-1, SIZES[6])
    return rows[:: max(1, len(rows) // count)][:count].copy()


def test_tensors_are_what_the_cpp_loader_gives(shared_lc0: Path) -> None:
    wanted = np.load(shared_lc0 / "expected_format1.npz")
    found = encoded(TENSORS, wanted["records"])
    assert list(found) == ["planes", "probabilities", "values"]
    for key, array in found.items():
        equal_bits(array, wanted[key])


@pytest.mark.parametrize("name", ["expected_format1.npz", "expected_format3.npz"])
def test_tuples_are_what_the_python_parser_gives(name: str, shared_lc0: Path) -> None:
    wanted = np.load(shared_lc0 / name)
    found = encoded(TUPLE, wanted["records"])
    assert list(found) == ["planes", "probs", "winner", "best_q", "plies_left"]
    equal_bits(found["planes"].reshape(-1, 112, 8, 8), wanted["planes"])
    equal_bits(found["probs"], wanted["probabilities"])
    for key in ("winner", "best_q", "plies_left"):
        equal_bits(found[key], wanted[key])


@pytest.mark.parametrize("folder", [".", "fmt2", "fmt3", "fmt4", "fmt5", "fmt132", "fmt133"])
def test_real_games_of_every_input_format(folder: str, shared_lc0: Path) -> None:
    rows = some_records(min((shared_lc0 / folder).glob("*.tar")), 12)
    records = [naive.parse(row.tobytes()) for row in rows]
    assert {record["format"] for record in records} == {int(folder[3:] or 1)}
    found = encoded(TENSORS, rows)
    equal_bits(found["planes"].reshape(-1, 112, 64), np.array([naive.planes(r) for r in records], np.float32))
    equal_bits(found["probabilities"], np.array([r["probabilities"] for r in records], np.float32))
    equal_bits(found["values"], np.array([naive.values(r) for r in records], np.float32))
    assert (found["probabilities"] == -1).any(axis=1).all()


@pytest.mark.parametrize("version", [3, 4, 5, 7])
def test_real_games_as_another_version(version: int, sample_tar: Path) -> None:
    rows = some_records(sample_tar, 20)
    other = strategies.as_version(rows, version)
    assert other.shape == (20, SIZES[version])
    old, new = encoded(TENSORS, rows), encoded(TENSORS, other)
    assert new["planes"].tobytes() == old["planes"].tobytes()
    assert new["probabilities"].tobytes() == old["probabilities"].tobytes()
    equal_bits(new["values"][:, 0, :2], old["values"][:, 0, :2])
    known = ~np.isnan(new["values"])
    assert known[:, 1, 0].all() == (version > 3)
    assert np.array_equal(new["values"][known], old["values"][known])
    old, new = encoded(TUPLE, rows), encoded(TUPLE, other)
    equal_bits(new["winner"], old["winner"])
    if version >= 4:
        equal_bits(new["best_q"], old["best_q"])
    if version >= 5:
        equal_bits(new["plies_left"], old["plies_left"])


@given(strategies.rows(spare=7))
def test_bits_hold_what_tensors_hold(rows: Bytes) -> None:
    packed, whole = encoded(BITS, rows), encoded(TENSORS, rows)
    assert list(packed) == ["bits", "scalars", "probabilities", "values"]
    planes = np.empty((len(rows), 7168), np.float32)
    expand_planes(packed["bits"], packed["scalars"], planes)
    assert planes.tobytes() == whole["planes"].tobytes()
    assert packed["probabilities"].tobytes() == whole["probabilities"].tobytes()
    assert packed["values"].tobytes() == whole["values"].tobytes()


def test_bits_are_as_their_words_say(sample_tar: Path) -> None:
    rows = some_records(sample_tar, 5)
    packed, planes = encoded(BITS, rows), encoded(TENSORS, rows)["planes"]
    bytes_ = packed["bits"].view(np.uint8).reshape(5, 104, 8)
    assert np.array_equal(np.unpackbits(bytes_, axis=2).reshape(5, 104, 8, 8), planes[:, :104])
    assert np.array_equal(packed["scalars"][:, :7], rows[:, 8272:8279])
    assert (packed["scalars"][:, 7] == 1).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=strategies.rows(), before=st.integers(0, 3))
def test_only_the_named_rows_are_written(layout: Lc0Layout, rows: Bytes, before: int) -> None:
    out = arrays(layout, len(rows) + before + 2)
    layout.encode(rows, out, before)
    for key, wanted in encoded(layout, rows).items():
        part = slice(before, before + len(rows))
        assert out[key][part].tobytes() == wanted.tobytes()
        assert (np.delete(out[key], part, axis=0) == 77).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_rows_write_nothing(layout: Lc0Layout) -> None:
    out = arrays(layout, 1)
    layout.encode(np.empty((0, 8356), np.uint8), out, 1)
    assert all((array == 77).all() for array in out.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strided_rows(layout: Lc0Layout) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([strategies.record(6, 1, rng) for _ in range(4)])
    found, wanted = encoded(layout, rows[::2]), encoded(layout, rows[::2].copy())
    assert all(found[key].tobytes() == wanted[key].tobytes() for key in found)


def test_a_row_that_is_no_record() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0))] * 3)
    rows[2, 4] = 99
    with pytest.raises(DataError, match=r"a batch, record 2: unknown input format; found 99"):
        encoded(TENSORS, rows)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_that_do_not_fit(layout: Lc0Layout) -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0))] * 3)
    for key, (shape, dtype) in layout.fields().items():
        good = arrays(layout, 3)
        for bad in (
            np.empty((3, *shape), np.float64),
            np.empty((2, *shape), dtype),
            np.empty((3, *shape, 1), dtype),
        ):
            with pytest.raises(ValueError, match=rf"out\['{key}'\] from 0 on gives .*; wanted {dtype}"):
                layout.encode(rows, good | {key: bad}, 0)
        with pytest.raises(ValueError, match="contiguous"):
            layout.encode(rows, good | {key: np.empty((6, *shape), dtype)[::2]}, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_a_value(layout: Lc0Layout) -> None:
    assert pickle.loads(pickle.dumps(layout)) == layout
