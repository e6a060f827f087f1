"""How far a run with a known end is, and how long the rest will take."""

from __future__ import annotations

from typing import NamedTuple

from .figures import counted, share
from .stats import RunStats, StageStats

__all__ = ["Progress", "filling", "progress"]


class Progress(NamedTuple):
    """Which part of a run is done (0 to 1), and the seconds that are left."""

    done: float  #: share of all samples that came through (0 to 1)
    left: float  #: seconds until the end, if it goes on as since the first sample came through


def progress(now: RunStats, warm: RunStats | None = None) -> Progress | None:
    """How far the run is; None where no end is known, or nothing came through yet.

    What the sources have given of all their passes, times what every stage has let through of what came in:
    a pool that still holds half of it halves what was done.

    Args:
        now: the run now.
        warm: the run when the first batch had come; the time before tells nothing of the rest.
    """
    done = done_of(now)
    if done is None or not now.delivered:
        return None
    if now.finished:
        return Progress(1.0, 0.0)
    began = 0.0 if warm is None else done_of(warm) or 0.0
    seconds = now.elapsed - (0.0 if warm is None else warm.elapsed)
    if done <= began or seconds <= 0:
        return None
    return Progress(done, (1 - done) * seconds / (done - began))


def done_of(now: RunStats) -> float | None:
    """Share of all samples that came through every stage; None where no source knows its end."""
    given = [share for stage in now.stages.values() if (share := share_given(stage, now)) is not None]
    if not given:
        return None
    done = min(given)
    for stage in now.stages.values():
        done *= share_passed(stage)
    return min(1.0, done)


def share_given(stage: StageStats, now: RunStats) -> float | None:
    """How much of all its passes a source has given."""
    if now.epochs is None or "pass_done" not in stage.gauges:
        return None
    passes = stage.gauges["passes_done"] - now.first_epoch
    return min(1.0, max(0.0, passes + stage.gauges["pass_done"]) / now.epochs)


def share_passed(stage: StageStats) -> float:
    """How much of what came into a stage is not in it any more."""
    return 1 - stage.held / stage.in_ if stage.in_ else 1.0


def filling(now: RunStats) -> str:
    """What has to be done before the first batch, and how far it is."""
    indexed = [(s.name, int(s.gauges.get("files_indexed", 0))) for s in now.stages.values()]
    fills = [
        (s.name, value)
        for s in now.stages.values()
        for key, value in s.gauges.items()
        if key.endswith("_fill")
    ]
    told = [f"{name}: {counted(files, 'file', 'files')} indexed" for name, files in indexed if files]
    told += [f"{name} {share(value)} full" for name, value in fills if value < 1]
    return ", ".join(told) if told and not now.finished else ""
