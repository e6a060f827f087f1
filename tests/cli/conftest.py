"""Pipeline files for the command line to run."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

HEAD = """
import numpy as np
from typing import Literal
import flowload as fl
from flowload.errors import DataError, NoDataError

def batches(number, size):
    return lambda: ({"x": np.zeros((size, 2), np.float32)} for _ in range(number))
"""
COUNT = """
@fl.pipeline
def count(*, number: int = 5, size: int = 4, shuffle: bool = True, layout: Literal["a", "b"] = "a"):
    '''Draw.

    Args:
        number: How many batches.
        size: Samples in each.
    '''
    return fl.source(batches(number, size)) >> fl.map(dict, workers=2)
"""

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a pipeline file, and gives its path."""

    def write(body: str, name: str = "pipe.py") -> str:
        path = tmp_path / name
        path.write_text(HEAD + textwrap.dedent(body))
        return str(path)

    return write


@pytest.fixture
def count(write: Write) -> str:
    """A pipeline of 5 batches of 4 samples."""
    return write(COUNT, "count.py")
