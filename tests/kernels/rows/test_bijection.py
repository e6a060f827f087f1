"""A keyed order: every number once, any place by itself, and no order likelier than another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.rows.bijection import ROUNDS, TILE, halves, permuted, write_rows
from tests.kernels.rows import naive_order

KEYS = st.lists(st.integers(0, 2**32 - 1), min_size=ROUNDS, max_size=ROUNDS)


def places(
    n: int, keys: list[int], start: int = 0, step: int = 1, count: int | None = None
) -> NDArray[np.int64]:
    count = len(range(start, n, step)) if count is None else count
    out = np.full(count, -1, np.int64)
    permuted(out, start, step, np.array(keys, np.uint64), n, *halves(n))
    return out


def random_keys(seed: int) -> list[int]:
    return [int(word) for word in np.random.default_rng(seed).integers(0, 2**32, ROUNDS)]


@given(n=st.integers(1, 700), keys=KEYS)
def test_it_is_the_twins_order(n: int, keys: list[int]) -> None:
    assert places(n, keys).tolist() == naive_order.order(n, keys)


@given(n=st.integers(1, 40_000), keys=KEYS)
@settings(max_examples=60)
def test_every_number_comes_once(n: int, keys: list[int]) -> None:
    assert (np.sort(places(n, keys)) == np.arange(n)).all()


@given(n=st.integers(1, 5 * TILE), keys=KEYS, data=st.data())
def test_any_place_can_be_computed_by_itself(n: int, keys: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, n - 1), label="start")
    step = data.draw(st.integers(1, n + 3), label="step")
    assert places(n, keys, start, step).tolist() == places(n, keys)[start::step].tolist()


@given(n=st.integers(1, 700), seed=st.integers(0, 2**32), count=st.integers(0, 60))
def test_a_kernel_is_told_numbers_or_an_order(n: int, seed: int, count: int) -> None:
    rows, ways = naive_order.ways(n, seed, count)
    for room, order in ways:
        write_rows(room, order)
        assert room.tolist() == rows.tolist()


@pytest.mark.parametrize("n", [1 << 33, 10**12, 2**53 + 1, 2**60 + 12345])
def test_large_domains(n: int) -> None:
    keys = random_keys(n)
    for start in (0, n // 2, n - 3000):
        found = places(n, keys, start, count=3000)
        assert len(np.unique(found)) == 3000
        assert (found >= 0).all()
        assert (found < n).all()
        one = places(n, keys, start + 1234, count=1)
        assert one[0] == found[1234]


@given(n=st.integers(1, 2**62))
def test_halves_fit_closely(n: int) -> None:
    a, b = halves(n)
    assert n <= a * b < n + a
    assert a < 2**32
    assert b <= a


@pytest.mark.parametrize("n", [70_000, 65_537, 1_000_003])
def test_neighbours_of_one_order_are_unrelated(n: int) -> None:
    """Pairs of neighbouring places fall into 16 x 16 boxes alike, over several keys: chi-square, 255 d.f."""
    counts = np.zeros((16, 16))
    for seed in range(20):
        box = places(n, random_keys(seed)) * 16 // n
        np.add.at(counts, (box[:-1], box[1:]), 1)
    assert chi_square(counts) < limit(255)


@pytest.mark.parametrize("n", [97, 1000, 70_000])
def test_each_place_gets_every_number_alike(n: int) -> None:
    """Over many keys, some places: the number at each falls into 32 boxes alike: chi-square, 31 d.f. each."""
    chosen = [0, 1, n // 2, n - 1]
    counts = np.zeros((len(chosen), 32))
    for seed in range(3000):
        keys = np.random.default_rng((seed, n)).integers(0, 2**32, ROUNDS).tolist()
        for row, place in enumerate(chosen):
            counts[row, places(n, keys, place, count=1)[0] * 32 // n] += 1
    share = np.bincount(np.arange(n) * 32 // n, minlength=32) / n
    for found in counts:
        assert ((found - 3000 * share) ** 2 / (3000 * share)).sum() < limit(31)


def test_another_key_is_another_order() -> None:
    """Two orders agree in about one place of all."""
    one = places(100_000, random_keys(1))
    for k in range(ROUNDS):
        keys = random_keys(1)
        keys[k] ^= 1
        assert (one == places(100_000, keys)).sum() < 20


@pytest.mark.parametrize("lag", [1, 2, 265, 317])
def test_steps_between_places_are_unrelated(lag: int) -> None:
    """Differences of numbers `lag` places apart, modulo n, are uniform; 317 = halves(n)[1]: a column."""
    n = 100_000
    counts = np.zeros(64)
    for seed in range(10):
        order = places(n, random_keys(seed))
        counts += np.bincount((order[lag:] - order[:-lag]) % n * 64 // n, minlength=64)
    assert chi_square(counts) < limit(63)


def chi_square(counts: NDArray[np.float64]) -> float:
    mean = counts.sum() / counts.size
    return float(((counts - mean) ** 2 / mean).sum())


def limit(freedom: int) -> float:
    """The value that chi-square exceeds once in a million (Wilson and Hilferty's approximation)."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + 4.7534 * part**0.5) ** 3)
