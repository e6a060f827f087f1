from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.philox import Words, block, integers, permutation, stream
from tests.kernels.chunks import naive_sampling as naive

word = st.integers(0, (1 << 64) - 1)
keys = st.tuples(word, word)
counters = st.tuples(word, word, word)


def raw(where: Words, number: int) -> int:
    """One word of a stream."""
    words = np.empty(4, np.uint64)
    block(words, np.uint64(number // 4 + 1), where[2], where[3], where[4], where[0], where[1])
    return int(words[number % 4])


@given(key=keys, counter=counters, start=st.integers(0, 40), count=st.integers(0, 40))
def test_the_words_are_those_of_numpy(
    key: tuple[int, int], counter: tuple[int, int, int], start: int, count: int
) -> None:
    where = stream(key, *counter)
    bits = np.random.Philox(key=np.array(key, np.uint64), counter=np.array([0, *counter], np.uint64))
    wanted = bits.random_raw(start + count)[start:].tolist()
    assert [raw(where, number) for number in range(start, start + count)] == wanted


@given(key=keys, counter=counters)
def test_the_twin_is_numpy_too(key: tuple[int, int], counter: tuple[int, int, int]) -> None:
    bits = np.random.Philox(key=np.array(key, np.uint64), counter=np.array([0, *counter], np.uint64))
    stream_of_twin = naive.words(key, counter)
    assert [next(stream_of_twin) for _ in range(9)] == bits.random_raw(9).tolist()


@pytest.mark.slow
@given(
    key=keys,
    counter=counters,
    count=st.integers(0, 30),
    start=st.integers(0, 9),
    step=st.sampled_from([-1, 0, 1]),
    bound=st.sampled_from(
        [1, 2, 3, 1000, (1 << 62) + 1, (1 << 64) // 3 + 1]  # the last rejects one word in three
    ),
)
def test_integers_equal_their_twin_from_any_start(
    key: tuple[int, int], counter: tuple[int, int, int], count: int, start: int, bound: int, step: int
) -> None:
    bound += count * (step < 0)
    out = np.empty(count, np.int64)
    integers(out, bound, step, stream(key, *counter), start)
    bounds = [bound + step * i for i in range(count)]
    assert out.tolist() == naive.integers(bounds, key, counter, start)


@given(key=keys, counter=counters, size=st.integers(0, 40), count=st.integers(0, 50))
def test_a_permutation_equals_its_twin_and_its_prefix_is_final(
    key: tuple[int, int], counter: tuple[int, int, int], size: int, count: int
) -> None:
    out = np.empty(size, np.int64)
    permutation(out, stream(key, *counter), count)
    assert sorted(out.tolist()) == list(range(size))
    assert out.tolist()[:count] == naive.permutation(size, key, counter)[:count]


def test_every_order_of_four_is_equally_likely() -> None:
    """Chi-square with 23 degrees of freedom: 49.7 is exceeded by one seed in a thousand."""
    seen: Counter[tuple[int, ...]] = Counter()
    out = np.empty(4, np.int64)
    for chunk in range(24_000):
        permutation(out, stream((7, 8), chunk), 4)
        seen[tuple(out.tolist())] += 1
    assert len(seen) == 24
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 49.7


@pytest.mark.parametrize("bound", [3, 10, 1000])
def test_integers_are_uniform(bound: int) -> None:
    out = np.empty(1_000_000, np.int64)
    integers(out, bound, 0, stream((1, 2), 3), 0)
    counts = np.bincount(out, minlength=bound)
    expected = len(out) / bound
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi2 - (bound - 1)) < 4 * (2 * (bound - 1)) ** 0.5
