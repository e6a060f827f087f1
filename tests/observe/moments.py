"""Snapshots of runs that never were."""

from __future__ import annotations

from typing import Any

from flowload.observe.stats import EdgeStats, RunStats, StageStats


def stage(name: str = "read", **fields: Any) -> StageStats:
    """A stage that did nothing, but for what is said."""
    zero: dict[str, Any] = dict.fromkeys(StageStats._fields, 0)
    return StageStats(
        **{**zero, **StageStats._field_defaults, "dropped": {}, "workers": 1, **fields, "name": name}
    )


def edge(source: str, target: str, blocks: int, capacity: int) -> EdgeStats:
    """A queue."""
    return EdgeStats(source, target, blocks, 0, capacity, 0.0)


def moment(*stages: StageStats, **fields: Any) -> RunStats:
    """A run of these stages; nothing happened, but for what is said."""
    zero: dict[str, Any] = dict.fromkeys(RunStats._fields, 0)
    rows = {row.name: row for row in stages}
    return RunStats(
        **{**zero, **RunStats._field_defaults, "edges": (), "finished": True, **fields, "stages": rows}
    )
