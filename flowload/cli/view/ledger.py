"""The ledger as text: for every stage in = out + dropped + held, checked before the reader's eyes."""

from __future__ import annotations

from collections.abc import Mapping

from flowload.observe.figures import align, count
from flowload.observe.stats import RunStats, StageStats
from flowload.printable import printable

__all__ = ["balanced", "ledger", "reasons", "remarks", "under_way"]


def ledger(stats: RunStats, *, as_asked: bool | None = None) -> list[str]:
    """One line a stage; each ends with a check mark, what is still under way, or the mismatch.

    Args:
        stats: the run.
        as_asked: the run went as asked, and so deserves check marks; None: it does if it has finished.
    """
    marked = stats.finished if as_asked is None else as_asked
    rows = [
        (
            printable(stage.name),
            count(stage.in_),
            "= " + count(stage.out),
            "+ " + count(sum(stage.dropped.values())),
            "+ " + count(stage.held),
            verdict(stage, finished=stats.finished, marked=marked),
            remarks(stage),
        )
        for stage in stats.stages.values()
    ]
    head = ("ledger", "in", "= out", "+ dropped", "+ held", "", "")
    return align([head, *rows], "<>>>><<")


def under_way(stage: StageStats) -> int:
    """Samples that came in and are neither out, dropped nor held; negative: out before counted in."""
    return stage.in_ - stage.out - sum(stage.dropped.values()) - stage.held


def balanced(stats: RunStats) -> bool:
    """Whether every stage adds up; a run that was stopped in the midst of calls cannot be asked."""
    return not stats.finished or not any(map(under_way, stats.stages.values()))


def verdict(stage: StageStats, *, finished: bool, marked: bool) -> str:
    """A check mark, or what is missing; only a run that was stopped may have samples under way."""
    missing = under_way(stage)
    if missing == 0:
        return "✓" if marked else ""
    return f"✗ {missing:+,} unaccounted for" if finished else f"  {count(abs(missing))} under way"


def remarks(stage: StageStats) -> str:
    """Why samples were dropped, and how many lack something that was never stored."""
    lacking = f"of out, {count(stage.missing)} with missing data" if stage.missing else ""
    return "; ".join(filter(None, (reasons(stage.dropped), lacking)))


def reasons(dropped: Mapping[str, int]) -> str:
    """Why samples were dropped, most frequent first."""
    ranked = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(reason)}: {count(samples)}" for reason, samples in ranked if samples)
