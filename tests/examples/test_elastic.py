"""`examples/elastic.py` on two nodes of two ranks: killed, sent away, gone on with elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist

from tests.examples.nodes import Node, members, signal_all, torchrun, two_nodes

LIMIT = 200.0  #: seconds for anything; nothing is measured
ENV = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}

pytestmark = [
    pytest.mark.hammer,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
    pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here"),
]


def lines(out: Path) -> list[dict[str, Any]]:
    """What the log says so far."""
    path = out / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(there: Callable[[], object], alive: list[subprocess.Popen[bytes]], log: Path) -> None:
    """Wait for something that is seen in a file."""
    end = time.monotonic() + LIMIT
    while not there():
        assert all(process.poll() is None for process in alive), log.read_text()[-4000:]
        assert time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.05)


def start(nodes: tuple[Node, Node], out: Path, log: Path, *more: str) -> list[subprocess.Popen[bytes]]:
    """torchrun on both, two ranks each."""
    words = ["--nnodes", "2", "--nproc-per-node", "2", "--max-restarts", "3", "--rdzv-backend", "c10d"]
    end = ["--rdzv-id", "one", "--rdzv-endpoint", f"{nodes[0].address}:{29500 + os.getpid() % 500}"]
    script = ["examples/elastic.py", "--out", str(out), *more]
    agents = []
    for index, node in enumerate(nodes):
        place = ["--rdzv-conf", f"is_host={index == 0}", "--local-addr", node.address]
        agents.append(node.start(*torchrun(*words, *end, *place, *script), env=ENV, log=log))
    return agents


def test_two_nodes_lose_a_rank_leave_in_time_and_three_ranks_go_on(tmp_path: Path) -> None:
    whole, parts, log = tmp_path / "whole", tmp_path / "parts", tmp_path / "log"
    more = ["--epochs", "3", "--save-every", "5", "--width", "16", "--packed", str(tmp_path / "packed")]
    alone = [sys.executable, "examples/elastic.py", "--out", str(whole), *more]
    subprocess.run(alone, cwd=Path(__file__).parents[2], env={**os.environ, **ENV}, check=True, timeout=LIMIT)
    wanted = {line["step"]: line["loss"] for line in lines(whole)}

    with two_nodes() as nodes:
        agents = start(nodes, parts, log, *more)
        roots = [agent.pid for agent in agents]
        try:
            until(lambda: len(lines(parts)) >= 12, agents, log)
            os.kill(members(roots[1])[-1], signal.SIGKILL)  # a rank of the second node
            until(lambda: any("resumed" in line for line in lines(parts)), agents, log)
            begun = len(lines(parts))
            until(lambda: len(lines(parts)) >= begun + 8, agents, log)
            started = [pid for root in roots for pid in members(root)]
            assert len(started) >= 6  # two agents, four ranks
            signal_all(roots, signal.SIGUSR1)
            for agent in agents:
                assert agent.wait(LIMIT) in (-signal.SIGUSR1, 128 + signal.SIGUSR1), log.read_text()[-4000:]
            assert [pid for pid in started if members(pid)] == []
        finally:
            signal_all(roots, signal.SIGKILL)
            for agent in agents:
                agent.wait()
    left = lines(parts)[-1]["step"]
    assert left < max(wanted)
    assert not (parts / "net.pt").exists()

    three = torchrun(
        "--standalone", "--nproc-per-node", "3", "examples/elastic.py", "--out", str(parts), *more
    )
    subprocess.run(three, cwd=Path(__file__).parents[2], env={**os.environ, **ENV}, check=True, timeout=LIMIT)
    told = lines(parts)
    assert {"step": left, "resumed": True} in told, "nothing between the signal and the checkpoint is lost"
    found = {line["step"]: line["loss"] for line in told if "loss" in line}
    assert sorted(found) == sorted(wanted)
    np.testing.assert_allclose([found[step] for step in sorted(found)], list(wanted.values()), rtol=1e-3)
    assert (parts / "net.pt").exists()
    assert not [path for path in parts.iterdir() if path.name not in ("checkpoint.pt", "log.jsonl", "net.pt")]
