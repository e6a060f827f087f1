"""The picture of one run: stages as rows on rails, queues as the rails' cells, all on one axis of time.

`draw` is a pure function of the graph, moments, and what is wanted; `page/drawing.js` is the same in the
browser's language, and a test compares what both draw.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowload.observe.figures import clock
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.saying import plain

from .history import Band, History, bands_of, history_of, ticks
from .marks import bar, crop, escape, fold, line, near, number, rail, rect, text
from .palette import LIGHT, both_themes, css_of
from .trace import trace
from .wanted import Columns, Wanted

__all__ = ["Columns", "Wanted", "columns_of", "draw", "headed", "svg", "wrapped"]

LANE, FIRST = 22, 12  #: from lane to lane, and the first lane
HISTORY = 200.0  #: that a history should have


def row_height(count: int, room: float, narrow: bool) -> float:
    """Rows share the height that there is, within bounds that depend on how many they are."""
    if narrow:
        return 60.0
    least = 48 if count <= 10 else 36 if count <= 18 else 27 if count <= 24 else 23
    return near((room - 64) // count if room else 0, least, 74)


def columns_of(rails: Rails, wanted: Wanted, top: float) -> Columns:
    """Where everything stands."""
    width, count = wanted.width, len(rails.rows)
    narrow = width < 560
    high = row_height(count, wanted.height, narrow) if wanted.history else 26.0
    first = top + (22 if not wanted.history else 44 if narrow else 46)
    ys = tuple(first + k * high + high / 2 - (10 if narrow else 0) for k in range(count))
    name = FIRST + (rails.lanes - 1) * LANE + 16.0
    if narrow:
        side = width * 0.6
        return Columns(
            True, high, first, ys, name, side, name, side - name, 0, width, 0, width * 0.63, width * 0.37
        )
    # Long names give way to the history.
    bar_wide = near(width * 0.2, 150, 290)
    room = width - name - bar_wide - (302 if width > 820 else 236) - HISTORY
    longest = max(96.0, *(len(row.label) * 7.4 + 8 for row in rails.rows))
    names = near(longest, 96, near(room, 96, width * 0.3))
    queue = name + names + 34
    start = queue + 14
    run = start + bar_wide + 38
    out = run + 74
    lost = out + 66 if width > 820 else 0.0
    left = (lost or out) + 28
    if not wanted.history:
        more = width - left + 22
        bar_wide, run, out, lost = bar_wide + more, run + more, out + more, lost + more if lost else 0.0
    return Columns(
        False, high, first, ys, name, queue, start, bar_wide, run, out, lost, left, width - left - 48
    )


def headed(moment: Moment, width: float) -> tuple[str, float]:
    """The verdict above a picture, and how high it is."""
    big, made = width >= 700, ""
    at = 20.0 if big else 16.0
    for words in fold(plain(moment["say"]["head"]), width, 9.9 if big else 7.6):
        made += text(0, at, words, "xl b" if big else "l b")
        at += 24 if big else 18
    for words in fold(plain(moment["say"]["sub"]), width, 6.3):
        made += text(0, at, words, "d l")
        at += 17
    return made, at


def draw(rails: Rails, moments: Sequence[Moment], live: int, at: int, wanted: Wanted) -> tuple[str, float]:
    """The inside of a picture, and its height.

    Args:
        rails: the graph.
        moments: of the run, oldest first.
        live: the last moment that is shown.
        at: the moment that is looked at.
        wanted: how it is wanted.
    """
    now = moments[at]
    made, top = headed(now, wanted.width) if wanted.head else ("", 0.0)
    columns = columns_of(rails, wanted, top)
    bottom = columns.top + len(rails.rows) * columns.high
    made += heads(columns)
    for k, cell in enumerate(now["cells"]):
        if cell["mark"] == "limit":
            made += rect(
                -6, columns.top + k * columns.high, wanted.width + 12, columns.high, "tint", ' rx="2"'
            )
    history = history_of(moments, live, wanted.span) if wanted.history else None
    if history is not None:
        made += axis(history, moments[live], columns, bottom, wanted)
    first = next((k for k, cell in enumerate(now["cells"]) if cell["full"] >= 0), -1)
    for k in range(len(rails.rows)):
        inside = row_of(rails, now, k, columns, wanted)
        if history is not None:
            inside += trace(rails, history, k, columns, wanted, first)
        if wanted.pick == rails.rows[k].name:
            at_y = columns.top + k * columns.high + 1
            inside += rect(-6, at_y, wanted.width + 12, columns.high - 2, "pick", ' rx="3"')
        made += group(rails, now, k, inside, wanted)
    made += f'<g pointer-events="none">{rail(rails, now, FIRST, LANE, columns.ys, True)}</g>'
    if history is not None and wanted.cursor >= 0:
        x = history.x(wanted.cursor, columns.left, columns.wide)
        made += line(x, columns.top - 4, x, bottom, "cur")
    if wanted.foot:
        made += text(0, bottom + 28, wanted.foot, "d")
    return made, bottom + (34 if wanted.foot else 8)


def group(rails: Rails, now: Moment, k: int, inside: str, wanted: Wanted) -> str:
    """A row as something that can be picked and spoken."""
    picked = "true" if wanted.pick == rails.rows[k].name else "false"
    speaks = f'aria-selected="{picked}" aria-label="{escape(now["cells"][k]["speaks"])}"'
    return f'<g data-row="{k}" id="row{k}" role="option" {speaks}>{inside}</g>'


def heads(columns: Columns) -> str:
    """Names of the columns: they are the legend, too."""
    y = columns.top - 9
    made = text(columns.queue, y, "queue", "d s e")
    if columns.narrow:
        return made
    made += text(columns.run, y, "workers", "d s e") + text(columns.out, y, "out", "d s e")
    made += text(columns.lost, y, "dropped", "d s e") if columns.lost else ""
    return made + text(columns.bar, y, "workers’ time", "d s")


def axis(history: History, last: Moment, columns: Columns, bottom: float, wanted: Wanted) -> str:
    """The time, who limited when, and warnings."""
    made, y = "", columns.top - 9
    for tick in ticks(history.start, history.end, columns.wide):
        x = history.x(tick, columns.left, columns.wide)
        made += line(x, columns.top - 4, x, bottom, "g")
        if x < wanted.width - 30 or columns.narrow:
            made += text(x, y, clock(tick), "d s m")
    bands = bands_of(history.picked)
    for k, band in enumerate(bands):
        made += strip(history, band, k, columns, bottom)
    for when, _, what, _ in last["warnings"]:
        if history.start < when < history.end:
            x = history.x(when, columns.left, columns.wide)
            place = f"M{number(x)} {number(columns.top - 3)}l-4 -7h8z"
            made += f'<path d="{place}" class="hot"><title>{escape(what)}</title></path>'
    return made


def strip(history: History, band: Band, k: int, columns: Columns, bottom: float) -> str:
    """A time in which the same limited."""
    picked, y = history.picked, columns.top - (34 if columns.narrow else 38)
    left = max(columns.left, history.x(picked[band.first]["at"], columns.left, columns.wide))
    after = picked[min(len(picked) - 1, band.last + 1)]["at"]
    right = history.x(after, columns.left, columns.wide)
    if right - left < 2:
        return ""
    made = rect(left + (1 if k else 0), y + 13, right - left - 1, 2.5, "hot" if band.hot else "data")
    if k:
        made += line(left, y + 13, left, bottom, "mark")
    words = band.told if band.told.startswith(("no ", "over", "left", "unknown")) else f"limit: {band.told}"
    room = right - left - 4
    for told in (words, band.told, band.told.split(",")[0]):
        if len(told) * 6.2 <= room:
            return made + text(left + (3 if k else 0), y + 9, told, "s h" if band.hot else "s d")
    return made


def row_of(rails: Rails, now: Moment, k: int, columns: Columns, wanted: Wanted) -> str:
    """A row, but for its history."""
    row, cell = rails.rows[k], now["cells"][k]
    top, y = columns.top + k * columns.high, columns.ys[k]
    made = rect(-6, top, wanted.width + 12, columns.high, "hit")
    limits, hot = cell["mark"] == "limit", cell["mark"] in ("limit", "next")
    if columns.narrow:
        room = columns.queue - columns.name - len(cell["queue"]) * 6.8 - 8
        label = crop(row.label, room, 7.6)
        side = {"limit": "limits", "pace": "sets the pace", "next": "next", "later": "next"}.get(
            cell["mark"], ""
        )
        side = side or ("" if cell["lost"] in ("", "0") else f"{cell['lost']} dropped")
        made += text(columns.name, y + 4, label, "l b h" if limits else "l b")
        if len(label) * 7.6 + len(side) * 6 + 12 < room:
            made += text(columns.name + len(label) * 7.6 + 8, y + 4, side, "s h" if hot else "s d")
        made += text(columns.queue, y + 4, cell["queue"], "e d") + text(columns.out, y + 4, cell["out"], "e")
        return made + bar(
            columns.bar, y + 13, columns.bar_wide, 14, cell["time"], cell["late"], bool(row.output)
        )
    label = crop(row.label, columns.queue - columns.name - 36, 7.4)
    if columns.high >= 34:
        made += text(columns.name, y - 2, label, "l b h" if limits else "l b")
        note = crop(cell["note"], columns.queue - columns.name - 30, 5.6)
        made += text(columns.name, y + 13, note, "s h" if hot else "s d")
    else:
        made += text(columns.name, y + 4, label, "l b h" if hot else "l b")
    made += text(columns.queue, y + 4, cell["queue"], "e")
    made += bar(columns.bar, y - 8, columns.bar_wide, 16, cell["time"], cell["late"], bool(row.output))
    made += text(columns.run, y + 4, cell["run"], "e")
    made += text(columns.out, y + 4, cell["out"], "e b" if row.output or limits else "e")
    if columns.lost:
        made += text(columns.lost, y + 4, cell["lost"], "e d" if cell["lost"] == "0" else "e")
    return made


def wrapped(inside: str, width: float, height: float, title: str, css: str) -> str:
    """A file of its own, on its own paper."""
    wide, high = number(width + 16), number(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {wide} {high}" '
        f'width="{wide}" height="{high}" role="img"><title>{escape(title)}</title><style>{css}</style>'
        f"{rect(-8, 0, width + 16, height, 'paper')}{inside}</svg>\n"
    )


def svg(rails: Rails, moments: Sequence[Moment], wanted: Wanted, *, themes: bool = True) -> str:
    """A picture as a file, of the last moment.

    Args:
        rails: the graph.
        moments: of the run.
        wanted: how it is wanted.
        themes: follow the theme of the reader; False: always light.
    """
    last = len(moments) - 1
    inside, height = draw(rails, moments, last, last, wanted)
    title = (
        f"{rails.title}: {plain(moments[-1]['say']['head'])}"
        if rails.title
        else plain(moments[-1]["say"]["head"])
    )
    return wrapped(
        inside, wanted.width, float(int(height + 0.999)), title, both_themes() if themes else css_of(LIGHT)
    )
