"""The picture as a Mermaid flowchart, for pages that draw it themselves."""

from __future__ import annotations

from flowload.graph.inspect.draw import mermaid_text
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.saying import plain
from flowload.picture.svg.palette import LIGHT

__all__ = ["to_mermaid"]


def to_mermaid(rails: Rails, moment: Moment) -> str:
    """The graph with its numbers, and the verdict as a box of its own."""
    lines = ["flowchart TB"]
    for k, (row, cell) in enumerate(zip(rails.rows, moment["cells"], strict=True)):
        lost = [] if cell["lost"] in ("", "0") else [f"{cell['lost']} dropped"]
        words = [
            row.label,
            cell["out"],
            worked(cell["time"], cell["late"], taker=bool(row.output)),
            cell["note"],
        ]
        lines.append(
            f"  n{k}{bracketed(mermaid_text([*filter(None, words), *lost]), round_=bool(row.output))}"
        )
    for k, link in enumerate(rails.links):
        blocks, room = moment["queues"][k]
        told = "  ".join(filter(None, [link.port, f"{blocks}/{room}" if room else ""]))
        between = f"|{mermaid_text([told])}|" if told else ""
        lines.append(f"  n{link.above} {'-->' if room else '==>'}{between} n{link.below}")
    notes = [f"{rails.title}: {moment['foot']}", plain(moment["say"]["head"]), plain(moment["say"]["sub"])]
    lines.append(f"  verdict{bracketed(mermaid_text(notes), round_=False)}")
    for mark, style in (("limit", "stroke-width:3px"), ("next", "stroke-dasharray:6 3")):
        lines += [
            f"  style n{k} stroke:{LIGHT['hot']},{style}"
            for k, cell in enumerate(moment["cells"])
            if cell["mark"] == mark
        ]
    return "\n".join([*lines, ""])


def worked(time: list[float], late: str, *, taker: bool) -> str:
    """A row's time in words."""
    if taker:
        return f"waits {time[4]:.0%}".replace("%", " %")
    named = zip(("busy", "disk", late, "no room"), time[:4], strict=True)
    told = [f"{name} {part:.0%}" for name, part in [*named, ("no input", time[5])] if part >= 0.01]
    return ", ".join(told).replace("%", " %")


def bracketed(text: str, *, round_: bool) -> str:
    """A node's shape."""
    return f"([{text}])" if round_ else f"[{text}]"
