"""The picture as a Mermaid flowchart, for pages that draw it themselves."""

from __future__ import annotations

from flowload.graph.draw import mermaid_text

from .scene import Scene

__all__ = ["to_mermaid"]


def to_mermaid(scene: Scene) -> str:
    """The graph with its numbers; the verdict as a comment and as a box of its own."""
    ids = {box.name: f"n{k}" for k, box in enumerate(scene.boxes)}
    lines = ["flowchart TB"]
    for box in scene.boxes:
        words = [box.name, box.rate, box.figures, *filter(None, [box.lost])]
        lines.append(f"  {ids[box.name]}{bracketed(mermaid_text(words), round_=box.consumer)}")
    for link in scene.links:
        arrow = "-->" if link.capacity else "-.->"
        text = "  ".join(filter(None, [link.port, link.text]))
        between = f"|{mermaid_text([text])}|" if text else ""
        lines.append(f"  {ids[link.source]} {arrow}{between} {ids[link.target]}")
    notes = [note.strip() for note in (scene.title, *scene.verdict)]
    lines.append(f"  verdict{bracketed(mermaid_text(notes), round_=False)}")
    for mark, style in (
        ("limit", "stroke:#d55e00,stroke-width:3px"),
        ("next", "stroke:#d55e00,stroke-dasharray:6 3"),
    ):
        lines += [f"  style {ids[box.name]} {style}" for box in scene.boxes if box.mark == mark]
    return "\n".join([*lines, ""])


def bracketed(text: str, *, round_: bool) -> str:
    """A node's shape."""
    return f"([{text}])" if round_ else f"[{text}]"
