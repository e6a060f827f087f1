"""What may make ranks differ is found where it stands; what cannot is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import flowload as fl
from flowload.blocks import Batch, Rows
from flowload.errors import GraphError
from flowload.formats.molecules.packed import PackedMolecules
from flowload.graph.inspect.even import find_risks, from_environment, shares_of
from flowload.sample import sample_path
from flowload.stages.rows.arrays import Count


def risks(graph: fl.Graph) -> dict[str, list[tuple[str, bool]]]:
    """By output: the nodes, and whether they are known to make ranks differ."""
    found = find_risks(graph.plan, lambda placed: placed.setting())
    return {name: [(risk.node, risk.known) for risk in risks] for name, risks in found.items()}


def chunks(world: int = 2) -> fl.Graph:
    return fl.discover(sample_path("chess")) >> fl.read("lc0", on_error="skip") >> fl.shard(0, world)


def rows(world: int = 2, *, even: bool = True) -> fl.Graph:
    return fl.rows(100) >> fl.shard(0, world, even=even)


def yes(batch: Any) -> bool:
    return True


def same(batch: Any) -> Any:
    return batch


@dataclass(frozen=True, kw_only=True)
class Own(fl.Stage):
    """A stage of a user's, of which nothing is said."""

    word: ClassVar[str] = "own"
    accepts: ClassVar[tuple[type, ...]] = (Batch, Rows)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": incoming[0]}


@dataclass(frozen=True)
class NpyLike(Count):
    """Rows that may lack data."""

    n: int = 9
    missing: str = "fill"


MOLECULES = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=26, too_large="drop"))

EVEN = {
    "chess": chunks() >> fl.shuffle_pool(9) >> fl.unpack(0.1) >> fl.reservoir(9) >> fl.batch(4),
    "rows": rows() >> fl.shuffle() >> fl.batch(4, drop_last=True) >> fl.to_device("cpu"),
    "molecules": MOLECULES >> fl.shuffle() >> fl.shard(0, 2) >> fl.bucket(8) >> fl.batch(4),
    "filter before": fl.rows(100) >> fl.filter(yes) >> fl.shard(0, 2) >> fl.batch(4),
    "map before": fl.rows(100) >> fl.map(same) >> fl.shard(0, 2) >> fl.batch(4),
    "one rank": rows(1) >> fl.filter(yes) >> fl.batch(4, on_error="skip"),
    "told": rows(even=False) >> fl.filter(yes) >> fl.batch(4),
    "filled": fl.rows(NpyLike()) >> fl.shard(0, 2) >> fl.batch(4),
    "none": fl.rows(100) >> fl.filter(yes) >> fl.batch(4),
    "windows": fl.window_starts(sample_path("neural"), 512) >> fl.shard(0, 2) >> fl.read_windows(),
    "what it skips itself": chunks() >> fl.unpack() >> fl.batch(4),
    "growing": fl.discover("/nowhere", watch=True) >> fl.read("lc0") >> fl.shard(0, 2) >> fl.filter(yes),
}  # fmt: skip


@pytest.mark.parametrize("name", EVEN)
def test_ranks_stay_equal(name: str) -> None:
    assert risks(EVEN[name]) == {}


UNEVEN = {
    "filter": (rows() >> fl.batch(4) >> fl.filter(yes), [("filter", True)]),
    "of rows": (rows() >> fl.filter(yes) >> fl.batch(4), [("filter", True)]),
    "bad rows": (rows() >> fl.batch(4, on_error="skip"), [("batch", True)]),
    "bad chunks": (chunks() >> fl.unpack(on_error="skip") >> fl.batch(4), [("unpack", True)]),
    "bad records": (
        chunks() >> fl.unpack() >> fl.reservoir(9, on_error="skip") >> fl.batch(4), [("reservoir", True)]
    ),
    "bad tensors": (rows() >> fl.batch(4) >> fl.to_device("cpu", on_error="skip"), [("to_device", True)]),
    "rows that lack data": (
        fl.rows(NpyLike(missing="skip")) >> fl.shard(0, 2) >> fl.batch(4), [("batch", True)]
    ),
    "map": (rows() >> fl.batch(4) >> fl.map(same), [("map", False)]),
    "map that skips": (rows() >> fl.batch(4) >> fl.map(same, on_error="skip"), [("map", True)]),
    "own": (rows() >> fl.place(Own()) >> fl.batch(4), [("own", False)]),
    "no batch": (chunks() >> fl.unpack(), [("unpack", False)]),
    "several": (rows() >> fl.filter(yes) >> fl.batch(4) >> fl.map(same), [("filter", True), ("map", False)]),
    "windows": (
        fl.window_starts(sample_path("neural"), 512, order="sequential")
        >> fl.shard(0, 2) >> fl.read_windows() >> fl.sample_within(8, 8),
        [("sample_within", True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNEVEN)
def test_ranks_may_differ(name: str) -> None:
    graph, wanted = UNEVEN[name]
    assert risks(graph) == {"out": wanted}


def test_each_output_by_itself() -> None:
    parts = fl.rows(100) >> fl.split(train=0.8, valid=0.2)
    graph = fl.outputs(
        train=parts["train"] >> fl.shard(0, 2) >> fl.filter(yes) >> fl.batch(4),
        valid=parts["valid"] >> fl.batch(4),
    )
    assert risks(graph) == {"train": [("filter", True)]}
    assert set(shares_of(graph.plan)) == {"shard"}


def test_parts_that_are_split_behind_the_shard_differ() -> None:
    for split in (fl.split(a=1, b=1), fl.split(a=[1, 2], b=[3])):
        parts = rows() >> split
        graph = parts["a"] >> fl.batch(4)
        whole = fl.outputs(parts["b"].drop(), a=graph)
        assert risks(whole) == {"a": [("split", True)]}


def test_one_shard_cannot_foretell_two_samplings() -> None:
    def both(rate: float) -> fl.Graph:
        parts = chunks() >> fl.tee("a", "b")
        return fl.outputs(
            a=parts["a"] >> fl.unpack(0.5) >> fl.batch(4), b=parts["b"] >> fl.unpack(rate) >> fl.batch(4)
        )

    assert risks(both(0.25)) == {"a": [("shard", True)], "b": [("shard", True)]}
    assert risks(both(0.5)) == {}


def test_the_environment_says_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = fl.rows(9) >> fl.shard() >> fl.batch(2)
    assert shares_of(graph.plan)["shard"][:3] == (0, 1, True)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert shares_of(graph.plan)["shard"][:3] == (2, 4, True)
    monkeypatch.setenv("WORLD_SIZE", "four")
    with pytest.raises(GraphError, match="the environment variable WORLD_SIZE is 'four'; wanted a number"):
        from_environment("WORLD_SIZE", 1)
