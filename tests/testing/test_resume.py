from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Mark, Setting, State
from flowload.blocks import ORIGIN, Frames
from flowload.graph import place
from flowload.stages.chunks.reservoir import ReservoirStage
from flowload.stages.chunks.reservoir_fold import Exchange
from flowload.testing import check_resume
from tests.stages.toy import toy_frames
from tests.testing import wrong
from tests.testing.wrong import Adds, Counts, Pairs, Whatever, WhateverSource, batches

FRAMES = [toy_frames(9), toy_frames(1, chunk=1), toy_frames(14, chunk=2), toy_frames(5, tag=1, stride=30)]


def stage(*operators: Any) -> Whatever:
    return Whatever(make=lambda: [operator() for operator in operators])


@pytest.mark.parametrize("operators", [[Adds], [Pairs], [Adds, Pairs, Adds, Pairs]])
def test_a_right_stage_goes_on_behind_every_cut(operators: list[type]) -> None:
    assert check_resume(stage(*operators), batches(3, 1, 4, 5)) == 6
    assert check_resume(stage(*operators), [*batches(3, 1), Mark.CAUGHT_UP, *batches(4, 5), Mark.EPOCH]) == 7


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_right_source_goes_on_within_a_pass_and_between(epochs: int) -> None:
    assert check_resume(WhateverSource(make=lambda: [Counts(), Pairs()]), epochs=epochs) == 1 + 6 * epochs


def test_a_drawing_goes_on_as_its_stages_do() -> None:
    graph = place(WhateverSource(make=lambda: [Counts()])) >> place(stage(Pairs)) >> place(stage(Adds))
    assert check_resume(graph) == 13


@pytest.mark.parametrize("size", [1, 4, 12, 100])
def test_payload_comes_back_by_reference(size: int) -> None:
    assert check_resume(ReservoirStage(frames=size), FRAMES) == 6


class Misnames(Exchange):
    def references(self) -> tuple[Any, Any, Any]:
        form, sources, origin = super().references()
        origin["record"] ^= 1
        return form, sources, origin


class ForgetsCount(Exchange):
    def restore(self, state: State) -> None:
        super().restore({**state, "exchanged": 0})


class Unordered(Exchange):
    def references(self) -> tuple[Any, Any, Any]:
        form, sources, origin = super().references()
        return form, sources, origin[::-1]


class Invents(Exchange):
    def references(self) -> tuple[Any, Any, Any]:
        form, sources, origin = super().references()
        origin["chunk"] += 77
        return form, sources, origin


@pytest.mark.parametrize("kind", [Misnames, ForgetsCount, Unordered])
def test_a_reservoir_that_resumes_wrongly_is_found(kind: type) -> None:
    with pytest.raises(
        AssertionError, match=r"saved behind word \d and restored, it gave something else: block 1"
    ):
        check_resume(Whatever(make=lambda: [kind(4)]), [toy_frames(10), toy_frames(6, chunk=1)])


def test_a_reference_to_nothing_is_found() -> None:
    with pytest.raises(AssertionError, match="refers to a record that never went in: source, chunk, record"):
        check_resume(Whatever(make=lambda: [Invents(4)]), FRAMES)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            wrong.Forgets,
            "saved behind word 1 and restored, it gave something else: block 1['out'].arrays['x'][0]",
        ),
        (wrong.ForgetsHeld, "whatever: holds 0 samples after restore; it held 1"),
        (wrong.OddState, "whatever: state() is not JSON"),
    ],
)
def test_a_fold_that_resumes_wrongly_is_found(kind: type, words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_resume(stage(kind), batches(3, 1, 4, 5))
    assert words in str(caught.value)


def test_a_source_that_resumes_wrongly_is_found() -> None:
    with pytest.raises(
        AssertionError, match="saved behind word 1 and restored, it gave something else: block 1"
    ):
        check_resume(WhateverSource(make=lambda: [wrong.LosesItsCursor()]))


def test_the_material_is_not_touched() -> None:
    frames = Frames(
        FRAMES[0].format, FRAMES[0].sources, FRAMES[0].data.copy(), FRAMES[0].origin.astype(ORIGIN)
    )
    check_resume(ReservoirStage(frames=2), [frames])
    assert (frames.data == FRAMES[0].data).all()


def numbers(lanes: int | None = None) -> fl.Graph:
    rows = fl.rows({"x": np.arange(48)}) >> fl.shuffle()
    return (rows if lanes is None else rows >> fl.shard(0, 1, lanes=lanes)) >> fl.batch(4)


@pytest.mark.slow
def test_lanes_go_on_for_any_number_of_ranks() -> None:
    assert check_resume(numbers(6) >> fl.map(lambda batch: {"x": -batch["x"]}), runs=2) == 3 + 2


@dataclass(frozen=True, kw_only=True)
class AddsLanes(fl.Stage):
    """Adds how many lanes this rank has."""

    word: ClassVar[str] = "adds_lanes"
    accepts: ClassVar[tuple[type, ...]] = (fl.Batch,)
    makes: ClassVar[type | None] = fl.Batch

    def open(self, setting: Setting) -> list[Any]:
        return [AddsTo(len(setting.here))]


class AddsTo:
    def __init__(self, number: int) -> None:
        self.number = number

    def apply(self, block: fl.Batch, call: Any) -> fl.Batch:
        return fl.Batch({"x": block["x"] + self.number})


@pytest.mark.slow
def test_a_lane_that_knows_of_its_rank_is_found() -> None:
    with pytest.raises(AssertionError, match="gone on with other numbers of ranks"):
        check_resume(numbers(6) >> place(AddsLanes()), runs=1)


class ForgetsPasses:
    """Adds the number of passes that were kept apart, and does not save it."""

    passes = 0

    def push(self, block: fl.Batch, call: Any) -> list[fl.Batch]:
        return [fl.Batch({"x": block["x"] + self.passes})]

    def flush(self, call: Any) -> list[fl.Batch]:
        self.passes += 1
        return []

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        pass


@pytest.mark.slow
def test_what_resumes_wrongly_where_passes_are_kept_apart_is_found() -> None:
    graph = numbers() >> fl.fold(ForgetsPasses)
    assert check_resume(graph, epochs=1) > 0
    with pytest.raises(AssertionError, match=r"left behind batch \d+, and again behind \d+ more"):
        check_resume(graph, runs=None)
