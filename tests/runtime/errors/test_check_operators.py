"""A stage that somebody wrote by himself: what is wrong with it is named before its run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import flowload as fl
from flowload.abc.operators import Setting
from flowload.errors import GraphError
from flowload.graph import Graph, place
from flowload.runtime.check_operators import METHODS, misshapen
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Cycle,
    Does,
    Folds,
    Junction,
    Modulo,
    Origin,
    Rebatches,
    Step,
    Yields,
    in_turn,
    numbers,
    plus,
)


def without(kind: type, *names: str) -> Any:
    """An object of a class that lacks methods."""
    methods = {name: getattr(kind, name) for name in dir(kind) if name not in names and name[:2] != "__"}
    return type(f"Bad{kind.__name__}", (), methods)()


RIGHT: dict[str, Callable[[], Any]] = {
    "Source": lambda: Yields(lambda _: ()),
    "Map": lambda: Does(lambda block, _: block),
    "Fold": Folds,
    "Route": lambda: Modulo(("a",)),
    "Turn": Cycle,
}


@pytest.mark.parametrize("shape", METHODS, ids=lambda shape: shape.__name__)
def test_every_shape_is_known_and_each_of_its_methods_is_missed(shape: type) -> None:
    right = RIGHT[shape.__name__]()
    assert misshapen(right) == ""
    for name in METHODS[shape]:
        wrong = misshapen(without(type(right), name))
        if len(METHODS[shape]) == 1:
            assert wrong.endswith("is none of the shapes Source, Map, Fold, Route and Turn")
        else:
            assert f"has no {name}; a {shape.__name__} has " in wrong


def test_what_is_a_power_may_be_missing() -> None:
    assert misshapen(without(Folds, "held", "state", "restore")) == ""
    assert misshapen(without(Yields, "state", "restore")) == ""


class HeldMethod(Folds):
    def held(self) -> int:  # type: ignore[override]
        return 0


class NoState(Folds):
    state = None  # type: ignore[assignment]


class Number(Folds):
    flush = 7  # type: ignore[assignment]


class AsyncPush(Folds):
    async def push(self, block: Any, call: Any) -> Any:  # type: ignore[override]
        return []


class Both(Does, Folds):
    pass


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (HeldMethod(), "HeldMethod.held is a method; wanted a property or a number"),
        (NoState(), "NoState has no state; what can be resumed has state and restore, or neither"),
        (Number(), "Number.flush is 7; wanted a method"),
        (AsyncPush(), "AsyncPush.push is a coroutine function; only epoch and apply may be"),
        (Folds, "Folds is a class; wanted an object of it: Folds(...)"),
        (len, "<built-in function len> is none of the shapes Source, Map, Fold, Route and Turn"),
        (None, "nothing is none of the shapes Source, Map, Fold, Route and Turn"),
    ],
)
def test_what_looks_like_an_operator_and_is_none(operator: Any, words: str) -> None:
    assert misshapen(operator) == words


class Choosy(Folds):
    def choose(self, alive: Any) -> int:
        return 0


def test_a_fold_may_have_a_method_of_another_shapes_name() -> None:
    assert misshapen(Choosy()) == ""
    assert misshapen(without(Choosy, "flush")) == "BadChoosy is Fold and Turn; wanted one shape"


def test_two_shapes_at_once_are_none() -> None:
    assert misshapen(Both(lambda block, _: block)) == "Both is Map and Fold; wanted one shape"


def test_held_is_not_asked_before_the_run() -> None:
    class Trap(Rebatches):
        @property
        def held(self) -> int:
            raise RuntimeError

    assert misshapen(Trap(1)) == ""


def made(kind: Any, opened: Any, **how: Any) -> Graph:
    return place(kind(make=lambda: opened, **how), name="mine")


SOURCE, FOLD, ROUTE = Yields(lambda _: ()), Folds(), Modulo(("a", "b"))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: numbers(3) >> made(Step, None), "Step.open() gave nothing; wanted a list of operators"),
        (lambda: numbers(3) >> made(Step, []), "Step.open() gave no operator; wanted one or more"),
        (lambda: numbers(3) >> made(Step, "fold"), "Step.open() gave 'fold'; wanted a list of operators"),
        (lambda: numbers(3) >> made(Step, FOLD), "wanted a list of operators; return [Folds(...)]"),
        (lambda: numbers(3) >> made(Step, iter([FOLD])), "wanted a list of operators"),
        (lambda: numbers(3) >> made(Step, [FOLD, Folds]), "Folds is a class"),
        (lambda: numbers(3) >> made(Step, [FOLD, 7]), "7 is none of the shapes"),
        (lambda: numbers(3) >> made(Step, [without(Folds, "flush")]), "BadFolds has no flush; a Fold has"),
        (lambda: made(Origin, [FOLD]), "nothing flows into it, so it begins with a Source; Folds is none"),
        (lambda: numbers(3) >> made(Step, [SOURCE]), "Yields is a Source, but blocks flow into this stage"),
        (lambda: made(Origin, [SOURCE, SOURCE]), "Yields takes no blocks, but stands behind another"),
        (lambda: numbers(3) >> made(Step, [FOLD, Cycle()]), "Cycle takes no blocks, but stands behind"),
        (
            lambda: (numbers(3) >> made(Step, [ROUTE, FOLD], ports=("a", "b"))).drop("b"),
            "Modulo is a Route, but does not stand at the end",
        ),
        (
            lambda: (numbers(3) >> made(Step, [FOLD], ports=("a", "b"))).drop("b"),
            "gives() names 'a' and 'b', but Folds is no Route: it writes to 'out' alone",
        ),
        (
            lambda: numbers(3) >> made(Step, [FOLD], ports=("made",)),
            "gives() names 'made', but Folds is no Route: it writes to 'out' alone",
        ),
        (
            lambda: [numbers(3), numbers(3)] >> made(Junction, [FOLD]),
            "2 streams flow into it, so it begins with a Turn; Folds is none",
        ),
    ],
)
def test_a_stage_whose_operators_do_not_fit_is_named_with_its_line(
    face: Face, graph: Callable[[], Graph], words: str
) -> None:
    drawn = graph()
    with pytest.raises(GraphError) as caught:
        face.read(drawn >> plus(0))
    assert str(caught.value).startswith("stage 'mine': ")
    assert words in str(caught.value)
    assert str(caught.value).endswith(f"'mine' is declared at {drawn.plan['mine'].node.where}")


def test_what_was_opened_before_is_closed() -> None:
    log: list[str] = []

    class Closes(Folds):
        def close(self) -> None:
            log.append("closed")

    graph = numbers(3) >> made(Step, [Closes()]) >> place(Step(make=lambda: [7]))  # type: ignore[list-item]
    with pytest.raises(GraphError, match="7 is none of the shapes"), graph.iterate():
        pass
    assert log == ["closed"]


# ---- what stages say that they give


@dataclass(frozen=True, kw_only=True)
class Says(fl.Stage):
    """Says anything."""

    word: ClassVar[str] = "says"
    accepts: ClassVar[tuple[type, ...]] = (object,)

    what: Any

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return self.what  # type: ignore[no-any-return]

    def open(self, setting: Setting) -> Sequence[Any]:
        return [Folds()]


@dataclass(frozen=True, kw_only=True)
class SaysLater(Says):
    """Says it when it is joined."""

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": object} if incoming == [object] else super().gives(incoming)


@dataclass(frozen=True, kw_only=True)
class Silent(fl.Stage):
    """Says nothing, and opens nothing."""

    word: ClassVar[str] = "silent"
    accepts: ClassVar[tuple[type, ...]] = (object,)


@pytest.mark.parametrize("kind", [Says, SaysLater])
@pytest.mark.parametrize(
    ("what", "words"),
    [
        (None, ".gives() gave nothing; wanted output names"),
        (["out"], ".gives() gave ['out']; wanted output names"),
        ({"out": "Batch"}, ".gives() says 'out' carries 'Batch'; wanted a class"),
        ({1: object}, " cannot be named 1"),
        ({"a.b": object}, " cannot be named 'a.b'"),
    ],
)
def test_what_a_stage_says_wrongly_is_named_with_its_line(kind: Any, what: Any, words: str) -> None:
    with pytest.raises(GraphError) as caught:
        fl.rows(3) >> fl.place(kind(what=what))
    assert f"says: {kind.__name__}{words}" in str(caught.value) or (
        f"says: an output of {kind.__name__}{words}" in str(caught.value)
    )
    assert f"'says' is declared at {__file__}" in str(caught.value)


def test_a_stage_that_says_nothing_is_named_with_its_line() -> None:
    with pytest.raises(GraphError, match=r"silent: Silent has no gives\(\).*declared at"):
        fl.place(Silent())


def test_a_stage_that_opens_nothing_is_named_with_its_line(face: Face) -> None:
    class Gives(Silent):
        def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
            return {"out": object}

    with pytest.raises(GraphError, match=r"silent: Gives has no open\(\)") as caught:
        face.read(numbers(3) >> fl.place(Gives()))
    assert "in stage 'silent', declared at" in caught.value.__notes__[0]


def test_streams_join_in_one_place(face: Face) -> None:
    joined = [numbers(2), numbers(2)] >> in_turn()
    assert len(face.read(joined)) == 4
