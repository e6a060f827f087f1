"""Where rows and lanes are: from the graph alone; no line runs through a station that is not its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.graph import Graph
from flowload.picture.scene.rails import Rails, rails_of
from flowload.picture.scene.rails_json import rails_from, rails_json
from tests.picture.graphs import thirty, three
from tests.runtime.stages import fan_out, in_turn, numbers, plus


def check(rails: Rails, graph: Graph) -> None:
    names = [placed.name for placed in graph.plan.nodes]
    ends = [f"output {end.name!r}" for end in graph.plan.ends]
    assert sorted(row.name for row in rails.rows) == sorted([*names, *ends])
    for link in rails.links:
        assert link.above < link.below
        between = rails.rows[link.above + 1 : link.below]
        assert [row.name for row in between if row.lane == link.lane] == []
        assert 0 <= link.lane < rails.lanes
    for one in rails.links:
        for two in rails.links:
            if one is not two and one.lane == two.lane:  # they may meet, and never run beside each other
                assert one.below <= two.above or two.below <= one.above
    sources = {link.target for link in rails.links}
    assert [row.name for row in rails.rows if row.name not in sources] == [
        placed.name for placed in graph.plan.nodes if not placed.inputs
    ]


def branched(widths: Sequence[int]) -> Graph:
    """Splits into so many, each a chain of so many stages, merged again; and one more output."""
    ports = [f"p{k}" for k in range(len(widths))]
    split = numbers(6, 2) >> fan_out(*ports, "rest")
    branches = []
    for port, length in zip(ports, widths, strict=True):
        branch: Graph = split[port]
        for _ in range(length):
            branch = branch >> plus(1)
        branches.append(branch)
    joined = branches >> in_turn() if len(branches) > 1 else branches[0]
    return fl.outputs(train=joined >> plus(0), rest=split["rest"])


@pytest.mark.parametrize("graph", [three(), thirty(), branched([0, 0]), branched([1])])
def test_every_stage_has_its_row_and_every_link_its_lane(graph: Graph) -> None:
    check(rails_of(graph.describe()), graph)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_whatever_is_split_and_merged(widths: list[int]) -> None:
    graph = branched(widths)
    check(rails_of(graph.describe()), graph)


def test_the_first_port_keeps_its_lane_and_lanes_are_used_again() -> None:
    rails = rails_of(thirty().describe())
    lanes = {row.name: row.lane for row in rails.rows}
    assert [lanes[name] for name in ("origin", "step_0_5", "step_1_0", "step_2_0", "junction", "cut_0")] == [
        0, 0, 1, 2, 0, 3
    ]  # fmt: skip
    assert rails.lanes == 4
    assert [row.label for row in rails.rows if row.output] == ["trainer, train", "trainer, valid"]


def test_rails_pass_through_json() -> None:
    rails = rails_of(thirty().describe(), "t", 7)
    assert rails_from(rails_json(rails)) == rails
    assert rails_from(None) is None


def test_a_dropped_output_ends_its_lane() -> None:
    split = numbers(6, 2) >> fan_out("a", "b")
    graph = fl.outputs(split["b"].drop(), out=split["a"] >> plus(1))
    check(rails_of(graph.describe()), graph)
