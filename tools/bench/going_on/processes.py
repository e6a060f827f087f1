"""Ranks of a training as processes of this machine, with the variables that torchrun would set."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench.measuring.settings import ROOT

__all__ = ["run_ranks"]

PATIENCE = 180  #: seconds until a rank counts as one that hangs
RANKED = ("RANK", "GLOBAL_RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def run_ranks(orders: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Run a child of each order, all at once; what each found, or the error with which it ended."""
    port = free_port()
    children = [
        started({**order, "out": str(folder / f"out{rank}.json")}, rank, len(orders), port)
        for rank, order in enumerate(orders)
    ]
    try:
        return [found(child, folder / f"out{rank}.json") for rank, child in enumerate(children)]
    finally:
        for child in children:
            ended(child)


def started(order: Mapping[str, Any], rank: int, world: int, port: int) -> subprocess.Popen[str]:
    """One rank, in a session of its own, so that its workers can be ended with it."""
    Path(order["out"]).unlink(missing_ok=True)
    env = {name: value for name, value in os.environ.items() if name not in RANKED}
    if world > 1:
        values = (rank, rank, rank, world, world, "127.0.0.1", port)
        env.update(zip(RANKED, map(str, values), strict=True))
    return subprocess.Popen(
        [sys.executable, "-m", "tools.bench.going_on.child", json.dumps(order)],
        env={**env, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def found(child: subprocess.Popen[str], out: Path) -> dict[str, Any]:
    """What it wrote."""
    try:
        _, told = child.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"error": f"Hangs: no end after {PATIENCE} s", "said": []}
    if not out.exists():
        return {"error": f"Ended: {told.strip().splitlines()[-1:]}", "said": []}
    answer: dict[str, Any] = json.loads(out.read_text())
    return answer


def ended(child: subprocess.Popen[str]) -> None:
    """And whatever it started."""
    with contextlib.suppress(ProcessLookupError):  # all of them have gone by themselves
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stderr is not None:
        child.stderr.close()


def free_port() -> int:
    """For the ranks to meet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
