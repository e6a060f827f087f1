"""The same picture for a terminal: rails, bars and histories of letters, in lines of so many columns.

Every part of a bar has a letter of its own, so that it reads without colour: █ busy, ▓ disk, ▒ lock or CPU,
░ no room, · no input, ╳ a trainer that waits. On the rail ○ is a stage, ● what limits, ◌ what limits next,
▼ whoever takes batches; ■ and □ are blocks that wait and room for more, ┃ a hop that both ends share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

from flowload.picture.scene.cells import Cell
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.saying import plain
from flowload.picture.svg.history import bands_of, history_of
from flowload.picture.svg.marks import crop, fold

__all__ = ["Line", "Piece", "Screen", "picture_lines"]

LETTERS = "█▓▒░╳·"  #: in the order of `Time`: work, disk, late, room, hot, input
STYLES = ("work", "disk", "late", "room", "hot", "track")
LEVELS = "▁▂▃▄▅▆▇█"
LEAST, NAME = 8, 20  #: columns that a history has at least; that a name should have
CROSSED = {
    " ": "─",
    "─": "─",
    "╯": "┴",
    "╮": "┬",
    "┴": "┴",
    "┬": "┬",
}  #: what a turn makes of a letter
WORDS = ("busy", "disk", "", "no room", "waits", "no input")


class Piece(NamedTuple):
    """Some letters and what they mean, which says their colour; "" has none."""

    text: str
    role: str = ""


Line = list[Piece]


@dataclass(frozen=True)
class Screen:
    """How the picture is wanted."""

    columns: int = 80
    span: float = 120.0  #: seconds of histories
    cursor: float = -1.0  #: a moment that is looked at; -1: now
    pick: str = ""  #: a row that is looked at


@dataclass(frozen=True)
class Widths:
    """How many columns each part has."""

    rail: int
    name: int
    queue: int
    bar: int
    word: int
    out: int
    lost: int
    history: int


def widths_of(rails: Rails, screen: Screen) -> Widths:
    """What fits: histories have what is left, long names are cut, and bars shrink before names do."""
    wide = screen.columns >= 120
    rail, queue, out, lost = 2 * rails.lanes + 1, 9 if wide else 7, 10, 9 if wide else 0
    word = 14 if wide else 12 if screen.columns >= 76 else 0
    rest = screen.columns - rail - queue - word - out - lost - 13
    longest = max(len(row.label) for row in rails.rows) + len(" limits")
    bar, least = (18, 3 * LEAST) if wide else (11, LEAST)
    name = min(longest, rest - bar - least)
    if name < min(longest, NAME):
        bar = max(5, bar - min(longest, NAME) + name)
        name = max(6, min(longest, rest - bar - least))
    return Widths(rail, name, queue, bar, word, out, lost, max(0, min(60, rest - name - bar)))


def picture_lines(rails: Rails, moments: Sequence[Moment], live: int, at: int, screen: Screen) -> list[Line]:
    """The verdict, then a row for each stage and consumer."""
    now, widths = moments[at], widths_of(rails, screen)
    lines = [head_line(rails, now, screen)]
    lines += [
        [Piece(f" {words}", "strong")] for words in fold(plain(now["say"]["head"]), screen.columns - 2, 1)
    ]
    lines += [
        [Piece(f" {words}", "dim")] for words in fold(plain(now["say"]["sub"]), screen.columns - 2, 1)[:3]
    ]
    history = history_of(moments, live, screen.span).picked
    lines += [[], names(widths, history)]
    for k in range(len(rails.rows)):
        lines.append(row_line(rails, now, [moment["cells"][k] for moment in history], k, widths, screen))
    return lines


def head_line(rails: Rails, now: Moment, screen: Screen) -> Line:
    """What runs, how far it is, how long it has."""
    top = now["top"]
    left = f" {rails.title} "
    right = f"{top['samples']}  {top['clock']} "
    room = screen.columns - len(left) - len(right) - len(top["left"]) - 4
    made = [Piece(left, "strong")]
    if top["done"] >= 0 and room >= 8:
        size = min(room, 32)
        full = floor(top["done"] * size)
        made += [Piece(" " + "█" * full, "data"), Piece("·" * (size - full), "dim")]
    made.append(Piece(f"  {top['left']}", "dim"))
    used = sum(len(piece.text) for piece in made)
    return [*made, Piece(" " * max(1, screen.columns - used - len(right)) + right, "dim")]


def names(widths: Widths, history: Sequence[Moment]) -> Line:
    """The heads of the columns; over the histories who limited when."""
    made = (
        " " * (widths.rail + 1 + widths.name)
        + f"{'queue':>{widths.queue}}  {'workers’ time' if widths.word else 'time'}"
    )
    made = f"{made:<{widths.rail + widths.name + widths.queue + widths.bar + widths.word + 4}}{'run':>6}"
    made += f"{'out':>{widths.out}}" + (f"{'dropped':>{widths.lost}}" if widths.lost else "")
    return [Piece(f"{made}  ", "dim"), *band_pieces(history, widths.history)]


def band_pieces(history: Sequence[Moment], width: int) -> Iterator[Piece]:
    """Who limited when, as words over lines."""
    bands, count = bands_of(history), len(history)
    place = 0
    for band in bands:
        end = width if band is bands[-1] else round((band.last + 1) / count * width)
        size = end - place
        if size > 0:
            told = crop(band.told, size, 1) if size >= 4 else ""
            yield Piece(f"{told}{'─' * (size - len(told))}", "hot" if band.hot else "dim")
            place = end


def row_line(
    rails: Rails, now: Moment, cells: Sequence[Cell], k: int, widths: Widths, screen: Screen
) -> Line:
    """One row."""
    row, cell = rails.rows[k], now["cells"][k]
    limits = cell["mark"] == "limit"
    mark = {"limit": " limits", "next": " next", "later": " next"}.get(cell["mark"], "")
    if len(row.label) + len(mark) > widths.name:
        mark = ""
    label = crop(row.label, widths.name - len(mark), 1) + mark
    picked = "pick" if screen.pick == row.name else "hot" if limits else "strong"
    made = [*rail_pieces(rails, now, k), Piece(f" {label:<{widths.name}}", picked)]
    made.append(Piece(f"{queue_of(rails, now, k):>{widths.queue}}  ", "data"))
    made += bar_pieces(cell["time"], widths.bar)
    told = crop(word_of(cell, taker=bool(row.output)), widths.word, 1) if widths.word else ""
    made.append(Piece(f" {told:<{widths.word}}", "dim"))
    made.append(Piece(f"{cell['run']:>7}{cell['out']:>{widths.out}}", "hot" if limits else ""))
    if widths.lost:
        made.append(Piece(f"{cell['lost']:>{widths.lost}}", "dim" if cell["lost"] == "0" else ""))
    made.append(Piece("  "))
    values = [each["time"][4] if row.output else each["rate"] for each in cells]
    most = 1.0 if row.output else max([1e-9, *values])
    return [*made, Piece(spark(values, most, widths.history), "hot" if row.output else "")]


def spark(values: Sequence[float], most: float, width: int) -> str:
    """A line of eighths, its last value last."""
    if width <= 0:
        return ""
    step = max(1.0, len(values) / width)
    count = min(width, len(values))
    picked = [
        values[min(len(values) - 1, floor(len(values) - 1 - (count - 1 - j) * step))] for j in range(count)
    ]
    drawn = "".join(LEVELS[min(7, max(0, floor(value / most * 7.999)))] for value in picked)
    return drawn.rjust(width)


def bar_pieces(time: Sequence[float], width: int) -> Iterator[Piece]:
    """Where the time of a stage's workers went, a letter a share; no part that is there is lost."""
    sizes = [floor(part * width) for part in time]
    rest = sorted(range(len(time)), key=lambda k: -(time[k] * width - sizes[k]))
    for k in rest[: width - sum(sizes)]:
        sizes[k] += 1
    for letter, role, size in zip(LETTERS, STYLES, sizes, strict=True):
        if size:
            yield Piece(letter * size, role)


