"""Joining drawings: shared nodes stay shared, and what cannot be joined says why."""

from __future__ import annotations

import pytest

from flowload.errors import GraphError
from flowload.graph import Graph, outputs
from tests.graph.drawings import head, mapped, merge, source, split


def test_diamonds_stay_diamonds_when_they_are_joined_late() -> None:
    parts = split("a", "b")
    diamond = [parts["a"] >> mapped(1), parts["b"] >> mapped(2)] >> merge()
    graph = source() >> diamond
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "split", "map", "map_2", "merge"]
    assert [origin.node for origin in graph.plan["merge"].inputs] == ["map", "map_2"]


def test_branches_of_one_head_are_recognised() -> None:
    parts = head() >> split("a", "b")
    graph = [parts["a"] >> mapped(), parts["b"]] >> merge()
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "map", "split", "map_2", "merge"]
    assert graph.plan["merge"].inputs == (("map_2", "out"), ("split", "b"))


def test_branches_that_were_joined_to_the_same_head_apart_are_recognised() -> None:
    first, parts = head(), split("a", "b")
    graph = [first >> parts["a"], first >> parts["b"]] >> merge()
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "map", "split", "merge"]


def test_joining_leaves_the_operands_as_they_were() -> None:
    left, right = head(), mapped(3)
    before = left.signature, right.signature
    left >> right
    assert (left.signature, right.signature) == before
    assert right.nodes()[0].open


def test_a_branch_may_be_joined_behind_its_sibling() -> None:
    parts = source() >> split("a", "b")
    tail = [mapped(), parts["b"]] >> merge()
    graph = parts["a"] >> tail
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "split", "map", "merge"]


@pytest.mark.parametrize(
    ("steps", "shown"), [(1, "map >> map"), (2, "map >> map_2 >> map"), (3, "map >> map_2 >> map_3 >> map")]
)
def test_a_cycle_prints_its_path(steps: int, shown: str) -> None:
    loop = mapped()
    for _ in range(steps - 1):
        loop = loop >> mapped()
    with pytest.raises(GraphError, match=f"^a cycle: {shown}; 'map', declared at .*, would feed itself"):
        loop >> loop
    with pytest.raises(GraphError, match=f"a cycle: {shown};"):
        source() >> loop >> loop


def test_a_cycle_through_other_nodes_is_shown_whole() -> None:
    loop = mapped().named("a") >> mapped().named("b")
    with pytest.raises(GraphError, match="a cycle: a >> b >> between >> a;"):
        source() >> loop >> mapped().named("between") >> loop


def test_a_cycle_back_into_the_middle_is_shown() -> None:
    middle = mapped().named("middle")
    with pytest.raises(GraphError, match="a cycle: new >> middle >> old >> new; 'middle'"):
        (source() >> middle >> mapped().named("old")) >> (mapped().named("new") >> middle)


def test_a_template_beside_the_way_is_no_cycle() -> None:
    template, parts = mapped(), source() >> split("a", "b")
    graph = outputs((parts["b"] >> template).drop(), a=parts["a"]) >> template
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "split", "map", "map_2", "drop"]


def test_a_source_cannot_stand_on_the_right() -> None:
    with pytest.raises(
        GraphError, match=r"no open input: it begins with the source 'source', declared at .*:\d+"
    ):
        head() >> source()


def test_what_is_joined_already_cannot_be_joined_again() -> None:
    with pytest.raises(GraphError, match="no open input"):
        head() >> head()


def test_two_open_places_are_named() -> None:
    tail = [mapped().named("one"), mapped().named("two")] >> merge()
    with pytest.raises(GraphError, match=r"waits for input in several places: 'one' \(.*\), 'two' \(.*\)"):
        source() >> tail


def test_several_outputs_must_be_chosen_from() -> None:
    with pytest.raises(GraphError, match=r"several outputs \('a', 'b'\); choose one, such as graph\['a'\]"):
        (source() >> split("a", "b")) >> mapped()


def test_nothing_comes_out_of_what_was_dropped() -> None:
    with pytest.raises(GraphError, match=r"'map', declared at .*, cannot be joined: its left has no output"):
        source().drop() >> mapped()


def test_several_graphs_need_a_stage_that_takes_several() -> None:
    with pytest.raises(
        GraphError, match="'map' takes one input, not 2: put a merge before it; it is declared at"
    ):
        [source(), source()] >> mapped()


def test_one_graph_in_a_list_may_go_anywhere() -> None:
    assert [source()] >> mapped() == source() >> mapped()
    assert len(([source()] >> merge()).nodes()[-1].inputs) == 1


def test_lists_keep_their_order_and_tuples_do_too() -> None:
    heads = tuple(source(n) >> mapped(n).named(f"m{n}") for n in (3, 1, 2))
    for several in (heads, list(heads)):
        graph: Graph = several >> merge()
        assert [origin.node for origin in graph.plan["merge"].inputs] == ["m3", "m1", "m2"]


def test_a_tail_with_several_outputs_keeps_them() -> None:
    tail = mapped() >> split("a", "b")
    graph = source() >> tail
    graph.check()
    assert [end.name for end in graph.plan.ends] == ["a", "b"]


def test_names_survive_joining() -> None:
    graph = source().named("files") >> (mapped().named("x") >> mapped()) >> mapped()
    assert [placed.name for placed in graph.nodes()] == ["files", "x", "map", "map_2"]


def test_only_one_last_node_can_be_named() -> None:
    parts = source() >> split("a", "b")
    assert parts.named("cut").nodes()[-1].name == "cut"
    assert source().drop().named("bin").nodes()[-1].name == "bin"
    both = [parts["a"] >> mapped(), parts["b"]] >> merge()
    with pytest.raises(GraphError, match=r"named\('x'\): this graph ends in several nodes: 'split', 'map'"):
        Graph((("a", both.nodes()[-1].node.inputs[0]), ("b", both.nodes()[-1].node.inputs[1]))).named("x")  # type: ignore[arg-type]
