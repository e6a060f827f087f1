"""Colours by role, light and dark, and the style sheet of every drawing: one source for page, SVG and PNG.

Every text has a contrast of 4.5 or more against what it stands on, and hues are told apart by people with any
colour vision (`tests/picture/svg/test_palette.py` computes both); they are also worded, and in a fixed order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["DARK", "LIGHT", "PRINT", "both_themes", "css_of", "variables"]

LIGHT: Mapping[str, str] = {
    "paper": "#fbfbf9",
    "raise": "#f1f2f0",
    "ink": "#15191e",
    "dim": "#555e68",
    "rule": "#dcdfe1",
    "track": "#e5e8ea",
    "data": "#3f4954",
    "work": "#0072b2",
    "onwork": "#ffffff",
    "disk": "#9fcdea",
    "ondisk": "#15191e",
    "late": "#cc79a7",
    "onlate": "#15191e",
    "room": "#ecdfbd",
    "onroom": "#4b4020",
    "hot": "#b54a00",
    "onhot": "#ffffff",
    "tint": "#fbeee2",
    "good": "#00724f",
}
DARK: Mapping[str, str] = {
    "paper": "#0e1217",
    "raise": "#171c23",
    "ink": "#e9edf2",
    "dim": "#9ba6b2",
    "rule": "#28303a",
    "track": "#232a33",
    "data": "#b3bdc8",
    "work": "#56b4e9",
    "onwork": "#0a0e13",
    "disk": "#34729a",
    "ondisk": "#ffffff",
    "late": "#d58ab3",
    "onlate": "#0a0e13",
    "room": "#453b22",
    "onroom": "#eadbb0",
    "hot": "#ff9552",
    "onhot": "#0a0e13",
    "tint": "#2a1d14",
    "good": "#3fc79a",
}
PRINT: Mapping[str, str] = {
    **LIGHT,
    "paper": "#ffffff",
    "raise": "#ffffff",
    "ink": "#000000",
    "dim": "#444444",
    "rule": "#cccccc",
}

#: The style sheet; `$role` stands for a colour.
RULES = """\
text{font-family:"Helvetica Neue","Segoe UI",Roboto,"Liberation Sans",Arial,"DejaVu Sans",sans-serif;\
font-size:12px;font-variant-numeric:tabular-nums;fill:$ink}
.s{font-size:11px}.l{font-size:13px}.xl{font-size:19px}.b{font-weight:600}.d{fill:$dim}.h{fill:$hot}
.e{text-anchor:end}.m{text-anchor:middle}
.work{fill:$work}.disk{fill:$disk}.late{fill:$late}.room{fill:$room}.track{fill:$track}.hot{fill:$hot}.data{fill:$data}
.tint{fill:$tint}.paper{fill:$paper}
.twork{fill:$onwork}.tdisk{fill:$ondisk}.tlate{fill:$onlate}.troom{fill:$onroom}.thot{fill:$onhot}.ttrack{fill:$dim}
.rail{stroke:$data;stroke-width:1.5;fill:none}.fuse{stroke:$data;stroke-width:5;fill:none}
.st{fill:$paper;stroke:$data;stroke-width:1.75}.lim{fill:$hot;stroke:$hot}
.nxt{stroke:$hot;stroke-dasharray:2.5 2}.nxt.q{stroke:$data}.term{fill:$data;stroke:$data}
.box{fill:$paper;stroke:$data;stroke-width:1}.cell{stroke:$paper;stroke-width:1}.g{stroke:$rule;stroke-width:1;opacity:.75}
.ln{fill:none;stroke:$ink;stroke-width:1.25;stroke-linejoin:round}.wa{fill:$hot;opacity:.32}
.wl{fill:none;stroke:$hot;stroke-width:1.4}.cur{stroke:$ink;stroke-width:1}.dot{fill:$ink}
.a{opacity:.5}.room.a{opacity:.42}.mark{stroke:$hot;stroke-width:1}.hit{fill:none;pointer-events:all}
.pick{fill:none;stroke:$work;stroke-width:2}
"""


def css_of(palette: Mapping[str, str]) -> str:
    """The style sheet in these colours."""
    return re.sub(r"\$(\w+)", lambda found: palette[found[1]], RULES)


def both_themes() -> str:
    """For a file that follows its reader's theme, and is light on paper."""
    dark, printed = css_of(DARK), css_of(PRINT)
    return f"{css_of(LIGHT)}@media (prefers-color-scheme:dark){{{dark}}}@media print{{{printed}}}"


def variables() -> str:
    """For a page: the colours as variables, by the reader's theme or the page's own switch, and the rules."""
    light, dark, printed = (named(palette) for palette in (LIGHT, DARK, PRINT))
    rules = re.sub(r"\$(\w+)", r"var(--\1)", RULES)
    every = ":root,:root[data-theme],:root:not([data-theme=light])"
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"{rules}"
        f"@media print{{{every}{{color-scheme:light;{printed}}}}}\n"
    )


def named(palette: Mapping[str, str]) -> str:
    """Declarations of variables."""
    return ";".join(f"--{role}:{colour}" for role, colour in palette.items())
