"""Where everything stands: Graphviz decides, through the library that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowload.errors import MissingExtra

from .scene import Scene

__all__ = ["BOX", "GAP", "LABEL", "Layout", "Point", "arrange", "drawn"]

Point = tuple[float, float]

BOX = (260, 62)  #: points
LABEL = (122, 16)
GAP = 8  #: between a link and its label


@dataclass(frozen=True)
class Layout:
    """Centres of boxes and labels, and the curves of links, in points from the upper left corner."""

    width: float
    height: float
    boxes: dict[str, Point]
    curves: tuple[tuple[Point, ...], ...]  #: by link: points of cubic Bezier curves, then the arrow's tip
    labels: tuple[Point, ...]  #: by link


def arrange(scene: Scene) -> Layout:
    """Place everything; nothing overlaps, for every size is known before. Raises MissingExtra."""
    graph = drawn(dot_of(scene), "dot")
    _, _, width, height = map(float, graph.graph_attr["bb"].split(","))
    boxes = {
        box.name: flipped(graph.get_node(f"n{k}").attr["pos"], height) for k, box in enumerate(scene.boxes)
    }
    edges = {edge.attr["key_"]: edge for edge in graph.edges()}
    found = [edges[f"e{k}"] for k in range(len(scene.links))]
    return Layout(
        width,
        height,
        boxes,
        tuple(curve(edge.attr["pos"], height) for edge in found),
        tuple(flipped(edge.attr["lp"], height) for edge in found),
    )


def dot_of(scene: Scene) -> str:
    """Boxes and labels by their sizes alone."""
    ids = {box.name: f"n{k}" for k, box in enumerate(scene.boxes)}
    width, height = (side / 72 for side in BOX)
    lines = [
        "digraph {",
        "  rankdir=TB; nodesep=0.35; ranksep=0.15;",
        f'  node [shape=box, fixedsize=true, width={width:.4f}, height={height:.4f}, label=""];',
    ]
    lines += [f"  {name};" for name in ids.values()]
    size = f'FIXEDSIZE="TRUE" WIDTH="{LABEL[0] + GAP}" HEIGHT="{LABEL[1]}"'
    space = f'<<TABLE BORDER="0" {size}><TR><TD></TD></TR></TABLE>>'
    for k, link in enumerate(scene.links):
        lines.append(f"  {ids[link.source]} -> {ids[link.target]} [key_=e{k}, label={space}];")
    return "\n".join([*lines, "}"])


def drawn(dot: str, program: str) -> Any:
    """The graph of a DOT text, laid out. Raises MissingExtra."""
    try:
        import pygraphviz  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("pictures are laid out by Graphviz: pip install 'flowload[graphviz]'") from error
    graph = pygraphviz.AGraph(string=dot)
    graph.layout(prog=program)
    return graph


def flipped(text: str, height: float) -> Point:
    """Graphviz counts from below."""
    x, y = map(float, text.split(","))
    return x, height - y


def curve(text: str, height: float) -> tuple[Point, ...]:
    """The points of an edge, its tip last."""
    tip, *rest = text.split()
    ends = tip.removeprefix("e,")
    return (*(flipped(point, height) for point in rest), flipped(ends, height))
