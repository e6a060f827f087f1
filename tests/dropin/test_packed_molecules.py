"""`PackedMemmapLoader` and `split_loader`, compared with a slow twin of their documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.dropin import PackedMemmapLoader, split_loader
from flowload.errors import DataError
from tests.dropin.twins import Molecules, write_molecules
from tests.threads import none_left

SIZES = [3, 5, 2, 5, 7, 1, 4, 4, 6, 2, 3, 5, 8, 1, 2, 6, 3, 4, 7]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_molecules(tmp_path / "molecules", SIZES)


def rows_of(batch: dict[str, Any]) -> list[int]:
    return [int(energy) for energy in batch["E"]]  # the twin writes the number of a molecule there


def same(batch: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert set(batch) == set(wanted)
    for key, array in wanted.items():
        assert batch[key].dtype == array.dtype, key
        np.testing.assert_array_equal(batch[key], array, err_msg=key)


@pytest.mark.parametrize("charges", [True, False])
@pytest.mark.parametrize(("slots", "physnet"), [(None, True), (None, False), (9, True), (9, False)])
def test_every_array_of_every_batch(tmp_path: Path, slots: int | None, physnet: bool, charges: bool) -> None:
    folder = write_molecules(tmp_path / "m", SIZES, charges=charges)
    twin = Molecules(folder)
    seen = []
    for batch in PackedMemmapLoader(str(folder), 4).batches(slots, physnet):
        same(batch, twin.batch(rows_of(batch), slots, physnet))
        seen += rows_of(batch)
    assert sorted(seen) == list(range(len(SIZES)))


@pytest.mark.parametrize("bucket", [4, 7, 8, 8192])
def test_unshuffled_order(folder: Path, bucket: int) -> None:
    loader = PackedMemmapLoader(folder, 4, shuffle=False, bucket_size=bucket)
    loader.indices = np.array([5, 3, 1, 18, 0, 12, 7, 2, 4])
    wanted = list(Molecules(folder).unshuffled([5, 3, 1, 18, 0, 12, 7, 2, 4], bucket, 4))
    assert [rows_of(batch) for batch in loader.batches()] == wanted
    assert [rows_of(batch) for batch in loader.batches()] == wanted


def test_batches_within_a_bucket_rise_in_size(folder: Path) -> None:
    largest = [int(batch["N"].max()) for batch in PackedMemmapLoader(folder, 5).batches()]
    assert largest == sorted(largest)


def test_another_order_each_epoch_and_the_same_ones_again(folder: Path) -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = PackedMemmapLoader(folder, 4, bucket_size=1, seed=seed)
        return [[row for batch in loader.batches() for row in rows_of(batch)] for _ in range(3)]

    first, second, third = epochs(0)
    assert first != second != third != first
    assert sorted(first) == sorted(second) == list(range(len(SIZES)))
    assert epochs(0) == [first, second, third]
    assert epochs(1) != [first, second, third]


def test_an_epoch_is_counted_when_it_is_asked_for(folder: Path) -> None:
    loader = PackedMemmapLoader(folder, 4, bucket_size=1)
    later, now = loader.batches(), loader.batches()
    again = PackedMemmapLoader(folder, 4, bucket_size=1)
    second = [rows_of(batch) for batch in now]
    assert [[rows_of(batch) for batch in epoch] for epoch in (again.batches(), again.batches())] == [
        [rows_of(batch) for batch in later],
        second,
    ]


def test_what_a_loader_tells(folder: Path) -> None:
    loader = PackedMemmapLoader(path=str(folder), batch_size=4, shuffle=True, bucket_size=8192, seed=42)
    assert len(loader) == loader.N == len(SIZES)
    assert loader.n_atoms.tolist() == SIZES
    assert loader.indices.tolist() == list(range(len(SIZES)))
    assert repr(loader) == f"PackedMemmapLoader(path={str(folder)!r}, N=19, batch_size=4, shuffle=True)"


@pytest.mark.parametrize("first", ["indices", "N"])
def test_indices_and_n_are_set_in_either_order(folder: Path, first: str) -> None:
    loader = PackedMemmapLoader(folder, 4)
    values = {"indices": loader.indices[:7], "N": 7}
    for name in sorted(values, key=lambda name: name != first):
        setattr(loader, name, values[name])
    if first == "N":
        loader.N = 7
    assert len(loader) == loader.N == 7
    assert sorted(row for batch in loader.batches() for row in rows_of(batch)) == list(range(7))


def test_n_that_is_not_the_number_of_indices(folder: Path) -> None:
    loader = PackedMemmapLoader(folder, 4)
    loader.N = 7
    with pytest.raises(ValueError, match=r"N is 7, and indices are 19"):
        loader.batches()


@pytest.mark.parametrize("wrong", [[0, 19], [-1], [[1, 2]], [0.5]])
def test_indices_that_are_none(folder: Path, wrong: Any) -> None:
    loader = PackedMemmapLoader(folder, 4)
    with pytest.raises(ValueError, match="indices are"):
        loader.indices = wrong


def test_a_molecule_may_come_twice(folder: Path) -> None:
    loader = PackedMemmapLoader(folder, 4)
    loader.indices = np.array([3, 3, 5])
    assert sorted(row for batch in loader.batches() for row in rows_of(batch)) == [3, 3, 5]


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_split_is_disjoint_and_whole(folder: Path, fraction: float, seed: int | None) -> None:
    loader = PackedMemmapLoader(folder, 4)
    loader.indices = np.arange(2, 17)
    train, valid = split_loader(loader, fraction, seed)
    assert len(train) == int(15 * fraction)
    found = [[row for batch in part.batches() for row in rows_of(batch)] for part in (train, valid)]
    assert sorted(found[0] + found[1]) == list(range(2, 17))
    assert [len(part) for part in found] == [len(train), len(valid)]
    assert (train.shuffle, valid.shuffle) == (True, False)
    assert [rows_of(batch) for batch in valid.batches()] == [rows_of(batch) for batch in valid.batches()]
    if seed is None:
        assert train.indices.tolist() == list(range(2, 2 + len(train)))
    assert loader.indices.tolist() == list(range(2, 17))


def test_a_split_by_seed_is_random_and_repeatable(folder: Path) -> None:
    loader = PackedMemmapLoader(folder, 4)
    chosen = [split_loader(loader, 0.5, seed)[0].indices.tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_a_split_of_no_share(folder: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match="train_fraction"):
        split_loader(PackedMemmapLoader(folder, 4), fraction)


@pytest.mark.parametrize("name", ["Z_pack.int32", "R_pack.f32", "F_pack.f32", "E.f64", "Qtot.f64"])
def test_a_file_of_the_wrong_size_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=name):
        PackedMemmapLoader(folder, 4)


def test_a_molecule_that_is_too_large_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="molecule 12"):
        list(PackedMemmapLoader(folder, 4).batches(num_atoms=7))


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": 4, "bucket_size": 0}])
def test_sizes_that_make_no_batch(folder: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        PackedMemmapLoader(folder, **wrong)


def test_an_epoch_that_is_left_leaves_nothing(folder: Path) -> None:
    with none_left():
        loader = PackedMemmapLoader(folder, 4)
        for _ in loader.batches():
            break
        loader.batches()
