"""What can be wrong before a run begins is said when it is asked for, in words about the drawing."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.runtime import order as opening
from flowload.runtime.faces.asynchronous import AsyncBatches
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.order import Order
from tests.runtime.stages import fan_out, in_turn, numbers, plus


def order(graph: Graph, **how: Any) -> Order:
    return Order(**{"graph": graph, "seed": 0, "epochs": 1, "state": None, "cpus": None, **how})


def test_the_package_binds_the_engine() -> None:
    assert isinstance(numbers(1).iterate(), Batches)
    assert isinstance(numbers(1).stream(), AsyncBatches)


@pytest.mark.parametrize("face", ["iterate", "stream"])
def test_a_drawing_that_cannot_be_run_is_refused_when_it_is_asked_for(face: str) -> None:
    with pytest.raises(GraphError, match="nothing flows into 'step'"):
        getattr(plus(1), face)()
    with pytest.raises(GraphError, match=r"nobody reads 'step\.b'"):
        getattr((numbers(1) >> fan_out("a", "b"))["a"], face)()
    with pytest.raises(GraphError, match="nothing flows into 'junction'"):
        getattr(in_turn(), face)()


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("seed", "x"), ("epochs", 0), ("cpus", 0)])
@pytest.mark.parametrize("face", ["iterate", "stream"])
def test_arguments_that_make_no_sense_are_refused(face: str, name: str, value: Any) -> None:
    with pytest.raises(GraphError, match=f"{name} is"):
        getattr(numbers(1), face)(**{name: value})


def test_outputs_by_name() -> None:
    assert order(numbers(1)).outputs == ("out",)
    assert order(numbers(1) >> fan_out("a", "b")).outputs == ("a", "b")


def test_a_run_uses_the_cpus_that_it_may_use_or_those_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "usable_cpus", lambda: 5)
    assert order(numbers(1)).open().compiled.run.cpus == 5
    assert order(numbers(1), cpus=3).open().compiled.run.cpus == 3


def test_each_opening_is_a_run_of_its_own() -> None:
    one = order(numbers(1) >> plus(1))
    first, second = one.open(), one.open()
    assert first.pool is not second.pool
    members = zip(first.compiled.members, second.compiled.members, strict=True)
    assert all(a is not b and a.operator is not b.operator for a, b in members)
