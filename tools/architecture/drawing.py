"""Layers of rooms as SVG: those above may import those below; neighbours in a row are strangers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from .rooms import Room

__all__ = ["draw"]

WIDTH = 1120
MARGIN = 16
GAP = 10
LINE = 17
GLYPH = 7.0  #: width of a letter at 12 px
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.name{font:600 14px ui-monospace,monospace}"
    ".inner{font:11px ui-monospace,monospace;fill:#00695c}rect{fill:#f4f9f8;stroke:#26a69a}"
)


def draw(layers: Sequence[Sequence[Room]]) -> str:
    """The picture, as text; the same for the same rooms."""
    parts: list[str] = []
    top = float(MARGIN)
    for layer in layers:
        tall = max(height_of(room, width_of(layer)) for room in layer)
        for number, room in enumerate(layer):
            left = MARGIN + number * (width_of(layer) + GAP)
            parts += box(room, left, top, width_of(layer), tall)
        top += tall + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + MARGIN - GAP:.0f}" role="img">'
        "<title>The rooms of flowload: each layer may import those below it</title>"
        f'<style>{STYLE}</style><rect width="100%" height="100%" style="fill:#fff;stroke:none"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def width_of(layer: Sequence[Room]) -> float:
    """Width of each room of a layer."""
    return (WIDTH - 2 * MARGIN - GAP * (len(layer) - 1)) / len(layer)


def words_of(room: Room, width: float) -> list[str]:
    """What it says, in lines that fit."""
    return textwrap.wrap(room.says, int((width - 2 * GAP) / GLYPH))


def inner_of(room: Room, width: float) -> list[str]:
    """The rooms in it, in lines that fit."""
    return textwrap.wrap(" · ".join(room.inner), int((width - 2 * GAP) / GLYPH))


def height_of(room: Room, width: float) -> float:
    """Height of a room."""
    return LINE * (1 + len(words_of(room, width)) + len(inner_of(room, width))) + GAP


def box(room: Room, left: float, top: float, width: float, tall: float) -> Iterator[str]:
    """A room: its name, what it says, and what is in it."""
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{tall:.1f}" rx="5"/>'
    lines = [("name", room.name)]
    lines += [("", line) for line in words_of(room, width)]
    lines += [("inner", line) for line in inner_of(room, width)]
    for number, (kind, line) in enumerate(lines, start=1):
        style = f' class="{kind}"' if kind else ""
        yield f'<text x="{left + GAP:.1f}" y="{top + number * LINE:.1f}"{style}>{escape(line)}</text>'
