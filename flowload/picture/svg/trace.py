"""A row over time: how full its queue was (strip), what it gave (line), what its workers did (areas)."""

from __future__ import annotations

from collections.abc import Sequence

from flowload.observe.figures import scaled
from flowload.picture.scene.rails import Rails

from .history import History
from .marks import line, near, nice, number, rect, text
from .wanted import Columns, Wanted

__all__ = ["area", "curve", "trace"]

AREAS = (("work", 0), ("disk", 1), ("late", 2), ("room", 3))  #: by their place in a row's time


def trace(rails: Rails, history: History, k: int, columns: Columns, wanted: Wanted, first: int) -> str:
    """One row's history.

    Args:
        rails: the graph.
        history: the moments.
        k: number of the row.
        columns: where it is to be.
        wanted: how the picture is wanted.
        first: the first row with a queue, whose strip is named.
    """
    taker, y = bool(rails.rows[k].output), columns.ys[k]
    cells = [moment["cells"][k] for moment in history.picked]
    xs = [history.x(moment["at"], columns.left, columns.wide) for moment in history.picked]
    top = y + 10 if columns.narrow else columns.top + k * columns.high + 6
    base = y + 32 if columns.narrow else columns.top + (k + 1) * columns.high - 5
    thick = 0 if columns.narrow else 5 if columns.high >= 38 else 3
    made = ""
    if not columns.narrow and any(cell["full"] >= 0 for cell in cells):
        made += queue_strip([cell["full"] for cell in cells], xs, top, thick)
    start = top if columns.narrow else top + thick + 4
    values = [cell["time"][4] if taker else cell["rate"] for cell in cells]
    most = 1.0 if taker else nice(1.08 * max(values))
    ys = [base - (base - start) * near(value / most, 0, 1) for value in values]
    if len(values) > 1:
        if taker:
            ground = f"L{number(xs[-1])} {number(base)}L{number(xs[0])} {number(base)}z"
            made += f'<path d="{curve(xs, ys)}{ground}" class="wa"/>'
        else:
            made += areas([cell["time"] for cell in cells], xs, start, base)
        made += f'<path d="{curve(xs, ys)}" class="{"wl" if taker else "ln"}"/>'
    made += line(columns.left, base, columns.left + columns.wide, base, "g")
    if not columns.narrow:
        made += scale(taker, most, k == first, start, top, base, columns, wanted)
    if wanted.cursor >= 0:
        near_by = min(range(len(xs)), key=lambda j: (abs(history.picked[j]["at"] - wanted.cursor), j))
        x = history.x(wanted.cursor, columns.left, columns.wide)
        made += f'<circle cx="{number(x)}" cy="{number(ys[near_by])}" r="2.6" class="dot"/>'
    return made


def scale(
    taker: bool,
    most: float,
    named: bool,
    start: float,
    top: float,
    base: float,
    columns: Columns,
    wanted: Wanted,
) -> str:
    """What the height of a line means."""
    right = columns.left + columns.wide
    made = line(right, start, right + 4, start, "g")
    named = named and columns.high >= 46
    if named:
        made += text(wanted.width, top + 6, "queue", "d s e")
    words = "100 %" if taker else f"{scaled(most).replace('.00', '').replace('.0 ', ' ')}/s"
    y = top + columns.high / 2 - 2 if columns.high < 36 else start + (12 if named else 9)
    made += text(wanted.width, y, words, "d s e")
    if taker and columns.high >= 38:
        made += text(wanted.width, base, "waits", "h s e")
    return made


def queue_strip(full: Sequence[float], xs: Sequence[float], top: float, thick: float) -> str:
    """How full the queues before a row were: the darker, the fuller."""
    made, k = "", 0
    while k < len(full):
        end = k
        while end + 1 < len(full) and abs(full[end + 1] - full[k]) < 0.01:
            end += 1
        if full[k] > 0:
            right = xs[min(len(full) - 1, end + 1)]
            shade = f' opacity="{shaded(full[k])}"'
            made += rect(xs[k], top, max(1, right - xs[k]), thick, "data", shade)
        k = end + 1
    return made


def shaded(full: float) -> str:
    """An opacity, in hundredths."""
    return repr(int((0.12 + 0.8 * full) * 100 + 0.5) / 100)


def curve(xs: Sequence[float], ys: Sequence[float]) -> str:
    """A line through points."""
    return "".join(
        f"{'L' if j else 'M'}{number(x)} {number(y)}" for j, (x, y) in enumerate(zip(xs, ys, strict=True))
    )


def areas(times: Sequence[Sequence[float]], xs: Sequence[float], top: float, base: float) -> str:
    """What the workers did: work rises from the ground, no room hangs from above, no input is left white."""
    made, low = "", [0.0] * len(times)
    for name, place in AREAS:
        part = [time[place] for time in times]
        if max(part) < 0.03:
            continue
        if name == "room":
            low = [1 - value for value in part]
        high = [under + value for under, value in zip(low, part, strict=True)]
        made += area(name, low, high, xs, top, base)
        if name != "room":
            low = high
    return made


def area(
    name: str, low: Sequence[float], high: Sequence[float], xs: Sequence[float], top: float, base: float
) -> str:
    """Between two lines."""

    def place(value: float) -> str:
        return number(base - (base - top) * near(value, 0, 1))

    over = "".join(f"L{number(x)} {place(value)}" for x, value in zip(xs, high, strict=True))
    under = "".join(
        f"L{number(x)} {place(value)}" for x, value in zip(reversed(xs), reversed(low), strict=True)
    )
    return f'<path d="M{over[1:]}{under}z" class="{name} a"/>'
