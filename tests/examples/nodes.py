"""Machines for a training, as far as one machine goes: network namespaces of their own, or else loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NETWORK = "10.77.{}.{}"  #: of this machine alone: its two ends are both in namespaces


class Node(NamedTuple):
    """Where a command runs."""

    address: str
    interface: str  #: with that address; gloo goes by the machine's name unless it is told
    prefix: tuple[str, ...] = ()  #: of every command

    def start(self, *command: str, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command."""
        own = {**os.environ, **env, "GLOO_SOCKET_IFNAME": self.interface}
        with log.open("ab") as out:
            return subprocess.Popen([*self.prefix, *command], env=own, stdout=out, stderr=out, cwd=ROOT)


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    """Two that reach each other, and nothing else; on loopback where this user may make no namespaces."""
    ip = shutil.which("ip")
    number = os.getpid() % 250
    names = [f"flowload-{os.getpid()}-{node}" for node in (1, 2)]
    ends = [f"fl{number}x{node}" for node in (1, 2)]

    def run(*words: str) -> bool:
        return (
            ip is not None and subprocess.run([ip, *words], capture_output=True, check=False).returncode == 0
        )

    with ExitStack() as undo:
        made = ip is not None
        for name in names:
            made = made and run("netns", "add", name)
            if made:
                undo.callback(run, "netns", "del", name)  # and with it its end of the link
        made = made and run("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        nodes = []
        for index, (name, end) in enumerate(zip(names, ends, strict=True), start=1):
            address = NETWORK.format(number, index)
            made = (
                made
                and run("link", "set", end, "netns", name)
                and run("-n", name, "addr", "add", f"{address}/24", "dev", end)
                and run("-n", name, "link", "set", end, "up")
                and run("-n", name, "link", "set", "lo", "up")
            )
            nodes.append(Node(address, end, (str(ip), "netns", "exec", name)))
        yield (nodes[0], nodes[1]) if made else (Node("127.0.0.1", "lo"), Node("127.0.0.1", "lo"))


def torchrun(*words: str) -> Sequence[str]:
    """The command."""
    return [sys.executable, "-m", "torch.distributed.run", *words]


def members(root: int) -> list[int]:
    """A process that lives and those that it has started, and they; each behind its parent."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = path.read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if state != "Z":
            parents[int(path.parent.name)] = int(parent)
    found = [root] if root in parents else []
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def signal_all(roots: Sequence[int], number: signal.Signals) -> None:
    """What a scheduler does: every process of a job's step gets it."""
    for pid in [pid for root in roots for pid in members(root)]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
