"""Declarations check themselves, and print what differs from their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from flowload.abc.operators import Setting
from flowload.errors import GraphError
from flowload.graph import Stage, place
from tests.graph.drawings import Source


@dataclass(frozen=True, kw_only=True)
class Full(Stage):
    word: ClassVar[str] = "full"
    size: int
    rate: float = 1.0
    names: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    table: Any = None
    hidden: int = field(default=1, repr=False)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, {}),
        ({"rate": 1.0, "names": (), "weights": {}, "table": None}, {}),
        ({"rate": 0.5}, {"rate": 0.5}),
        ({"rate": 1}, {"rate": 1}),
        ({"names": ("a",), "weights": {"a": 1.0}}, {"names": ("a",), "weights": {"a": 1.0}}),
        ({"workers": 3, "on_error": "skip"}, {"workers": 3, "on_error": "skip"}),
        ({"on_error": "skip", "max_errors": 0.25}, {"on_error": "skip", "max_errors": 0.25}),
        ({"hidden": 5}, {}),
    ],
)
def test_parameters_are_what_differs_from_the_defaults(given: dict[str, Any], shown: dict[str, Any]) -> None:
    parameters = Full(size=4, **given).parameters()
    assert parameters.pop("size") == 4  # type: ignore[attr-defined]  # a dict, though a Mapping is promised
    assert parameters == shown


def test_arrays_are_parameters_too() -> None:
    table = np.zeros(3)
    assert Full(size=1, table=table).parameters()["table"] is table


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "full: workers is 0; wanted a number from 1, or None"),
        ({"workers": True}, "workers is True"),
        ({"workers": 2.0}, "workers is 2.0"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; wanted 'raise' or 'skip'"),
        ({"max_errors": 3}, "max_errors needs on_error='skip'"),
        ({"on_error": "skip", "max_errors": -1}, "max_errors is -1; wanted a count"),
        ({"on_error": "skip", "max_errors": 1.0}, "max_errors is 1.0"),
        ({"on_error": "skip", "max_errors": float("nan")}, "max_errors is nan"),
        ({"on_error": "skip", "max_errors": "3"}, "max_errors is '3'"),
    ],
)
def test_bad_parameters_are_refused_when_the_stage_is_made(given: dict[str, Any], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        Full(size=1, **given)


def test_a_stage_must_say_what_it_gives_and_opens() -> None:
    stage = Full(size=1)
    with pytest.raises(GraphError, match=r"full: Full has no gives\(\)"):
        stage.gives([])
    with pytest.raises(GraphError, match=r"full: Full has no open\(\)"):
        stage.open(Setting(seed=0, epochs=1, cpus=1))
    assert stage.memory(Setting(seed=0, epochs=1, cpus=1)) == 0


def test_nodes_are_compared_by_identity_and_print_shortly() -> None:
    one, two = (place(Source()).nodes()[0].node for _ in range(2))
    assert one != two
    assert one.stage == two.stage
    assert "inputs" not in repr(one)
