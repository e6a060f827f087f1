"""The machine that figures are from, and how much of it is used."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["cpu_name", "describe_machine", "keep_to"]

TELLING = ("flowload", "numpy", "numba", "zlib-ng", "torch", "torchdata", "spdl", "grain")


def keep_to(cpus: int) -> int:
    """Keep this process and its children to so many CPUs where the system can; how many there are now.

    Call it before threads start: they keep to what held then.
    """
    if not hasattr(os, "sched_setaffinity"):
        return min(cpus, os.cpu_count() or 1)
    usable = sorted(os.sched_getaffinity(0))[:cpus]
    os.sched_setaffinity(0, usable)
    return len(usable)


def cpu_name() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_machine(cpus: int) -> dict[str, object]:
    """What figures depend on."""
    return {
        "cpu": cpu_name(),
        "cpus_used": cpus,
        "cpus_of_machine": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in TELLING},
    }


def installed(name: str) -> str | None:
    """Version of a package; None: absent."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
