"""The picture as DOT, for whoever has Graphviz: a table for each row, with the same words and numbers."""

from __future__ import annotations

from flowload.graph.inspect.draw import dot_text
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.saying import plain
from flowload.picture.svg.marks import PARTS, escape
from flowload.picture.svg.palette import LIGHT

__all__ = ["to_dot"]

WIDE = 240  #: points of a bar


def to_dot(rails: Rails, moment: Moment) -> str:
    """The graph with its numbers."""
    notes = [f"{rails.title}: {moment['foot']}", plain(moment["say"]["head"]), plain(moment["say"]["sub"])]
    label = "\\l".join(dot_text([note])[1:-1] for note in notes) + "\\l"
    lines = [
        "digraph flowload {",
        "  rankdir=TB; nodesep=0.35; ranksep=0.3; pad=0.2;",
        f'  graph [fontname="Helvetica", fontsize=12, labelloc=b, labeljust=l, label="{label}"];',
        '  node [shape=plain, fontname="Helvetica", fontsize=12];',
        f'  edge [fontname="Helvetica", fontsize=11, color="{LIGHT["data"]}", arrowsize=0.7];',
    ]
    lines += [f"  n{k} [label=<{table(rails, moment, k)}>];" for k in range(len(rails.rows))]
    for k, link in enumerate(rails.links):
        blocks, room = moment["queues"][k]
        told = "  ".join(filter(None, [link.port, f"{blocks}/{room}" if room else ""]))
        style = "" if room else ", penwidth=3"
        lines.append(f"  n{link.above} -> n{link.below} [label={dot_text([' ' + told])}{style}];")
    return "\n".join([*lines, "}", ""])


def table(rails: Rails, moment: Moment, k: int) -> str:
    """A row as Graphviz's own kind of HTML."""
    row, cell = rails.rows[k], moment["cells"][k]
    edge = LIGHT["hot"] if cell["mark"] in ("limit", "next") else LIGHT["data"]
    thick, paper = (3, LIGHT["tint"]) if cell["mark"] == "limit" else (1, "#ffffff")
    lost = "" if cell["lost"] in ("", "0") else f", {cell['lost']} dropped"
    return (
        f'<TABLE BORDER="{thick}" COLOR="{edge}" BGCOLOR="{paper}" '
        'CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f'<TR><TD ALIGN="LEFT"><FONT COLOR="{LIGHT["ink"]}"><B>{escape(row.label)}</B></FONT></TD>'
        f'<TD ALIGN="RIGHT"><FONT COLOR="{LIGHT["ink"]}">{escape(cell["out"])}</FONT></TD></TR>'
        f'<TR><TD COLSPAN="2">{bar(cell["time"])}</TD></TR>'
        f'<TR><TD COLSPAN="2" ALIGN="LEFT"><FONT COLOR="{LIGHT["dim"]}" POINT-SIZE="11">'
        f"{escape(cell['note'] + lost)}</FONT></TD></TR></TABLE>"
    )


def bar(time: list[float]) -> str:
    """Where the time of its workers went, as cells of a table in the table."""
    parts = [*zip(PARTS, time, strict=False), ("track", time[5])]
    cells = "".join(
        f'<TD FIXEDSIZE="TRUE" WIDTH="{round(part * WIDE)}" HEIGHT="9" BGCOLOR="{LIGHT[name]}"></TD>'
        for name, part in parts
        if round(part * WIDE)
    )
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>{cells}</TR></TABLE>'
