"""The picture as SVG: boxes are light with dark text, so that it reads on any background and in print."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape as escape_markup
from xml.sax.saxutils import quoteattr

from flowload.printable import printable

from .layout import BOX, GAP, LABEL, Layout, Point
from .scene import Box, Link, Scene

__all__ = ["escape", "to_svg"]

MARGIN = 12
LINE = 16  #: points from line to line of the verdict
WIDE = 0.62  #: of the font size: no letter of the fonts below is wider on average
PROSE = 0.53  #: the same of whole lines
INK, DIM, EDGE, PAPER = "#1b1f24", "#57606a", "#8c959f", "#ffffff"
# Colours that people with any colour vision tell apart (Okabe and Ito).
BUSY, BLOCKED, STARVED, LIMIT = "#0072b2", "#e69f00", "#e4e7eb", "#d55e00"
FILLED, LOST = "#cfe3f2", "#b3261e"
FONT = "font-family='Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif'"


def to_svg(scene: Scene, layout: Layout) -> str:
    """The whole picture; titles show details where the mouse is."""
    notes = [scene.title, *scene.verdict]
    width = max(layout.width, *(len(note) * 12 * PROSE for note in notes)) + 2 * MARGIN
    height = layout.height + (len(notes) + 1) * LINE + 4 * MARGIN
    left = (width - layout.width) / 2
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' {FONT} font-size='12'>",
        f"<title>{escape(scene.title)}</title>",
        f"<g transform='translate({left:.1f} {MARGIN})'>",
    ]
    for link, points in zip(scene.links, layout.curves, strict=True):
        parts.append(arrow(link, points))
    for link, point in zip(scene.links, layout.labels, strict=True):
        parts += label(link, point)
    for box in scene.boxes:
        parts += drawing(box, layout.boxes[box.name])
    parts.append("</g>")
    parts += foot(notes, layout.height + 3 * MARGIN, width)
    return "\n".join([*parts, "</svg>", ""])


def arrow(link: Link, points: tuple[Point, ...]) -> str:
    """A curve and its tip; dashed where there is no queue."""
    *line, tip = points
    start, rest = line[0], line[1:]
    path = f"M{at(start)} C" + " ".join(at(point) for point in rest)
    dash = "" if link.capacity else " stroke-dasharray='3 3'"
    (x, y), (end_x, end_y) = tip, line[-1]
    across, along = (y - end_y) * 0.35, (x - end_x) * 0.35
    head = f"{at(tip)} {at((end_x - across, end_y + along))} {at((end_x + across, end_y - along))}"
    return (
        f"<path d='{path}' fill='none' stroke='{EDGE}' stroke-width='1.5'{dash}/>"
        f"<polygon points='{head}' fill='{EDGE}'/>"
    )


def at(point: Point) -> str:
    """A point, to a tenth."""
    return f"{point[0]:.1f},{point[1]:.1f}"


def label(link: Link, centre: Point) -> Iterator[str]:
    """The queue: a cell for each block that fits (a bar where they are many), and its numbers."""
    if not link.capacity and not link.port:
        return
    width, height = LABEL
    x, y = centre[0] + GAP / 2 - width / 2, centre[1] - height / 2
    words = " ".join(filter(None, [link.port, link.text]))
    source = ".".join(filter(None, [link.source, link.port]))
    filled = min(1.0, link.depth / link.capacity) if link.capacity else 0.0
    tip = f"from {source} to {link.target}: {link.depth} of {link.capacity} blocks wait"
    yield f"<g><title>{escape(tip)}</title>"
    yield rect(x, y, width, height, f"rx='4' fill='{PAPER}' stroke='{EDGE}'")
    yield rect(x + 1, y + 1, (width - 2) * filled, height - 2, f"rx='3' fill='{FILLED}'")
    how = "font-size='11' text-anchor='middle'"
    yield text(x + width / 2, centre[1] + 4, fit(words, width - 8, 11), how, INK) + "</g>"


def drawing(box: Box, centre: Point) -> Iterator[str]:
    """A box: name and rate, the bar, and what its workers did."""
    width, height = BOX
    x, y = centre[0] - width / 2, centre[1] - height / 2
    line, stroke, dash = {
        "limit": (LIMIT, 3, ""),
        "next": (LIMIT, 1.5, " stroke-dasharray='6 3'"),
    }.get(box.mark, (EDGE, 1.2, ""))
    paper = "#fff3ea" if box.mark == "limit" else "#f3f6f9" if box.consumer else PAPER
    tip = "\n".join(escape(f"{name}: {value}") for name, value in box.details)
    yield f"<g class='stage' data-name={quoteattr(printable(box.name))} tabindex='0' role='button'>"
    yield f"<title>{tip}</title>"
    how = f"fill='{paper}' stroke='{line}' stroke-width='{stroke}'{dash}"
    yield rect(x, y, width, height, f"rx='{14 if box.consumer else 6}' {how}")
    inner = width - 20
    room = inner - len(box.rate) * 12 * WIDE - 8
    yield text(x + 10, y + 19, fit(box.name, room, 13), "font-size='13' font-weight='bold'", INK)
    yield text(x + width - 10, y + 19, box.rate, "text-anchor='end'", INK)
    yield from bar(box, x + 10, y + 27, inner)
    room = inner - (len(box.lost) * 11 * WIDE + 8 if box.lost else 0)
    yield text(x + 10, y + 52, fit(box.figures, room, 11), "font-size='11'", DIM)
    if box.lost:
        how = "font-size='11' font-weight='bold' text-anchor='end'"
        yield text(x + width - 10, y + 52, box.lost, how, LOST)
    yield "</g>"


def bar(box: Box, x: float, y: float, width: float) -> Iterator[str]:
    """Where the time of its workers went."""
    yield rect(x, y, width, 9, f"rx='2' fill='{STARVED}'")
    for begin, part, colour in ((0.0, box.busy, BUSY), (box.busy, box.blocked, BLOCKED)):
        if part > 0.002:
            yield rect(x + begin * width, y, part * width, 9, f"rx='2' fill='{colour}'")


def foot(notes: list[str], y: float, width: float) -> Iterator[str]:
    """The verdict, and what the colours mean."""
    height = (len(notes) + 1) * LINE + MARGIN / 2
    how = f"rx='6' fill='{PAPER}' stroke='{EDGE}'"
    yield rect(MARGIN / 2, y - MARGIN, width - MARGIN, height, how)
    for number, note in enumerate(notes):
        weight = " font-weight='bold'" if number == 1 else ""
        yield text(MARGIN, y + 3 + number * LINE, note.strip(), f"class='note'{weight}", INK)
    y += 3 + len(notes) * LINE
    x: float = MARGIN
    for colour, word in ((BUSY, "busy"), (BLOCKED, "no room behind"), (STARVED, "no input, or no thread")):
        yield rect(x, y - 9, 10, 10, f"rx='2' fill='{colour}'")
        yield text(x + 14, y, word, "font-size='11'", DIM)
        x += 14 + len(word) * 11 * PROSE + 14
    yield rect(x, y - 9, 10, 10, f"rx='2' fill='none' stroke='{LIMIT}' stroke-width='2.5'")
    yield text(x + 16, y, "limits", "font-size='11'", DIM)


def rect(x: float, y: float, width: float, height: float, how: str) -> str:
    """A rectangle."""
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' {how}/>"


def text(x: float, y: float, words: str, how: str, colour: str) -> str:
    """A line of text."""
    return f"<text x='{x:.1f}' y='{y:.1f}' {how} fill='{colour}'>{escape(words)}</text>"


def fit(words: str, width: float, font: float) -> str:
    """As many letters as there is room for."""
    room = int(width / (font * WIDE))
    return words if len(words) <= room else words[: max(1, room - 1)] + "…"


def escape(words: str) -> str:
    """Words as they may stand in XML, which has no place for control characters, however they are written."""
    return escape_markup(printable(words))
