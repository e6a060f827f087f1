"""All checks, by name, in the order in which they are made: what must be right first, the longest last."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch

from .bench import Bench
from .correctness import cards, correct, elsewhere, fork, suspects
from .failures import cycles, failure, memory_full
from .findings import Finding
from .memory import ahead, windows
from .planes import planes
from .speed import bandwidth, overlap
from .spies import process_facts
from .trainers import capture, loader, ranks

__all__ = ["CHECKS", "Check"]

Check: TypeAlias = Callable[[Bench], Iterator[Finding]]


def machine(bench: Bench) -> Iterator[Finding]:
    """Where this ran."""
    facts: dict[str, object] = {
        "card": bench.card.name,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
    }
    if bench.card.real:
        free, total = torch.cuda.mem_get_info(bench.card.device)
        facts |= {"GB": f"{free / 1e9:.1f} of {total / 1e9:.1f} free", "cards": torch.cuda.device_count()}
        facts |= {"cuda": torch.version.cuda, "hip": torch.version.hip}
    yield Finding("machine", None, facts | process_facts("VmLck", "VmPin"))


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "machine": machine,
        "correct": correct,
        "elsewhere": elsewhere,
        "suspects": suspects,
        "cards": cards,
        "planes": planes,
        "failure": failure,
        "memory_full": memory_full,
        "capture": capture,
        "fork": fork,
        "loader": loader,
        "ranks": ranks,
        "ahead": ahead,
        "overlap": overlap,
        "bandwidth": bandwidth,
        "cycles": cycles,
        "windows": windows,
    }
)
