"""What operators give that is no block, no pass or no output is named; what is one comes once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.blocks import Batch, Rows
from flowload.errors import GraphError
from flowload.graph import Graph
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Cycle,
    Does,
    Folds,
    Ints,
    Junction,
    Modulo,
    Yields,
    flat,
    ints,
    numbers,
    origin,
    step,
)


def test_a_list_as_a_pass_is_given_once(face: Face) -> None:
    """More of them than one hop of a source takes."""

    class Lists(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return [ints([k]) for k in range(20)]

    assert flat(face.read(origin(Lists(lambda _: ())), epochs=2)) == [*range(20)] * 2


def test_an_asynchronous_iterable_is_a_pass(face: Face) -> None:
    class Walks:
        async def __aiter__(self) -> AsyncIterator[Any]:
            for k in range(20):
                yield ints([k])

    class Gives(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return Walks()

    assert flat(face.read(origin(Gives(lambda _: ())))) == [*range(20)]


NUMBERS = {"x": np.arange(3)}


@pytest.mark.parametrize(
    ("made", "gives", "tail", "words"),
    [
        (NUMBERS, object, fl.shard(0, 1), "mine: Batch came; wanted Chunks or Rows"),
        (NUMBERS, object, fl.shuffle(), "mine: Batch came; wanted Rows"),
        (NUMBERS, object, fl.unpack(), "mine: Batch came; wanted Chunks"),
        (7, object, fl.shuffle(), "mine: int came, which is one value; wanted Rows"),
        (7, object, fl.batch(2), r"mine: int came, which is one value; .*fl.source\(fn, samples=True\)"),
        (7, Batch, fl.batch(2), "mine: int came, which is one value; wanted Frames or Batch or Rows"),
        (NUMBERS, Rows, fl.shuffle(), "mine: Batch came; wanted Rows"),
    ],
)
@pytest.mark.parametrize("stage", ["source", "map"])
def test_what_a_stage_does_not_take_is_named_where_the_wiring_cannot_know(
    face: Face, stage: str, made: Any, gives: type, tail: Graph, words: str
) -> None:
    """Also where the user has told the wiring something that is not so."""
    if stage == "source":
        graph = fl.source([made] * 3, gives=gives) >> tail.named("mine")
    else:
        graph = (
            fl.source([{"y": np.arange(3)}] * 3) >> fl.map(lambda _: made, gives=gives) >> tail.named("mine")
        )
    with pytest.raises(GraphError, match=words) as caught:
        face.read(graph)
    assert caught.value.__notes__ == [f"in stage 'mine', declared at {graph.plan['mine'].node.where}"]


async def nothing(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: origin(Yields(lambda _: [[1, 2]])), "gave a list, which is no block"),
        (lambda: numbers(3) >> step(lambda: Does(lambda block, _: 7)), "gave a int, which is no block"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: [7])), "gave a int, which is no block"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: [None])), "gave None among its blocks"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: None)), "'NoneType' object is not iterable"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_block_is_named(face: Face, graph: Callable[[], Graph], words: str) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        face.read(graph())
    assert "in stage" in caught.value.__notes__[0]


@pytest.mark.parametrize("made", [None, 7, nothing])
def test_a_pass_that_cannot_be_gone_through_is_named(face: Face, made: Any) -> None:
    class Gives(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return made() if made is nothing else made

    with pytest.raises(TypeError, match=r"epoch\(\) gave a .*; wanted an iterator of blocks") as caught:
        face.read(origin(Gives(lambda _: ())))
    assert "in stage 'origin'" in caught.value.__notes__[0]


def test_a_part_for_an_output_that_does_not_exist_is_named(face: Face) -> None:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return {"evne": block}

    split = numbers(9) >> step(lambda: Routes(()), ports=("even", "odd"))
    with pytest.raises(fl.FlowloadError, match=r"for the output 'evne'; this stage has 'even', 'odd'"):
        face.read(split.drop("odd"))


def test_parts_that_have_no_names_are_named(face: Face) -> None:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return [block]

    split = numbers(9) >> step(lambda: Routes(()), ports=("even", "odd"))
    with pytest.raises(TypeError, match=r"route\(\) gave a list; wanted a dict of parts by output name"):
        face.read(split.drop("odd"))


def test_an_input_that_does_not_exist_is_named(face: Face) -> None:
    class Chooses(Cycle):
        def choose(self, alive: Any) -> int:
            return 7

    joined = [numbers(3), numbers(3)] >> fl.place(Junction(make=lambda: [Chooses()]))
    with pytest.raises(fl.FlowloadError, match=r"choose\(\) gave 7; wanted one of the inputs \[0, 1\]"):
        face.read(joined)


def test_a_fold_that_is_left_in_the_midst_of_a_call_ends_its_generator_then(face: Face) -> None:
    def fails(block: Ints, call: Call) -> Iterator[Ints]:
        try:
            while True:
                yield block
        finally:
            raise OSError("at the end")

    logged: list[str] = []
    graph = numbers(1) >> step(lambda: Folds(fails), name="mine")
    with pytest.MonkeyPatch.context() as patch:
        told = "flowload.runtime.run.log.error"
        patch.setattr(told, lambda text, **how: logged.append(str(how["exc_info"])))
        face.read(graph, 2)
    assert logged == ["at the end"]
