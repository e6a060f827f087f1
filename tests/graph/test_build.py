"""The graph as users meet it: `>>`, branches, outputs, drop, names, running."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from flowload.errors import GraphError
from flowload.graph import Graph, outputs, place
from flowload.graph.engine import RunOrder
from tests.graph.drawings import Map, Source, head, mapped, merge, source, split


def test_a_branch_by_item_and_by_attribute() -> None:
    parts = head() >> split("train", "valid")
    assert parts["train"] == parts.train  # type: ignore[attr-defined]
    assert [end.name for end in parts["train"].plan.ends] == ["train"]
    assert hasattr(parts, "valid")
    assert not hasattr(parts, "test")


def test_an_unknown_branch_lists_the_known_ones() -> None:
    parts = head() >> split("train", "valid")
    with pytest.raises(GraphError, match="no output 'test'; it has 'train', 'valid'"):
        parts["test"]
    with pytest.raises(AttributeError, match="no attribute 'test'; this one has the outputs train, valid"):
        _ = parts.test  # type: ignore[attr-defined]
    with pytest.raises(GraphError, match="no output 'x'; it has none"):
        source().drop()["x"]


def test_outputs_share_what_is_before_them() -> None:
    parts = head() >> split("train", "valid")
    graph = outputs(train=parts["train"] >> mapped(1), valid=parts["valid"] >> mapped(2) >> mapped(3))
    graph.check()
    assert [placed.name for placed in graph.nodes()] == ["source", "map", "split", "map_2", "map_3", "map_4"]
    assert graph.plan.ends == (("train", "map_2", "out"), ("valid", "map_4", "out"))


def test_outputs_may_come_from_strangers() -> None:
    graph = outputs(a=source(1), b=source(2))
    graph.check()
    assert [end.node for end in graph.plan.ends] == ["source", "source_2"]


def test_outputs_takes_graphs_with_one_end_by_name() -> None:
    parts = head() >> split("a", "b")
    with pytest.raises(GraphError, match=r"outputs\(x=...\) wants a graph with one output; it has 'a', 'b'"):
        outputs(x=parts)
    with pytest.raises(GraphError, match="wants names for outputs: this one has 'a', 'b'"):
        outputs(parts)
    with pytest.raises(GraphError, match=r"outputs\(\) takes graphs; there is 3"):
        outputs(x=3)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="wants a graph with one output; it has none"):
        outputs(x=parts.drop())


def test_one_end_cannot_be_two_outputs() -> None:
    graph = head()
    with pytest.raises(GraphError, match="'map' has two readers, the output 'a' and the output 'b'"):
        outputs(a=graph, b=graph)


def test_drop_ends_a_port_for_the_drawing_that_it_belongs_to() -> None:
    parts = head() >> split("train", "valid")
    kept = parts.drop("valid") >> mapped()
    kept.check()
    assert [placed.name for placed in kept.nodes()] == ["source", "map", "split", "map_2", "drop"]
    assert kept.plan["drop"].inputs == (("split", "valid"),)
    assert kept.plan["drop"].outputs == ()


def test_dropped_branches_go_into_outputs_without_a_name() -> None:
    parts = head() >> split("train", "valid", "test")
    graph = outputs(parts["test"].drop(), train=parts["train"], valid=parts["valid"])
    graph.check()
    assert graph == parts.drop("test")
    assert [end.name for end in graph.plan.ends] == ["train", "valid"]


def test_sinks_are_kept_once_through_branches_and_merges() -> None:
    parts = (head() >> split("a", "b", "c", "d")).drop("d", "d")
    graph = [parts["a"], outputs(x=parts["b"]), parts["c"] >> mapped()] >> merge()
    graph.check()
    assert len(graph.sinks) == 1
    assert [placed.name for placed in graph.nodes()].count("drop") == 1


def test_drop_needs_an_output() -> None:
    with pytest.raises(GraphError, match="drop\\(\\) ends outputs, and this graph has none"):
        head().drop().drop()
    with pytest.raises(GraphError, match="no output 'x'"):
        head().drop("x")


def test_a_partial_graph_keeps_its_sinks_when_it_is_joined() -> None:
    tail = split("a", "b").drop("b") >> mapped()
    (source() >> tail).check()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (3, "on its right is 3$"),
        (None, "on its right is None"),
        (mapped, "call it, or wrap a function of your own in fl.map"),
        (Map(), r"make it a graph with place\(...\)"),
        ([mapped(), mapped()], "a port has one reader: put a tee\\(...\\) between"),
    ],
)
def test_what_is_no_graph_cannot_stand_on_the_right(wrong: Any, said: str) -> None:
    with pytest.raises(GraphError, match=f"(?s)^'>>' joins graphs; .*{said}"):
        head() >> wrong


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (3, "'>>' joins graphs; on its left is 3"),
        ([], "on its left is an empty list"),
        ([3], "'>>' joins graphs; on its left is 3"),
    ],
)
def test_what_is_no_graph_cannot_stand_on_the_left(wrong: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        wrong >> mapped()


def test_a_drawing_holds_no_batches() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(head())  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["", " x", "a.b", "a\nb", 3, "total"])
def test_names_are_printable_text_without_dots(name: Any) -> None:
    with pytest.raises(GraphError, match="a node cannot be named"):
        head().named(name)
    with pytest.raises(GraphError, match="a node cannot be named"):
        place(Map(), name=name)
    if isinstance(name, str) and name != "total":
        with pytest.raises(GraphError, match="an output cannot be named"):
            outputs(**{name: head()})


def test_place_names_a_node_and_keeps_the_users_line() -> None:
    graph = place(Source(), name="files")
    assert graph.nodes()[0].name == "files"
    file, _, line = graph.nodes()[0].node.where.rpartition(":")
    assert file == __file__
    assert line.isdecimal()


def test_drop_is_declared_where_the_user_wrote_it() -> None:
    assert head().drop().nodes()[-1].node.where.startswith(__file__)


def test_graphs_can_be_copied_and_pickled() -> None:
    graph = head() >> split("a", "b")
    assert copy.copy(graph) == graph
    assert copy.deepcopy(graph) == graph
    thawed = pickle.loads(pickle.dumps(graph))
    assert thawed == graph
    assert [thawed["a"] >> mapped(), thawed["b"]] >> merge() == [
        graph["a"] >> mapped(),
        graph["b"],
    ] >> merge()


def test_graphs_are_equal_whatever_the_lines() -> None:
    one = source(1) >> mapped(2)
    two = source(1) >> mapped(2)
    assert one == two
    assert len({one, two}) == 1
    assert one != source(1) >> mapped(3)
    assert one != one.named("x")
    assert outputs(a=one) != outputs(b=one)
    assert one != "a graph"


def test_memory_asks_each_stage_at_its_place() -> None:
    graph = source() >> mapped() >> mapped()
    assert graph.memory() == {"source": 100, "map": 11, "map_2": 20, "total": 131}
    assert graph.memory(cpus=3)["source"] == 300


class Recorder:
    """An engine that only tells what it was asked."""

    def iterate(self, graph: Graph, order: RunOrder) -> Any:
        return "iterate", graph, order

    def stream(self, graph: Graph, order: RunOrder) -> Any:
        return "stream", graph, order


def test_running_goes_to_the_bound_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "engine", Recorder())
    graph = head()
    given: dict[str, Any] = {"seed": 3, "epochs": None, "first_epoch": 4, "align": True, "even": "allow"}
    given |= {"state": {"a": 1}, "cpus": 2, "on_change": "accept"}
    given |= {"capsules": "capsules"}
    asked: Any = graph.iterate(**given)
    assert asked == ("iterate", graph, RunOrder(**given))
    asked = graph.stream(**given)
    assert asked == ("stream", graph, RunOrder(**given))
    asked = graph.stream()
    assert asked == ("stream", graph, RunOrder())
    assert vars(RunOrder(**given)) == given | {"process": False}


def test_without_an_engine_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "engine", None)
    with pytest.raises(GraphError, match="no engine is bound"):
        head().iterate()


def test_arguments_are_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "engine", Recorder())
    with pytest.raises(GraphError, match="seed is -1"):
        head().iterate(seed=-1)
    with pytest.raises(GraphError, match="epochs is 0"):
        head().stream(epochs=0)
    with pytest.raises(GraphError, match="first_epoch is -1"):
        head().iterate(first_epoch=-1)
    with pytest.raises(GraphError, match="align is 1"):
        head().stream(align=1)  # type: ignore[arg-type]
