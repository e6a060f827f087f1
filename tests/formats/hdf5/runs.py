"""A dataset, read by a run, and what was logged meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.observe.stats import StageStats

__all__ = ["ARRAY", "N", "h5py", "ran", "warnings"]

h5py = pytest.importorskip("h5py")

N = 20
ARRAY = np.arange(1.0, N + 1)


def ran(records: Hdf5Rows, **options: Any) -> tuple[NDArray[Any], StageStats]:
    """All of `x`, and what the books say."""
    with (fl.rows(records) >> fl.batch(7, **options)).iterate() as run:
        arrays = [batch["x"] for batch in run]
    found = np.concatenate([np.asarray(array) for array in arrays]) if arrays else np.empty(0)
    stages = run.stats().stages
    # What is known beforehand is dropped where rows begin.
    return found, stages["batch"]._replace(dropped={**stages["rows"].dropped, **stages["batch"].dropped})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
