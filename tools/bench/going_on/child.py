"""One process of one rank writes rows, or reads them and says what it had: order in, a file of JSON out."""

from __future__ import annotations

import gc
import importlib
import json
import logging
import pickle
import sys
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tools.bench.going_on.setting import Contender, Place

__all__ = ["main"]


class Heard(logging.Handler):
    """What a library says aloud."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())


def main(order: dict[str, Any]) -> None:
    """Do as told; what goes wrong is an answer, too."""
    heard = Heard()
    logging.getLogger().addHandler(heard)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loader: Any = importlib.import_module(f"tools.bench.going_on.of_{order['loader']}")
            found = next(act(loader, order) for key, act in ACTS.items() if key in order)
        except Exception as error:  # noqa: BLE001 - that it refuses is what we want to know
            found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        finally:
            logging.getLogger().removeHandler(heard)
    found["said"] = [*heard.lines, *(str(each.message) for each in caught)]
    Path(order["out"]).write_text(json.dumps(found))


def wrote(loader: Contender, order: dict[str, Any]) -> dict[str, Any]:
    """The data."""
    folder = Path(order["place"]["folder"])
    folder.mkdir(exist_ok=True)
    loader.write(folder, np.load(order["numbers"]), order["each"])
    return {}


def read(loader: Contender, order: dict[str, Any]) -> dict[str, Any]:
    """The batches; and states behind some of them, in files."""
    reader = loader.open(Place(**order["place"]), loaded(order["state"]))
    batches: list[list[int]] = []
    for batch in reader:
        batches.append(list(batch))
        if path := order["saves"].get(str(len(batches))):
            Path(path).write_bytes(pickle.dumps(reader.state()))
    return {"batches": batches}


def timed(loader: Contender, order: dict[str, Any]) -> dict[str, Any]:
    """Seconds from opening to the first batch, for each state in turn; the first round is not counted."""
    best = [float("inf")] * len(order["starts"])
    for number in range(order["rounds"] + 1):
        for which, path in enumerate(order["starts"]):
            state = loaded(path)
            gc.collect()  # what the one before left is not this one's work
            begun = perf_counter()
            batches = iter(loader.open(Place(**order["place"]), state))
            next(batches)
            took = perf_counter() - begun
            del batches  # ends its workers
            if number:
                best[which] = min(best[which], took)
    return {"first": best}


def loaded(path: str | None) -> Any:
    """A state."""
    return None if path is None else pickle.loads(Path(path).read_bytes())


ACTS = {"numbers": wrote, "starts": timed, "state": read}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
