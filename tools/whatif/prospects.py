"""What every stage could do, and what to change, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowload.observe.figures import align, rate, share

from .model import Change, Prospect, WhatIf

__all__ = ["as_json", "prospects"]

HEAD = ("stage", "ceiling", "CPU", "workers", "best", "2 x faster", "best workers")
SIDES = "<>>>>>>"


def prospects(found: WhatIf | None) -> list[str]:
    """A row a stage, their ceilings by workers, and the changes to make."""
    if found is None:
        return ["what if: unknown; nothing was delivered"]
    table = align([HEAD, *(cells(one, found.rate) for one in found.prospects)], SIDES)
    return [*table, *notes(found), "", *advice(found)]


def cells(one: Prospect, now: float) -> tuple[str, ...]:
    """One row; the columns are `HEAD`."""
    return (
        one.name,
        ("" if one.measured else "~") + ("-" if one.ceiling == float("inf") else rate(one.ceiling)),
        share(one.cpu_share),
        str(one.workers),
        str(one.best) if len(one.ceilings) > 1 else "-",
        reached(one.if_faster, now),
        reached(one.if_best, now) if len(one.ceilings) > 1 else "-",
    )


def reached(there: float, now: float) -> str:
    """A rate of the whole, and how much more that is."""
    return f"{rate(there)} {there / now - 1:+.0%}".replace("%", " %").replace("-0 %", "+0 %")


def notes(found: WhatIf) -> Iterator[str]:
    """The ceilings by workers, and why some were not measured alone."""
    for one in found.prospects:
        if len(one.ceilings) > 1:
            shown = [(k, most) for k, most in one.ceilings if k in (one.workers, one.best) or not k & (k - 1)]
            by_workers = ", ".join(f"{workers}: {rate(ceiling)}" for workers, ceiling in shown)
            yield f"  {one.name} with so many workers: {by_workers}"
    for one in found.prospects:
        if one.note:
            yield f"  ~ {one.name}: {one.note}"


def advice(found: WhatIf) -> list[str]:
    """The changes to make, in order."""
    if not found.changes:
        return [f"change: none: no other workers= would give notably more than {rate(found.rate)}"]
    return [line for change in found.changes for line in told(change)]


def told(change: Change) -> Iterator[str]:
    """One change, with the place to make it."""
    was = "no workers=" if change.declared is None else f"workers={change.declared}"
    was += f" ({change.workers})" if change.declared is None else ""
    yield f"change: {change.where}: {change.name!r} from {was} to workers={change.to}"
    yield f"  the whole would reach {rate(change.reach)}"


def as_json(found: WhatIf | None) -> dict[str, Any] | None:
    """The numbers, and the words."""
    if found is None:
        return None
    rows = [{**one._asdict(), "ceilings": dict(one.ceilings)} for one in found.prospects]
    changes = [change._asdict() for change in found.changes]
    return {"rate": found.rate, "prospects": rows, "changes": changes, "words": prospects(found)}
