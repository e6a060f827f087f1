"""Streams by weight."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Setting, Turn
from flowload.blocks import Batch, Frames
from flowload.errors import GraphError
from flowload.stages.user.source import source
from flowload.stages.wiring.mix import ByDeficit, MixStage, mix
from tests.states import through_json

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=5)


def test_single_samples_come_in_exact_proportion() -> None:
    turn = ByDeficit((3, 1))
    order = []
    for _ in range(8):
        which = turn.choose([0, 1])
        turn.took(which, 1)
        order.append(which)
    assert order == [0, 1, 0, 0, 0, 1, 0, 0]


@given(WEIGHTS, st.lists(st.integers(1, 64), min_size=1, max_size=300))
def test_proportions_hold_to_within_a_block_while_all_are_alive(
    weights: list[int], blocks: list[int]
) -> None:
    turn, alive = ByDeficit(weights), list(range(len(weights)))
    given_ = [0] * len(weights)
    largest = max(blocks)
    for samples in blocks:
        which = turn.choose(alive)
        turn.took(which, samples)
        given_[which] += samples
        for way, weight in enumerate(weights):
            share = Fraction(weight, sum(weights)) * sum(given_)
            assert given_[way] <= share + largest
            assert given_[way] >= share - largest * (len(weights) - 1)


@given(WEIGHTS, st.integers(0, 50))
def test_when_an_input_ends_the_others_keep_their_proportion(weights: list[int], blocks: int) -> None:
    turn = ByDeficit(weights)
    for _ in range(blocks):
        turn.took(turn.choose(range(len(weights))), 7)
    before, alive = list(turn.given), list(range(1, len(weights)))
    for _ in range(blocks if alive else 0):
        turn.took(turn.choose(alive), 7)
    rates = [turn.given[way] / weights[way] for way in alive]
    assert turn.given[0] == before[0]
    assert not rates or max(rates) - min(rates) <= 7


def one_pass(turn: ByDeficit, blocks: list[int]) -> list[int]:
    """The order in which inputs of these many blocks of ten samples are taken until all are at their end."""
    left, order = list(blocks), []
    while alive := [way for way, count in enumerate(left) if count]:
        which = turn.choose(alive)
        turn.took(which, 10)
        left[which] -= 1
        order.append(which)
    return order


def test_an_input_with_a_shorter_pass_does_not_burst_in_the_next() -> None:
    turn = ByDeficit((1, 1))
    first = one_pass(turn, [10, 2])
    assert first == [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    again = ByDeficit((1, 1))
    again.restore(through_json(turn.state()))
    assert one_pass(turn, [10, 2]) == one_pass(again, [10, 2]) == first


def test_of_equals_the_first_is_next() -> None:
    assert ByDeficit((2, 1, 2)).choose([1, 2]) == 1


def test_a_state_keeps_what_was_given() -> None:
    turn, again = ByDeficit((9, 1)), ByDeficit((9, 1))
    turn.took(0, 100)
    again.restore(through_json(turn.state()))
    assert again.given == [100, 0]
    assert again.choose([0, 1]) == 1


def test_the_word() -> None:
    stage = MixStage(weights=(0.9, 0.1))
    (turn,) = stage.open(Setting(seed=0, epochs=1, cpus=1))
    assert isinstance(turn, Turn)
    left, right = source([1], gives=Batch), source([2], gives=Batch)
    (*_, node) = ([left, right] >> mix(0.9, 0.1)).nodes()
    assert node.stage == stage
    assert node.carries == (Batch,)


def test_as_many_weights_as_inputs() -> None:
    streams = [source([1], gives=Batch) for _ in range(3)]
    with pytest.raises(GraphError, match="mix: 2 weights for 3 inputs"):
        streams >> mix(0.9, 0.1)
    with pytest.raises(GraphError, match="mix: 2 weights for 1 inputs"):
        streams[0] >> mix(0.9, 0.1)


def test_inputs_must_carry_the_same() -> None:
    with pytest.raises(GraphError, match="mix: the inputs carry different things: Batch, Frames"):
        [source([1], gives=Batch), source([2], gives=Frames)] >> mix(1, 1)


@pytest.mark.parametrize("weights", [(), (1, 0), (1, -1), (1, float("nan"))])
def test_bad_weights(weights: tuple[float, ...]) -> None:
    with pytest.raises(GraphError, match=r"mix: .*weight"):
        mix(*weights)
