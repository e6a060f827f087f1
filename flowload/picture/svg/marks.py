"""The marks that a drawing is made of, as SVG.

`page/marks.js` is the same in the browser's language: a test draws both and compares, letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape as escape_markup
from math import floor

from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.printable import printable

__all__ = ["bar", "crop", "escape", "fold", "gauge", "line", "near", "nice", "number", "rail", "rect", "text"]

#: In a row's time: names of the parts, in their order, as `Time` has them; "input" is what is left.
PARTS = ("work", "disk", "late", "room", "hot")
WORDS = {"work": "busy", "disk": "disk", "room": "no room", "input": "no input", "hot": "waits"}


def number(value: float) -> str:
    """A coordinate, to a tenth; ties go up, as in a browser."""
    tenths = floor(value * 10 + 0.5)
    return str(tenths // 10) if tenths % 10 == 0 else repr(tenths / 10)


def escape(words: str) -> str:
    """Words as they may stand in XML and in its attributes."""
    return escape_markup(printable(words)).replace("&#x27;", "'")  # not xml.sax: it brings in an HTTP client


def text(x: float, y: float, words: str, how: str = "") -> str:
    """A line of text of some classes."""
    if not words:
        return ""
    kind = f' class="{how}"' if how else ""
    return f'<text x="{number(x)}" y="{number(y)}"{kind}>{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, how: str, extra: str = "") -> str:
    """A rectangle, if it has any size."""
    if width <= 0 or height <= 0:
        return ""
    size = f'width="{number(width)}" height="{number(height)}"'
    return f'<rect x="{number(x)}" y="{number(y)}" {size}{extra} class="{how}"/>'


def line(x: float, y: float, to_x: float, to_y: float, how: str) -> str:
    """A straight line."""
    return f'<path d="M{number(x)} {number(y)}L{number(to_x)} {number(to_y)}" class="{how}"/>'


def near(value: float, low: float, high: float) -> float:
    """The value, or the bound that it is beyond."""
    return min(high, max(low, value))


def nice(value: float) -> float:
    """A round number from there up, for the end of a scale."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    for factor in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0):
        if value <= factor * power * 1.0001:
            return factor * power
    return 10 * power


def crop(words: str, width: float, letter: float) -> str:
    """As many letters as there is room for."""
    room = max(1, floor(width / letter))
    return words if len(words) <= room else words[: room - 1] + "…"


def fold(words: str, width: float, letter: float) -> list[str]:
    """Lines of at most this width: broken at spaces, and in a word that no line has room for, at slashes."""
    room, lines = max(1, floor(width / letter)), [""]
    for whole in words.split(" "):
        word, *rest = parts_of(whole, room)
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if len(longer) > room and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
        lines += rest
    return lines


def parts_of(word: str, room: int) -> Iterator[str]:
    """A word in pieces of at most so many letters; those of a path end with a slash."""
    while len(word) > room:
        end = word.rfind("/", 1, room) + 1 or room
        yield word[:end]
        word = word[end:]
    yield word


def bar(
    x: float, y: float, width: float, height: float, time: Sequence[float], late: str, taker: bool
) -> str:
    """Where the time of a stage's workers went: parts in a fixed order, worded where they have room."""
    made, place = rect(x, y, width, height, "track", ' rx="1"'), x
    for name, part in [*zip(PARTS, time, strict=False), ("input", time[5])]:
        wide = part * width
        if part < 0.004:
            continue
        if name != "input":
            made += rect(place, y, wide, height, name)
        if height >= 12:
            word = "trains" if taker and name == "work" else late if name == "late" else WORDS[name]
            percent = str(floor(part * 100 + 0.5))
            how = f"s t{'track' if name == 'input' else name}"
            if wide > len(f"{word} {percent}") * 5.9 + 8:
                made += text(place + 4, y + height / 2 + 4, f"{word} {percent}", how)
            elif wide > 24 and part >= 0.1:
                made += text(place + 4, y + height / 2 + 4, percent, how)
        place += wide
    return made


def gauge(x: float, y: float, width: float, height: float, blocks: int, room: int) -> str:
    """A queue: a cell for each block that fits, filling towards its reader."""
    full = near(blocks / room, 0, 1) * height
    made = rect(x, y, width, height, "box") + rect(x, y + height - full, width, full, "data")
    if room <= 8:
        for k in range(1, room):
            how = "cell" if k >= room - blocks else "box"
            made += line(x, y + height * k / room, x + width, y + height * k / room, how)
    return made


def rail(rails: Rails, moment: Moment | None, x: float, wide: float, ys: Sequence[float], fused: bool) -> str:
    """Stations, the lines between them, and the queue on each line.

    Args:
        rails: the graph.
        moment: how full queues are; None: nothing runs, and they are empty.
        x: of the first lane.
        wide: from lane to lane.
        ys: of the rows.
        fused: a link without a queue is drawn thick, for both ends share a hop.
    """
    made = ""
    for k in range(len(rails.links)):
        room = moment["queues"][k][1] if moment else 2
        made += (
            f'<path d="{track(rails, k, x, wide, ys)}" class="{"rail" if room or not fused else "fuse"}"/>'
        )
    for k, link in enumerate(rails.links):
        blocks, room = moment["queues"][k] if moment else [0, 2]
        if room and (fused or moment):
            gap = ys[link.below] - ys[link.below - 1]
            turns = rails.rows[link.below].lane != link.lane
            high = near(gap - (30 if turns else 22), 8, 28)
            at = ys[link.below] - gap / 2 - high / 2 - (3 if turns else 0)
            made += gauge(x + link.lane * wide - 5, at, 10, high, blocks, room)
    for k, row in enumerate(rails.rows):
        mark = moment["cells"][k]["mark"] if moment else ""
        here = x + row.lane * wide
        if row.output:
            how = "lim" if mark == "limit" else "term"
            made += f'<path d="M{number(here - 7)} {number(ys[k] - 5)}h14l-7 11z" class="{how}"/>'
        else:
            how = {"limit": " lim", "next": " nxt", "later": " nxt q"}.get(mark, "")
            made += f'<circle cx="{number(here)}" cy="{number(ys[k])}" r="5.5" class="st{how}"/>'
    return made


def track(rails: Rails, k: int, x: float, wide: float, ys: Sequence[float]) -> str:
    """The way of a link: across to its lane, down, and across to its reader."""
    link = rails.links[k]
    above, down, below = (
        x + lane * wide for lane in (rails.rows[link.above].lane, link.lane, rails.rows[link.below].lane)
    )
    top, end, turn = ys[link.above], ys[link.below], min(10, wide / 2)
    way = f"M{number(above)} {number(top)}"
    if down != above:
        side = turn if down > above else -turn
        way += f"H{number(down - side)}Q{number(down)} {number(top)} {number(down)} {number(top + turn)}"
    if below == down:
        return f"{way}V{number(end)}"
    side = turn if below > down else -turn
    corner = f"Q{number(down)} {number(end)} {number(down + side)} {number(end)}"
    return f"{way}V{number(end - turn)}{corner}H{number(below)}"
