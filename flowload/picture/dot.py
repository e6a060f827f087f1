"""The picture as DOT, for whoever has Graphviz, and drawn by it as PNG."""

from __future__ import annotations

from pathlib import Path

from flowload.graph.draw import dot_text

from .layout import BOX, drawn
from .scene import Box, Scene
from .svg import BLOCKED, BUSY, DIM, EDGE, INK, LIMIT, PAPER, STARVED, escape, fit

__all__ = ["draw_png", "to_dot"]

DPI = 144


def to_dot(scene: Scene) -> str:
    """The graph with its numbers."""
    ids = {box.name: f"n{k}" for k, box in enumerate(scene.boxes)}
    notes = "\\l".join(dot_text([note.strip()])[1:-1] for note in (scene.title, *scene.verdict)) + "\\l"
    lines = [
        "digraph flowload {",
        "  rankdir=TB; nodesep=0.35; ranksep=0.3; pad=0.2;",
        f'  graph [fontname="Helvetica", fontsize=12, labelloc=b, labeljust=l, label="{notes}"];',
        '  node [shape=plain, fontname="Helvetica", fontsize=12];',
        f'  edge [fontname="Helvetica", fontsize=11, color="{EDGE}", arrowsize=0.7];',
    ]
    lines += [f"  {ids[box.name]} [label=<{table(box)}>];" for box in scene.boxes]
    for link in scene.links:
        style = "" if link.capacity else ", style=dashed"
        text = "  ".join(filter(None, [link.port, link.text]))
        lines.append(f"  {ids[link.source]} -> {ids[link.target]} [label={dot_text([' ' + text])}{style}];")
    return "\n".join([*lines, "}", ""])


def table(box: Box) -> str:
    """A box as Graphviz's own kind of HTML."""
    line, thick = (LIMIT, 3) if box.mark == "limit" else (LIMIT, 1) if box.mark == "next" else (EDGE, 1)
    paper = "#fff3ea" if box.mark == "limit" else PAPER
    inner = BOX[0] - 20
    name = escape(fit(box.name, inner - len(box.rate) * 8, 13))
    lost = f'<FONT COLOR="#b3261e">  {escape(box.lost)}</FONT>' if box.lost else ""
    return (
        f'<TABLE BORDER="{thick}" COLOR="{line}" BGCOLOR="{paper}" '
        'CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f'<TR><TD ALIGN="LEFT"><FONT COLOR="{INK}"><B>{name}</B></FONT></TD>'
        f'<TD ALIGN="RIGHT"><FONT COLOR="{INK}">{escape(box.rate)}</FONT></TD></TR>'
        f'<TR><TD COLSPAN="2">{bar(box, inner)}</TD></TR>'
        f'<TR><TD COLSPAN="2" ALIGN="LEFT">'
        f'<FONT COLOR="{DIM}" POINT-SIZE="11">{escape(box.figures)}</FONT>{lost}</TD></TR>'
        "</TABLE>"
    )


def bar(box: Box, width: int) -> str:
    """Where the time of its workers went, as cells of a table in the table."""
    parts = [(box.busy, BUSY), (box.blocked, BLOCKED)]
    parts.append((max(0.0, 1 - box.busy - box.blocked), STARVED))
    cells = [(round(part * width), colour) for part, colour in parts]
    row = "".join(
        f'<TD FIXEDSIZE="TRUE" WIDTH="{wide}" HEIGHT="9" BGCOLOR="{colour}"></TD>'
        for wide, colour in cells
        if wide
    )
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>{row}</TR></TABLE>'


def draw_png(scene: Scene, path: Path) -> None:
    """Let Graphviz draw it, on white. Raises MissingExtra."""
    graph = drawn(to_dot(scene), "dot")
    graph.graph_attr.update(bgcolor="white", dpi=str(DPI))
    graph.draw(str(path), format="png")
