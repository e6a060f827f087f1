"""States of a run by the command line: saved now and then and at the end, whole or not at all; and found."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from flowload.abc.operators import State
from flowload.errors import FlowloadError, NoDataError
from flowload.graph.faces import Batches
from flowload.runtime.state.file import load_state, save_state, states_in

__all__ = ["Saving", "newest_state"]

log = logging.getLogger("flowload")

KEPT = 3  #: states in the folder


@dataclass
class Saving:
    """Where states go, and how often.

    Args:
        folder: made where it is not there; the last three states stay.
        every: seconds between two.
    """

    folder: Path
    every: float
    due: float = field(default_factory=perf_counter)  #: of the last one

    def now_and_then(self, batches: Batches) -> None:
        """Save, if it is time; a state that cannot be saved is told, and the run goes on."""
        if perf_counter() - self.due < self.every:
            return
        try:
            self.save(batches)
        except (OSError, FlowloadError) as error:
            log.warning("no state was saved: %s", error)
        self.due = perf_counter()

    def save(self, batches: Batches) -> Path:
        """Write the state of a run. Raises OSError, and GraphError for a run that has none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = save_state(self.folder, batches)
        for _, old in states_in(self.folder)[:-KEPT]:
            old.unlink(missing_ok=True)
        log.info("the state is in %s", path)
        return path


def newest_state(place: Path) -> State:
    """The newest state of a folder, or that of a file. Raises NoDataError where there is none, DataError."""
    state = load_state(place)
    if state is None:
        raise NoDataError("no state", where=str(place), wanted="what flowload run --save-state writes")
    return state
