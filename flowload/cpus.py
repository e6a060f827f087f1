"""How many CPUs this process may use: fewer than the machine has, in most containers and jobs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from flowload.errors import GraphError

__all__ = ["usable_cpus"]

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def usable_cpus(
    *, environ: Mapping[str, str] = os.environ, cgroups: Path = CGROUPS, proc: Path = PROC
) -> int:
    """CPUs by affinity and by cgroup quota (rounded up), whichever is less; at least 1.

    The environment variable FLOWLOAD_CPUS overrides both; GraphError if it is not a number from 1.

    Args:
        environ: where FLOWLOAD_CPUS is looked for.
        cgroups: where cgroups are mounted.
        proc: where the process' own cgroups are named, in `self/cgroup`.
    """
    told = environ.get("FLOWLOAD_CPUS", "").strip()
    if told:
        if not (told.isascii() and told.isdecimal() and int(told)):
            raise GraphError(f"FLOWLOAD_CPUS is {told!r}; wanted a number from 1")
        return int(told)
    shares = [math.ceil(share) for share in quotas(cgroups, proc)]
    return max(1, min([affinity(), *shares]))


def affinity() -> int:
    """CPUs that the scheduler may put this process on."""
    counted: Callable[[], int | None] | None = getattr(os, "process_cpu_count", None)  # Python 3.13
    if counted is not None:
        return counted() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quotas(cgroups: Path, proc: Path) -> Iterator[float]:
    """CPUs that each cgroup above this process allows; nothing where there is no limit."""
    for line in text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # version 2, alone or beside version 1
            for folder in above(cgroups, path):
                yield from share(text(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in (*above(cgroups / controllers, path), *above(cgroups / "cpu", path)):
                yield from share(f"{text(folder / 'cpu.cfs_quota_us')} {text(folder / 'cpu.cfs_period_us')}")


def above(mount: Path, path: str) -> Iterator[Path]:
    """The folders from a cgroup up to its mount; hidden ones (in a container) read as no limit."""
    inside = PurePosixPath(path.lstrip("/"))
    for part in (inside, *inside.parents):
        yield mount / part


def share(words: str) -> Iterator[float]:
    """Quota and period in microseconds as CPUs; nothing for "max", -1 or what cannot be read."""
    parts = words.split()
    if len(parts) == 2 and all(part.isdecimal() for part in parts) and int(parts[1]):
        yield int(parts[0]) / int(parts[1])


def text(path: Path) -> str:
    """What the file says; nothing if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
