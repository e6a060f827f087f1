"""The chess pipeline as users draw it, and what each of its runs is held to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import flowload as fl
from flowload.graph import Graph
from flowload.observe.stats import RunStats

__all__ = ["chess", "dropped", "is_balanced", "texts"]

OnError = Literal["raise", "skip"]


def texts(paths: Path | Sequence[Path]) -> list[str]:
    """Paths as a user writes them."""
    return [str(path) for path in ([paths] if isinstance(paths, Path) else paths)]


def chess(
    data: Path | Sequence[Path],
    *,
    pool: int = 50_000,
    reservoir: int = 500,
    size: int = 128,
    layout: str | None = None,
    drop_last: bool = False,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: float | None = None,
    **unpacking: Any,
) -> Graph:
    """All seven stages."""
    policy: dict[str, Any] = {"on_error": on_error, "max_errors": max_errors, "workers": workers}
    return (
        fl.discover(texts(data))
        >> fl.read("lc0", **policy)
        >> fl.shuffle_pool(pool)
        >> fl.unpack(**unpacking, **policy)
        >> fl.reservoir(reservoir)
        >> fl.batch(size, layout=layout, drop_last=drop_last, workers=workers)
        >> fl.to_device("cpu")
    )


def is_balanced(stats: RunStats) -> bool:
    """The stream ended by itself, and every stage accounts for every sample."""
    assert stats.finished
    for stage in stats.stages.values():
        assert stage.held == 0, stage
        assert stage.in_ == stage.out + sum(stage.dropped.values()), stage
    return True


def dropped(stats: RunStats) -> dict[str, dict[str, int]]:
    """What was dropped, by stage and reason, where something was."""
    return {name: dict(stage.dropped) for name, stage in stats.stages.items() if stage.dropped}