def word_of(cell: Cell, *, taker: bool) -> str:
    """The largest part in words."""
    time = cell["time"]
    if taker:
        return f"waits {floor(time[4] * 100 + 0.5)}"
    k = max(range(len(time)), key=lambda k: time[k])
    return f"{WORDS[k] or cell['late']} {floor(time[k] * 100 + 0.5)}"


def queue_of(rails: Rails, now: Moment, k: int) -> str:
    """Blocks that wait, as cells where they are few, and as numbers."""
    into = [now["queues"][j] for j, link in enumerate(rails.links) if link.below == k]
    if not into:
        return ""
    blocks, room = sum(queue[0] for queue in into), sum(queue[1] for queue in into)
    if not room:
        return "┃    "
    cells = "■" * blocks + "□" * max(0, room - blocks)
    return f"{cells} {blocks}/{room}" if room <= 2 else f"{blocks}/{room}"


def rail_pieces(rails: Rails, now: Moment, k: int) -> Iterator[Piece]:
    """The rail at one row: its own station, lanes that go by, and turns into others."""
    row, cell = rails.rows[k], now["cells"][k]
    letters = [" "] * (2 * rails.lanes)
    for link in rails.links:
        if link.above < k < link.below:
            letters[2 * link.lane] = "│"
    for link in rails.links:
        ends = {link.above: rails.rows[link.above].lane, link.below: rails.rows[link.below].lane}
        if k in ends and link.lane != ends[k]:
            for column in range(2 * ends[k] + 1, 2 * link.lane):
                letters[column] = CROSSED.get(letters[column], "┼")
            open_below = any(o.lane == link.lane and o.above <= k < o.below for o in rails.links)
            open_above = any(o.lane == link.lane and o.above < k <= o.below for o in rails.links)
            letters[2 * link.lane] = "┤" if open_below and open_above else "╮" if open_below else "╯"
    station = {"limit": "●", "next": "◌", "later": "◌"}.get(cell["mark"], "○")
    letters[2 * row.lane] = "▼" if row.output else station
    place = 2 * row.lane
    yield Piece(" " + "".join(letters[:place]), "data")
    yield Piece(letters[place], "hot" if cell["mark"] in ("limit", "next") else "data")
    yield Piece("".join(letters[place + 1 :]), "data")
