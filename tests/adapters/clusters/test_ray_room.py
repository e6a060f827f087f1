"""How many actors a Ray cluster has room for, as its nodes say; without Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flowload.adapters import ray_lanes
from flowload.adapters.ray_lanes import capacity_of
from flowload.graph.on_ray import OnRay, Placement


class SilentError(Exception):
    """What a cluster raises that does not answer."""


class Library:
    """Ray, as far as it is asked: its nodes."""

    exceptions = SimpleNamespace(RayError=SilentError)

    def __init__(self, *nodes: dict[str, float] | None) -> None:
        self.known = [{"Alive": node is not None, "Resources": node or {"CPU": 100.0}} for node in nodes]
        self.silent = False

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        if self.silent:
            raise SilentError("no answer")
        return self.known


def asked(placement: Placement = "spread", cpus: int = 1) -> OnRay:
    return OnRay(workers=4, lanes=None, bytes_ahead=1, cut=None, placement=placement, cpus=cpus)


@pytest.mark.parametrize(
    ("how", "room"),
    [
        (asked(), 16),
        (asked(cpus=3), 4),  # one of the CPUs of a node has no use
        (asked(cpus=9), 0),
        (asked("cpu"), 8),
        (asked("near"), 16),
        (asked({"num_cpus": 0.5}), 32),
        (asked({"resources": {"loader": 1}}), 2),
        (asked({"num_gpus": 0.1}), 8),
        (asked({"scheduling_strategy": "SPREAD", "memory": 1e9}), 3),
        (asked({"num_cpus": 0}), None),
    ],
)
def test_room_is_counted_node_by_node(how: OnRay, room: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cards = {"CPU": 8.0, "GPU": 4.0, "memory": 2.5e9}
    library = Library(with_cards, {"CPU": 4.0, "memory": 1e9, "loader": 2.0}, {"CPU": 4.0}, None)
    monkeypatch.setattr(ray_lanes, "ray", lambda: library)
    assert capacity_of(how) == room


def test_a_cluster_that_does_not_answer_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library({"CPU": 2.0})
    monkeypatch.setattr(ray_lanes, "ray", lambda: library)
    library.silent = True
    assert capacity_of(asked()) is None
    assert "no answer" in caplog.text
    library.silent = False
    assert capacity_of(asked()) == 2
