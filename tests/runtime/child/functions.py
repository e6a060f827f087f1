"""What users would put into a graph, in a module that another process can import."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

import numpy as np

from flowload.errors import GraphError

Batch = dict[str, Any]


def divides(batch: Batch) -> Batch:
    return {"x": batch["x"] // zero(batch)} if 7 in batch["x"] else batch


def zero(batch: Batch) -> int:
    if len(batch["x"]):
        raise ArithmeticError(f"{len(batch['x'])} samples")
    return 0


def tells(batch: Batch) -> Batch:
    logging.getLogger("of.a.user").warning("a batch of %d", len(batch["x"]))
    warnings.warn("of a user", UserWarning, stacklevel=1)
    return batch


def waits(batch: Batch) -> Batch:
    if 7 in batch["x"]:
        threading.Event().wait()
    return batch


def grows(batch: Batch) -> Batch:
    return {"x": np.repeat(batch["x"][:, None], 1 << (int(batch["x"][0]) // 2), axis=1)}


def refuses() -> Any:
    raise GraphError("not in this process")
