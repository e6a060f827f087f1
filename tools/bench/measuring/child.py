"""Measurements in fresh processes: an order in, a line of numbers out, both JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from .settings import ROOT

__all__ = ["finish", "started", "told"]


def started(module: str, order: Mapping[str, object]) -> subprocess.Popen[str]:
    """A process of a module of ours, which tells a line, and may then wait for one."""
    return subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(order)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(child: subprocess.Popen[str]) -> Any:
    """What it tells; None where it has ended without."""
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    return json.loads(child.stdout.readline() or "null")


def finish(child: subprocess.Popen[str]) -> None:
    """Let it end. Raises CalledProcessError where it failed."""
    child.communicate("\n")
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args)
