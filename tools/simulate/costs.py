"""What a sample of a pipeline costs: CPU of its stages, bytes between them; by a run, or from a file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from flowload.errors import DataError
from flowload.graph import Graph
from flowload.observe.stats import RunStats, StageStats
from flowload.runtime.profile import Profile, profile

__all__ = ["Costs", "StageCost", "measured", "of_file"]

REFERENCE = 8.0  #: bytes of a row's number, which is no data
PACKED = 20.0  #: no file is packed tighter than this; who reads less by calls has mapped it


@dataclass(frozen=True)
class StageCost:
    """One stage, for each sample that the pipeline delivers."""

    name: str
    cpu: float  #: seconds
    bytes_out: float  #: of what it gives
    alone: bool = False  #: only one of its calls may run at once, however many CPUs there are


@dataclass(frozen=True)
class Costs:
    """A pipeline, for each sample that it delivers."""

    stages: tuple[StageCost, ...]  #: in the order of the flow
    other: float  #: seconds of CPU outside the stages' calls: loop, queues, reader
    stored: float  #: bytes that are read from files
    batch: float  #: samples of a batch
    called: bool = True  #: `stored` was read by calls; else files are mapped, and it is what a batch has

    @property
    def cpu(self) -> float:
        """Seconds of CPU of all of it."""
        return self.other + sum(stage.cpu for stage in self.stages)

    def cut(self, name: str) -> tuple[float, float, float]:
        """CPU up to a stage and behind it, and bytes between. Raises DataError for an unknown name."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise DataError("no such stage to cut behind", where="--cut", found=name, wanted=", ".join(names))
        place = names.index(name) + 1
        before = sum(stage.cpu for stage in self.stages[:place])
        own = self.cpu - self.other
        before += self.other * (before / own if own > 0 else 0.0)
        return before, self.cpu - before, self.stages[place - 1].bytes_out

    def behind(self, name: str | None) -> tuple[StageCost, ...]:
        """The stages behind one; all of them without one."""
        names = [stage.name for stage in self.stages]
        return self.stages if name is None else self.stages[names.index(name) + 1 :]

    def write(self, path: Path) -> None:
        """As JSON, for `of_file`."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def measured(graph: Graph, *, seconds: float, seed: int = 0) -> Costs:
    """Run a graph as fast as it gives, on all CPUs of this process, and see what its samples cost."""
    began = read_by_calls()
    seen = profile(graph, seconds=seconds, seed=seed)
    return of_profile(seen, read_by_calls() - began)


def of_profile(seen: Profile, read: int) -> Costs:
    """Of what happened between its two moments; `read`: bytes of the whole run's calls of read()."""
    now, before = seen
    samples = now.delivered - (before.delivered if before else 0)
    blocks = now.blocks_delivered - (before.blocks_delivered if before else 0)
    if not samples:
        raise DataError("too short to tell", where="--seconds", found="no batch", wanted="more seconds")

    def grown(name: str, what: str) -> float:
        old: StageStats | None = before.stages[name] if before else None
        value = float(getattr(now.stages[name], what)) - (float(getattr(old, what)) if old else 0.0)
        return max(
            0.0, value / samples
        )  # CPU of calls is estimated from some: a small one may seem to shrink

    stages = [
        StageCost(name, grown(name, "cpu"), grown(name, "bytes_out"), alone=stage.workers == 1 < now.cpus)
        for name, stage in now.stages.items()
    ]
    spent = (now.cpu_time - (before.cpu_time if before else 0.0)) / samples
    told = sum(stage.cpu for stage in stages)
    if told > spent:  # CPU of calls is estimated from some of them, that of the process is not
        stages = [replace(stage, cpu=stage.cpu * spent / told) for stage in stages]
    stored, called = stored_of(now, read)
    return Costs(tuple(stages), max(0.0, spent - told), stored, samples / max(1, blocks), called)


def stored_of(now: RunStats, read: int) -> tuple[float, bool]:
    """Bytes of files a sample, and whether calls read them: of mapped files they are what batches have."""
    given = [stage.bytes_out / max(1, now.delivered) for stage in now.stages.values()]
    first = next((size for size in given if size > REFERENCE), 0.0)
    by_calls = read / max(1, now.delivered)
    return (by_calls, True) if by_calls > first / PACKED else (max(given, default=0.0), False)


def read_by_calls() -> int:
    """Bytes that this process has had from read() and its kin; 0 where the system does not tell."""
    path = Path(f"/proc/{os.getpid()}/io")
    if not path.exists():
        return 0
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("rchar"))


def of_file(path: Path) -> Costs:
    """What `write` wrote. Raises DataError for anything else."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        stages = tuple(StageCost(**stage) for stage in told.pop("stages"))
        return Costs(stages=stages, **told)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("no costs", where=str(path), found=str(error), wanted="what --save wrote") from error
