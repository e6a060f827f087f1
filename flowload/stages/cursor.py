"""Where a source is in its pass."""

from __future__ import annotations

from dataclasses import dataclass

from flowload.abc.operators import State

__all__ = ["Cursor"]


@dataclass(slots=True)
class Cursor:
    """Counts what a pass has given; a restored one makes that pass begin there."""

    epoch: int = 0
    given: int = 0

    def begin(self, epoch: int) -> int:
        """Start a pass; returns how much of it was given before the state was saved."""
        if epoch != self.epoch:
            self.epoch, self.given = epoch, 0
        return self.given

    def gauges(self, total: int) -> dict[str, float]:
        """Passes that are over, and how much of this one was given; see `flowload.observe.stats`."""
        return {"passes_done": self.epoch, "pass_done": self.given / total} if total else {}

    def state(self) -> State:
        """Its fields as JSON values."""
        return {"epoch": self.epoch, "given": self.given}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.epoch, self.given = int(state["epoch"]), int(state["given"])
