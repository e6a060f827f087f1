"""A graph that does not run: names, parameters, and what flows; what a notebook shows of it."""

from __future__ import annotations

from flowload.observe.figures import counted, size
from flowload.picture.scene.rails import Rails

from .drawing import wrapped
from .marks import crop, rail, text
from .palette import both_themes

__all__ = ["notation"]

HIGH, LANE, FIRST = 26.0, 20.0, 10.0


def notation(rails: Rails, width: float = 560.0) -> str:
    """The graph as SVG, on its own paper, in its reader's theme."""
    top = 30.0
    stages = sum(not row.output for row in rails.rows)
    heading = ": ".join(filter(None, [rails.title, counted(stages, "stage", "stages")]))
    made = text(0, 14, heading, "b l")
    made += text(width, 14, f"at most {size(rails.memory)}" if rails.memory else "", "d s e")
    ys = [top + k * HIGH + HIGH / 2 for k in range(len(rails.rows))]
    left = FIRST + (rails.lanes - 1) * LANE + 14
    names = max(len(row.label) for row in rails.rows) * 7.2 + 14 if rails.rows else 0.0
    middle = left + min(names, width * 0.4)
    for row, y in zip(rails.rows, ys, strict=True):
        made += text(left, y + 4, crop(row.label, middle - left - 6, 7.2), "b")
        if not row.output:
            gives = row.gives + (f" × {row.workers}" if row.workers > 1 else "")
            told = ", ".join(f"{name} {value}" for name, value in row.parameters)
            room = width - middle - len(gives) * 6 - 12
            made += text(middle, y + 4, crop(told, room, 6) if told else "", "d s")
            made += text(width, y + 4, gives, "d s e")
    made += rail(rails, None, FIRST, LANE, ys, False)
    return wrapped(made, width, top + len(rails.rows) * HIGH + 4, heading, both_themes())
