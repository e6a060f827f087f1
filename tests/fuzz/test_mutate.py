"""The damage itself: deterministic, various, and able to find what it is for."""

from __future__ import annotations

import pytest

from flowload.errors import DataError
from tests.fuzz.inputs.mutate import CHANGES, TELLING, mutants, survives

VALID = bytes(range(256)) * 4


def test_a_seed_gives_the_same_damage() -> None:
    once, again = (list(mutants(VALID, count=50, seed=3)) for _ in range(2))
    assert once == again
    assert once != list(mutants(VALID, count=50, seed=4))


def test_nearly_every_mutant_differs_from_what_is_valid() -> None:
    assert sum(data != VALID for data in mutants(VALID, count=200, seed=0)) > 190


def test_every_second_mutant_is_damaged_in_its_head_alone() -> None:
    heads = list(mutants(VALID, count=40, seed=1, first=16))[::2]
    assert all(data.endswith(VALID[16:]) for data in heads)


def test_short_inputs_can_be_damaged_too() -> None:
    assert len(list(mutants(b"x", count=100, seed=2))) == 100
    assert list(mutants(b"", count=2, seed=2)) == [b"", b""]


def test_the_kinds_of_damage_are_many() -> None:
    assert len(set(CHANGES)) == 7
    assert len(TELLING) > 25


def test_a_reader_that_names_what_is_wrong_survives() -> None:
    def named() -> None:
        raise DataError("bad", where="a.bin")

    assert survives(lambda: 1, "fine")
    assert not survives(named, "named")


def test_a_reader_that_raises_anything_else_is_found() -> None:
    def unnamed() -> None:
        raise IndexError("list index out of range")

    with pytest.raises(AssertionError, match="IndexError instead of a FlowloadError"):
        survives(unnamed, "unnamed")
