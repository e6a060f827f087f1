"""How much memory a run of a graph holds at most, as its stages estimate it."""

from __future__ import annotations

from flowload.abc.operators import Setting
from flowload.graph.plan import ALONE, Plan

from .lanes import find_lanes

__all__ = ["memory_of"]


def memory_of(plan: Plan, run: Setting = ALONE) -> dict[str, int]:
    """Bytes by node name, those of all lanes of this rank together."""
    rows, lanes = {}, find_lanes(plan)
    for placed in plan.nodes:
        setting = placed.setting(run)
        each = [setting] if lanes is None else lanes.settings(placed, setting)
        rows[placed.name] = sum(map(placed.stage.memory, each))
    return rows
