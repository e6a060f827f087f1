"""`fl.outputs`: several drawings as one, with an output for each."""

from __future__ import annotations

from flowload.errors import GraphError

from .build import Graph, as_graph
from .keywords import names_keywords
from .names import check_name

__all__ = ["outputs"]


@names_keywords
def outputs(*aside: Graph, **named: Graph) -> Graph:
    """One graph of several, with an output for each keyword.

    Args:
        aside: graphs without outputs that belong to the drawing, such as `parts["test"].drop()`.
        named: graphs with one open end each.

    Examples:
        >>> parts = fl.rows({"x": np.arange(100)}) >> fl.split(train=0.8, valid=0.2)
        >>> train, valid = parts["train"] >> fl.shuffle() >> fl.batch(10), parts["valid"] >> fl.batch(10)
        >>> graph = fl.outputs(train=train, valid=valid)
        >>> with graph.iterate() as run:
        ...     sizes = [sum(len(batch["x"]) for batch in run[name]) for name in ("train", "valid")]
        >>> sum(sizes)
        100
    """
    for graph in aside:
        if as_graph(graph, "outputs").ends:
            raise GraphError(f"outputs() wants names for outputs: this one has {graph.end_names()}")
    ends = []
    for name, graph in named.items():
        check_name(name, "an output")
        own = as_graph(graph, "outputs").ends
        if len(own) != 1:
            raise GraphError(f"outputs({name}=...) wants a graph with one output; it has {graph.end_names()}")
        ends.append((name, own[0][1]))
    sinks = tuple(node for graph in (*aside, *named.values()) for node in graph.sinks)
    return Graph(tuple(ends), sinks)
