from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.chance import generator, stage_key
from flowload.errors import GraphError

words64 = st.integers(0, 2**64 - 1)


def test_keys_stay_what_they_are() -> None:
    # A changed key would silently change every stream that anybody recorded.
    assert stage_key(0, "reservoir", 0) == (0xFE7FEECCACCEA4E5, 0x964301CC2B13707A)
    assert generator((1, 2), (3,)).integers(0, 2**32, 3).tolist() == [3151109693, 589793632, 2456522550]


def test_seed_name_and_index_all_matter() -> None:
    cases = list(itertools.product((0, 1, 2**64 - 1), ("a", "b", "ab", "ü"), (0, 1)))
    assert len({stage_key(*case) for case in cases}) == len(cases)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_does_not_fit_is_an_error(seed: int) -> None:
    with pytest.raises(GraphError, match=r"seed is .*; wanted a whole number from 0 below 2\*\*64"):
        stage_key(seed, "a", 0)


@given(words64, words64, st.lists(words64, max_size=3))
def test_the_same_words_give_the_same_draws(k0: int, k1: int, words: list[int]) -> None:
    one = generator((k0, k1), tuple(words)).integers(0, 2**63, 5)
    two = generator((k0, k1), tuple(words)).integers(0, 2**63, 5)
    padded = generator((k0, k1), (*words, 0, 0, 0)[:3]).integers(0, 2**63, 5)
    assert np.array_equal(one, two)
    assert np.array_equal(one, padded)


def test_every_word_makes_another_stream() -> None:
    cases = [(), (1,), (2,), (0, 1), (0, 2), (0, 0, 1), (0, 0, 2**64 - 1), (-2,)]
    draws = {int(generator((7, 8), words).integers(0, 2**63)) for words in cases}
    draws |= {int(generator(key, ()).integers(0, 2**63)) for key in ((7, 9), (8, 8))}
    assert len(draws) == len(cases) + 2


def test_numpy_integers_are_words() -> None:
    one = generator((1, 2), tuple(np.array([5, -1, -1])))
    two = generator((1, 2), (5, 2**64 - 1, 2**64 - 1))
    assert one.integers(0, 2**63) == two.integers(0, 2**63)


def test_neighbouring_streams_do_not_overlap() -> None:
    # Words are the counter's upper words: one stream's millionth draw is not its neighbour's first.
    long = generator((1, 2), (0,)).integers(0, 2**64, 100_000, dtype=np.uint64)
    near = generator((1, 2), (1,)).integers(0, 2**64, 100_000, dtype=np.uint64)
    assert np.intersect1d(long, near).size == 0


def test_too_many_words_are_an_error() -> None:
    with pytest.raises(ValueError, match="4 key words; wanted at most 3"):
        generator((1, 2), (1, 2, 3, 4))


def test_a_generator_takes_no_entropy_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(count: int) -> bytes:
        raise AssertionError(f"{count} bytes were asked for")

    monkeypatch.setattr("random._urandom", asked)
    with pytest.raises(AssertionError, match="16 bytes were asked for"):
        np.random.Philox(key=np.array([1, 2], np.uint64))  # so it is noticed
    assert generator((1, 2), (3,)).integers(0, 2**32, 3).tolist() == [3151109693, 589793632, 2456522550]


def test_a_generator_goes_to_another_process_as_it_is_and_spawns_none() -> None:
    rng = generator((1, 2), (3,))
    again = pickle.loads(pickle.dumps(rng))
    assert again.integers(0, 2**63, 5).tolist() == rng.integers(0, 2**63, 5).tolist()
    with pytest.raises(TypeError, match="spawn"):
        rng.spawn(1)
