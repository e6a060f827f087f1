"""Memory of processes that read large sets, by the system's own account."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tools.bench.measuring.child import finish, started, told

from .settings import Settings

__all__ = ["Memory", "read_by"]

FIELDS = ("RssAnon:", "Private_Clean:", "Private_Dirty:", "Pss:")


class Memory(NamedTuple):
    """One reader, or the sum of several; bytes."""

    name: str
    rows: int
    opened: float  #: seconds that opening took, the longest
    rate: float  #: rows a second
    before: int  #: anonymous, with imports and kernels, before anything was opened
    peak: int  #: anonymous, the most while streaming
    private: int  #: at the end: pages that nobody shares
    share: int  #: at the end: its part of shared pages, too

    @property
    def taken(self) -> int:
        """By the run, at its peak."""
        return self.peak - self.before


def read_by(processes: int, folder: Path, rows: int, settings: Settings) -> Memory:
    """So many processes at once read all of a packing, once."""
    order = {"folder": str(folder), "batch": settings.batch, "cpus": settings.cpus}
    children = [started("tools.bench.games.memory_child", order) for _ in range(processes)]
    found = [told(child) for child in children]  # all have streamed, and still hold what they hold
    held = [footprint(child.pid) for child in children]
    for child in children:
        finish(child)
    return Memory(
        name=f"{processes} process{'es' if processes > 1 else ''}, {rows:,} rows",
        rows=rows,
        opened=max(each["opened"] for each in found),
        rate=sum(each["rate"] for each in found),
        before=sum(int(each["before"]) for each in found),
        peak=sum(int(each["peak"]) for each in found),
        private=sum(each["Private_Clean:"] + each["Private_Dirty:"] for each in held),
        share=sum(each["Pss:"] for each in held),
    )


def footprint(pid: int) -> dict[str, int]:
    """What the system says of a process, in bytes; zeros where it says nothing."""
    path = Path(f"/proc/{pid}/smaps_rollup")
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    words = (line.split() for line in lines)
    return dict.fromkeys(FIELDS, 0) | {
        word[0]: 1024 * int(word[1]) for word in words if word and word[0] in FIELDS
    }
