"""Two runs side by side: which is faster, which stage made the difference, what was set differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowload.observe.figures import duration_of, rate
from flowload.picture.scene.rails import Rails

from .recording import Recording

__all__ = ["compare", "names_of"]

ALIKE = 0.03  #: less is no difference between two runs
SHOWN = 3  #: stages and parameters that are told


class Change(NamedTuple):
    """A stage in both runs: seconds of its workers for a sample that was delivered."""

    name: str
    before: float
    after: float


def names_of(recordings: Sequence[Recording]) -> list[str]:
    """What to call them: the files' names, as much of them as tells them apart."""
    names = [recording.path.name for recording in recordings]
    return names if len(set(names)) == len(names) else [str(recording.path) for recording in recordings]


def compare(one: Recording, other: Recording) -> list[str]:
    """What differs: first the whole, then the stages, then what was set."""
    first, second = names_of([one, other])
    speeds = [speed(recording.stats) for recording in (one, other)]
    changed = changes(one.stats, other.stats)
    notes = [headline(first, second, speeds, changed)]
    notes += [
        f"{change.name} takes {duration_of(change.after)} a sample, not {duration_of(change.before)}"
        f" ({times(change.before, change.after)})."
        for change in changed[:SHOWN]
    ]
    limits = [last_limit(recording) for recording in (one, other)]
    if limits[0] != limits[1]:
        notes.append(f"What limited was {limits[0]}, and is {limits[1]}.")
    else:
        notes.append(f"In both {limits[0]} limits.")
    notes += settings(one.rails, other.rails)
    return notes


def headline(first: str, second: str, speeds: Sequence[float], changed: Sequence[Change]) -> str:
    """Which is faster, and by whose doing."""
    before, after = speeds
    if not before or not after:
        silent = first if not before else second
        return f"{silent} delivered nothing: there is nothing to compare."
    told = f"{rate(after)}, not {rate(before)}"
    why = f": {changed[0].name} changed most" if changed else ""
    if abs(after / before - 1) < ALIKE:
        return f"{second} is as fast as {first} ({told}){why}."
    return f"{second} makes {after / before:.2f} × as much as {first} ({told}){why}."


def speed(stats: Mapping[str, Any]) -> float:
    """Samples/s of a whole run."""
    elapsed = float(stats.get("elapsed", 0.0) or 0.0)
    return float(stats.get("delivered", 0)) / elapsed if elapsed > 0 else 0.0


def changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Change]:
    """Stages that take notably more or less, those first that make the greatest difference."""
    costs = [cost(one), cost(other)]
    both = [Change(name, costs[0][name], costs[1][name]) for name in costs[0] if name in costs[1]]
    most = max([0.0, *costs[0].values(), *costs[1].values()])
    found = [
        change
        for change in both
        if abs(change.after - change.before) > max(ALIKE * most, 0.1 * change.before)
    ]
    return sorted(found, key=lambda change: -abs(change.after - change.before))


def cost(stats: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of a worker that each stage takes for a delivered sample, shared among its workers."""
    delivered = max(1, int(stats.get("delivered", 0)))
    return {
        name: float(stage["busy"]) / delivered / max(1, int(stage["workers"]))
        for name, stage in stats.get("stages", {}).items()
    }


def times(before: float, after: float) -> str:
    """A ratio."""
    return f"× {after / before:.2f}" if before > 0 else "new"


def last_limit(recording: Recording) -> str:
    """What limited for most of a run."""
    told = [moment["band"] for moment in recording.moments if moment["say"]["state"] == ""]
    return max(set(told), key=told.count) if told else "unknown"


def settings(one: Rails, other: Rails) -> Iterator[str]:
    """Stages that only one has, and parameters that differ."""
    rows = [{row.name: row for row in rails.rows if not row.output} for rails in (one, other)]
    gone, new = rows[0].keys() - rows[1].keys(), rows[1].keys() - rows[0].keys()
    if gone:
        yield f"Only the first has {', '.join(sorted(gone))}."
    if new:
        yield f"Only the second has {', '.join(sorted(new))}."
    told = []
    for name in rows[0].keys() & rows[1].keys():
        before, after = dict(rows[0][name].parameters), dict(rows[1][name].parameters)
        told += [
            f"{name}: {word} {after.get(word, 'as by default')}, not {before.get(word, 'as by default')}"
            for word in sorted(before.keys() | after.keys())
            if before.get(word) != after.get(word)
        ]
    if told:
        yield f"Set differently: {'; '.join(sorted(told)[:SHOWN])}."
