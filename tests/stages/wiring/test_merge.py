"""Streams that take turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Setting, Turn
from flowload.blocks import Batch, Frames
from flowload.errors import GraphError
from flowload.stages.user.source import source
from flowload.stages.wiring.merge import MergeStage, TakeTurns, merge
from tests.states import through_json


def taken(lengths: list[int], turn: TakeTurns) -> list[int]:
    """The order in which inputs of these many blocks are taken."""
    left = list(lengths)
    order = []
    while alive := [way for way, blocks in enumerate(left) if blocks]:
        which = turn.choose(alive)
        turn.took(which, 10)
        left[which] -= 1
        order.append(which)
    return order


def test_round_and_round_over_those_that_are_left() -> None:
    assert taken([3, 1, 2], TakeTurns()) == [0, 1, 2, 0, 2, 0]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_no_input_waits_for_more_than_one_turn_of_each_other(lengths: list[int]) -> None:
    order = taken(lengths, TakeTurns())
    assert [order.count(way) for way in range(len(lengths))] == lengths
    counts = [0] * len(lengths)
    for which in order:
        counts[which] += 1
        unfinished = [count for count, length in zip(counts, lengths, strict=True) if count < length]
        if unfinished:
            assert max(counts[which], *unfinished) - min(unfinished) <= 1


def test_a_state_keeps_whose_turn_it_is() -> None:
    turn, again = TakeTurns(), TakeTurns()
    turn.took(turn.choose([0, 1, 2]), 10)
    again.restore(through_json(turn.state()))
    assert again.choose([0, 1, 2]) == 1


def test_the_word() -> None:
    (turn,) = MergeStage().open(Setting(seed=0, epochs=1, cpus=1))
    assert isinstance(turn, Turn)
    left, right = source([1], gives=Batch), source([2], gives=Batch)
    assert ([left, right] >> merge()).nodes()[-1].carries == (Batch,)


def test_inputs_must_carry_the_same() -> None:
    with pytest.raises(GraphError, match="merge: the inputs carry different things: Batch, Frames"):
        [source([1], gives=Batch), source([2], gives=Frames)] >> merge()
