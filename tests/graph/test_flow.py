"""Random drawings have the edges, the order and the names that they were drawn with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given

from flowload.abc.operators import Block
from flowload.errors import GraphError
from flowload.graph import Graph, Node, Port, Stage
from tests.graph.drawings import Apples, Pears, Program, head, mapped, merge, pears, source, split
from tests.graph.strategies import programs


def mark(stage: Stage) -> int:
    return int(getattr(stage, "mark", -1))


def edges(graph: Graph) -> set[tuple[int, str, int]]:
    marks = {placed.name: mark(placed.stage) for placed in graph.nodes()}
    return {
        (marks[origin.node], origin.port, marks[placed.name])
        for placed in graph.nodes()
        for origin in placed.inputs
    }


@given(programs)
def test_every_edge_that_was_drawn_is_there_once(program: Program) -> None:
    graph, wanted = program.draw(source())
    graph.check()
    assert edges(graph) == wanted
    assert sum(len(placed.inputs) for placed in graph.nodes()) == len(wanted)
    assert sorted(mark(placed.stage) for placed in graph.nodes()) == list(range(len(program.steps) + 1))


@given(programs)
def test_sources_stand_before_their_readers_and_names_are_unique(program: Program) -> None:
    graph, _ = program.draw(source())
    seen: set[str] = set()
    for placed in graph.nodes():
        assert {origin.node for origin in placed.inputs} <= seen
        assert placed.name not in seen
        seen.add(placed.name)


@given(programs)
def test_words_are_numbered_in_flow_order(program: Program) -> None:
    graph, _ = program.draw(source())
    counts: dict[str, int] = {}
    for placed in graph.nodes():
        word = placed.stage.word
        counts[word] = counts.get(word, 0) + 1
        assert placed.name == (word if counts[word] == 1 else f"{word}_{counts[word]}")


@given(programs)
def test_what_is_joined_late_is_the_same_drawing(program: Program) -> None:
    early, _ = program.draw(source(7) >> mapped())
    late, _ = program.draw(mapped())
    assert source(7) >> late == early


@given(programs)
def test_equality_and_hash_are_by_value(program: Program) -> None:
    one, _ = program.draw(source())
    again, _ = program.draw(source())
    other, _ = program.draw(source(99))
    assert one == again
    assert hash(one) == hash(again)
    assert one != other
    assert [placed.node for placed in one.nodes()] != [placed.node for placed in again.nodes()]


def test_names_that_the_user_gave_come_first() -> None:
    graph = source() >> mapped() >> mapped().named("map") >> mapped().named("map_2") >> mapped()
    assert [placed.name for placed in graph.nodes()] == ["source", "map_3", "map", "map_2", "map_4"]


def test_the_same_name_twice_names_both_lines() -> None:
    one, two = mapped().named("x"), mapped().named("x")
    with pytest.raises(
        GraphError, match=r"two nodes are named 'x': one declared at .*drawings.py:\d+, the oth"
    ):
        source() >> one >> two


def test_a_shared_node_with_two_names_is_refused() -> None:
    parts = source() >> split("a", "b")
    with pytest.raises(GraphError, match="two names, 'x' and 'y', for the one node"):
        [parts["a"].named("x"), parts["b"].named("y")] >> merge()


def test_a_name_given_on_one_branch_holds_for_the_shared_node() -> None:
    parts = source() >> split("a", "b")
    graph = [parts["a"], parts["b"].named("x")] >> merge()
    assert [placed.name for placed in graph.nodes()] == ["source", "x", "merge"]


def test_wrong_types_name_both_stages_both_types_and_both_lines() -> None:
    apples = head()
    with pytest.raises(
        GraphError,
        match=r"^'map' gives Apples, but 'pears' takes Pears; "
        r"'map' is declared at .*drawings.py:\d+, 'pears' at .*drawings.py:\d+$",
    ):
        apples >> pears()


def test_the_port_is_named_where_there_are_several() -> None:
    parts = source() >> split("a", "b")
    with pytest.raises(GraphError, match=r"'split\.a' gives Apples, but 'pears' takes Pears"):
        parts["a"] >> pears()


def test_types_of_a_partial_graph_are_checked_when_it_is_joined() -> None:
    partial = split("a", "b")["a"] >> pears()
    assert (source(kind=Pears) >> partial).nodes()[-1].carries == (Pears,)
    with pytest.raises(GraphError, match=r"'split\.a' gives Apples, but 'pears' takes Pears"):
        source(kind=Apples) >> partial


@pytest.mark.parametrize("anything", [object, Block])
def test_what_may_be_anything_is_left_to_the_run(anything: type) -> None:
    graph = source(kind=anything) >> pears() if anything is object else source() >> split("a", "b")
    assert graph.nodes()[0].carries[0] in (anything, Apples)


def test_a_port_has_one_reader() -> None:
    shared = head()
    with pytest.raises(
        GraphError, match=r"'map' has two readers, 'merge' \(.*\) and 'merge' .*; put a tee\(...\) between"
    ):
        [shared, shared] >> merge()
    with pytest.raises(GraphError, match="'map' has two readers"):
        [shared >> mapped(), shared >> mapped()] >> merge()


def test_a_template_joined_to_two_heads_is_two_nodes() -> None:
    template = mapped(5) >> mapped(6)
    graph = [source(1) >> template, source(2) >> template] >> merge(3)
    assert edges(graph) == {(1, "out", 5), (5, "out", 6), (2, "out", 5), (6, "out", 3)}
    assert [placed.name for placed in graph.nodes()] == [
        "source", "map", "map_2", "source_2", "map_3", "map_4", "merge"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_long_chain_needs_no_deep_stack() -> None:
    graph = source()
    tail = mapped()
    for _ in range(300):
        tail = tail >> mapped()
    for _ in range(5):
        graph = graph >> mapped()
    assert len((graph >> tail).nodes()) == 307


@dataclass(frozen=True, kw_only=True)
class Picky(Stage):
    word: ClassVar[str] = "picky"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    fan_in: ClassVar[bool] = True

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        raise GraphError("picky: these do not go together")


def test_what_a_stage_finds_wrong_is_told_with_the_lines() -> None:
    node = Node(Picky(), (None,), None, "here:1")
    with pytest.raises(GraphError, match=r"^picky: these do not go together; 'picky' is declared at here:1$"):
        Graph((("out", Port(node)),))
    inputs = tuple(graph.ends[0][1] for graph in (source(), source(kind=Pears) >> pears()))
    with pytest.raises(
        GraphError,
        match=r"'picky' is declared at here:1, 'source' \(Apples\) at .*:\d+, 'pears' \(Pears\) at .*:\d+$",
    ):
        Graph((("out", Port(replace(node, inputs=inputs))),))


def test_a_port_that_a_node_does_not_have_is_refused() -> None:
    node = source().ends[0][1].node
    with pytest.raises(GraphError, match=r"'source', declared at .*, has no output 'x'"):
        Graph((("out", Port(node, "x")),))
    with pytest.raises(GraphError, match=r"'source', declared at .*, has no output 'x'"):
        Graph((("out", Port(Node(Picky(), (Port(node, "x"),), None, "here:1"))),))
