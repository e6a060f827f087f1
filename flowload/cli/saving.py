"""States of a run by the command line: saved now and then and at the end, whole or not at all; and found."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from flowload.abc.operators import State
from flowload.errors import DataError, FlowloadError, NoDataError
from flowload.files.replacing import replacing
from flowload.graph.engine import Batches

__all__ = ["Saving", "newest_state"]

log = logging.getLogger("flowload")

KEPT = 3  #: states in the folder
NAME = re.compile(r"state-(\d+)\.json")


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
        state = batches.state_dict()
        number = sum(state["delivered"].values())
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"state-{number:012}.json"
        with replacing(path) as file:
            file.write(json.dumps(state).encode())
        for _, old in states_in(self.folder)[:-KEPT]:
            old.unlink(missing_ok=True)
        log.info("the state after %d batches is in %s", number, path)
        return path


def states_in(folder: Path) -> list[tuple[int, Path]]:
    """The states of a folder by their number of batches, the newest last."""
    found = [(NAME.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted((int(name[1]), path) for name, path in found if name is not None)


def newest_state(folder: Path) -> State:
    """The newest state of a folder. Raises NoDataError where there is none, DataError for what is none."""
    states = states_in(folder)
    if not states:
        raise NoDataError("no state", where=str(folder), wanted="what flowload run --save-state writes")
    path = states[-1][1]
    try:
        state: State = json.loads(path.read_text())
    except ValueError as error:
        raise DataError("no state", where=str(path), found=str(error)) from error
    return state
