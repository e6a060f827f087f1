from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.chunks.schedule import phase, positions, run_lengths, run_of_ranks
from tests.kernels.chunks import naive_sampling as naive

word = st.integers(0, (1 << 64) - 1)
rates = st.fractions(0, 1, max_denominator=10**6).filter(lambda rate: rate > 0)


def place(seed: int, source: int, chunk: int) -> tuple[np.uint64, np.uint64, int]:
    return np.uint64(seed), np.uint64(source), chunk


def taken(n: int, first: int, last: int, seed: int = 1, source: int = 2, chunk: int = 3) -> list[int]:
    out = np.empty(last - first, np.int64)
    positions(out, n, first, *place(seed, source, chunk))
    found: list[int] = out.tolist()
    return found


@given(seed=word, source=word, chunk=st.integers(0, 2**31 - 1), den=st.integers(1, 10**6))
def test_phase_equals_its_twin(seed: int, source: int, chunk: int, den: int) -> None:
    assert phase(*place(seed, source, chunk), den) == naive.phase(seed, source, chunk, den)


@pytest.mark.slow
@given(
    rate=rates, n=st.integers(1, 2**32), use=st.integers(0, 2**31 - 2), part=st.floats(0, 1, exclude_max=True)
)
def test_rate_runs_equal_exact_fractions(rate: Fraction, n: int, use: int, part: float) -> None:
    offset = int(part * rate.denominator)
    run = run_of_ranks(n, use, rate.numerator, rate.denominator, 0, offset)
    assert run == naive.ranks(rate, None, use, n, offset)


@given(count=st.integers(1, 300), n=st.integers(1, 300), use=st.integers(0, 1000))
def test_count_runs_equal_their_twin(count: int, n: int, use: int) -> None:
    assert run_of_ranks(n, use, 1, 1, count, 0) == naive.ranks(None, count, use, n, 0)


@given(n=st.integers(1, 40), first=st.integers(0, 200), data=st.data(), seed=word, source=word)
def test_positions_equal_their_twin(n: int, first: int, data: st.DataObject, seed: int, source: int) -> None:
    last = first + data.draw(st.integers(0, n))
    assert taken(n, first, last, seed, source) == naive.positions(first, last, n, seed, source, 3)


@given(n=st.integers(1, 60), parts=st.integers(1, 50), part=st.floats(0, 1, exclude_max=True))
def test_over_one_pth_uses_every_position_comes_exactly_once(n: int, parts: int, part: float) -> None:
    seen: Counter[int] = Counter()
    for use in range(parts):
        seen.update(taken(n, *run_of_ranks(n, use, 1, parts, 0, int(part * parts))))
    assert seen == Counter(range(n))


@given(n=st.integers(1, 60), count=st.integers(1, 60))
def test_the_slices_of_a_count_are_distinct(n: int, count: int) -> None:
    seen: Counter[int] = Counter()
    for use in range(max(1, n // count)):
        run = taken(n, *run_of_ranks(n, use, 1, 1, count, 0))
        assert len(set(run)) == len(run) == min(count, n)
        seen.update(run)
    assert set(seen.values()) == {1}


def test_the_first_use_is_unbiased() -> None:
    """20,000 chunks of 7 at rate 3/100: 4200 positions expected; binomial rounding has sd < 58."""
    chunks = np.arange(20_000, dtype=np.int32)
    out = np.empty(len(chunks), np.int64)
    sevens, zeros = np.full_like(chunks, 7), np.zeros_like(chunks)
    run_lengths(out, sevens, zeros, np.full(len(chunks), 9, np.uint64), chunks, np.uint64(5), (3, 100, 0))
    assert set(out.tolist()) == {0, 1}
    assert abs(int(out.sum()) - 4200) < 4 * 58


def test_positions_of_a_first_use_are_uniform() -> None:
    """Chi-square with 19 degrees of freedom: 43.8 is exceeded by one seed in a thousand."""
    counts = np.zeros(20)
    for chunk in range(4000):
        counts[taken(20, 0, 5, chunk=chunk)] += 1
    # Draws without replacement vary less than independent ones, by (20 - 5) / 19.
    assert ((counts - 1000) ** 2 / 1000).sum() * 19 / 15 < 43.8


@given(seed=word, sources=st.lists(word, min_size=1, max_size=9), rate=rates, use=st.integers(0, 99))
def test_lengths_of_many_equal_those_of_each(seed: int, sources: list[int], rate: Fraction, use: int) -> None:
    size = len(sources)
    records, chunks = np.arange(1, size + 1, dtype=np.int32), np.arange(size, dtype=np.int32)
    out = np.empty(size, np.int64)
    keys = np.array(sources, np.uint64)
    rule = (rate.numerator, rate.denominator, 0)
    run_lengths(out, records, np.full(size, use, np.int32), keys, chunks, np.uint64(seed), rule)
    for i, source in enumerate(sources):
        first, last = naive.ranks(rate, None, use, i + 1, naive.phase(seed, source, i, rate.denominator))
        assert out[i] == last - first
