"""What was asked for, and opening it: everything that can be wrong before the first task starts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import anyio.to_thread

from flowload.abc.operators import State
from flowload.cpus import usable_cpus
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.graph.inspect.lanes import LanePlan, find_lanes
from flowload.graph.inspect.length import Length, length_of
from flowload.runtime.capsules.write import Capsules
from flowload.runtime.growing.chunk_counts import chunk_counts
from flowload.runtime.growing.gone import without_gone
from flowload.runtime.growing.growth import Growth
from flowload.runtime.growing.log import grown, repeat
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.memory.shared_file import SharedFile
from flowload.runtime.threads.monitor import Monitor, RunLock
from flowload.runtime.world.compare import refuse_data
from flowload.runtime.world.document import World, data_of
from flowload.runtime.world.moved import moved, roots_of

from .checkpoint import Start, read_state, write_state
from .cold_start import compile_kernels
from .compile import CompiledGraph
from .elsewhere.lanes import RemoteLanes
from .elsewhere.standing import RemoteStanding
from .ranks import Prepared, Ranks
from .run import Run
from .state.columns import from_values
from .state.lane_standing import standing_of
from .state.standing import Standing

__all__ = ["Order"]


@dataclass(frozen=True, kw_only=True)
class Order(RunOrder):
    """A graph and how to run it: a value that opens runs. Raises GraphError for what cannot be run."""

    graph: Graph
    ranks: Ranks = field(default_factory=Ranks, compare=False, repr=False)  #: what keeps them equal
    card: int | None = None  #: see `Setting.card`
    #: What leases lie in, where the reader is in another process.
    shared: SharedFile | None = field(default=None, compare=False, repr=False)
    part: CutLanes | None = None  #: of the graph, where lanes and their reader are in several processes
    remote: RemoteLanes | None = field(default=None, compare=False, repr=False)  #: who makes them

    lengths: dict[str | None, Length] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.state is not None:
            object.__setattr__(self, "state", from_values(self.state))
        self.graph.check()
        if self.align:
            check_aligned(self.graph)
        _ = (
            self.lanes,
            self.world,
            self.start,
        )  # now: user code may change what it holds, and what is wrong is told early

    @cached_property
    def world(self) -> World:
        """What a state keeps of stages, code and ranks."""
        return World(self.graph, self)

    @cached_property
    def start(self) -> Start:
        """Where the run begins. Raises GraphError for a state that is of another run."""
        if self.state is None:
            return Start(dict.fromkeys(self.outputs, 0))
        return read_state(self.graph, self, self.world)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return tuple(end.name for end in self.graph.plan.ends)

    def length(self, output: str | None = None) -> Length:
        """Batches of an output that are still to come; see `Graph.__len__`."""
        if output not in self.lengths:
            self.lengths[output] = length_of(self.graph.plan, output, self.setting())
        blocks, why = self.lengths[output]
        done = sum(self.delivered().values()) if output is None else self.delivered()[output]
        return Length(max(0, blocks - done), why)

    async def prepared(self) -> Prepared:
        """What is run; waits for other ranks where they have to agree, without holding up the event loop."""
        if self.part is not None and self.part.makes:
            return Prepared(self.graph.plan)  # ranks end together where lanes are taken
        prepare = partial(self.ranks.prepare, self.graph, self)
        if not self.ranks.others:
            return prepare()
        return await anyio.to_thread.run_sync(prepare, abandon_on_cancel=True)

    async def begun(self) -> Run:
        """The run, opened and compiled, but not started."""
        prepared = await self.prepared()
        run = self.open(prepared)
        with ExitStack() as stack:
            for undo in (run.pool.close, run.compiled.release, run.compiled.close, prepared.leave):
                stack.callback(undo)
            await compile_kernels(run.compiled.needs, run.compiled.run.cpus)
            if isinstance(run.standing, RemoteStanding):
                stack.callback(run.standing.remote.close)
                await run.standing.open()
            stack.pop_all()
        return run

    def open(self, prepared: Prepared | None = None) -> Run:
        """Open every stage; in the event loop that will run it."""
        prepared = prepared or Prepared(self.graph.plan)
        with ExitStack() as stack:
            stack.callback(prepared.leave)  # a stage cannot be opened: other ranks need not wait
            run = self.opened(prepared)
            stack.pop_all()
        return run

    def opened(self, prepared: Prepared) -> Run:
        """Open every stage; the caller tells waiting ranks where that fails."""
        pool, monitor = BufferPool(file=self.shared), Monitor(RunLock())
        run = self.setting(cpus=usable_cpus(), card=self.card, elsewhere=self.shared is not None)
        compiled = CompiledGraph(prepared.plan, pool, monitor, run, self.cut(), self.part)
        for node, why in prepared.guards.items():
            for member in compiled.nodes[node]:
                member.guard = why
        for node, saved in ((self.start.world or {}).get("data") or {}).items():
            for member in compiled.nodes.get(node, ()):
                member.verify = partial(refuse_data, node, saved, on_change=self.on_change)
        if self.capsules is not None:
            keeper = Capsules(self.capsules, self.graph, self.world)
            for member in compiled.members:
                member.capsules = keeper
        if self.start.growing is not None:
            repeat(compiled.segments, self.start.growing, accept=self.on_change == "accept")
        roots = roots_of(compiled.members)
        saved = moved(self.start.standing, (self.start.world or {}).get("roots", {}), roots)
        if self.start.growing is not None and self.on_change == "accept":
            saved = without_gone(compiled.segments, self.start.growing, saved)
        standing: Standing | RemoteStanding | None = None
        since = self.start.delivered
        if self.remote is not None and self.lanes is not None:
            standing = RemoteStanding(compiled, self.lanes, self.remote, pool, self.state, since)
        else:
            standing = standing_of(compiled, saved, since)
        grew = self.start.growing or {}
        counts = chunk_counts(compiled.members, grew.get("chunks"))
        growth = Growth(tuple(compiled.members), grew.get("anchor"), counts)
        return Run(compiled, pool, monitor, standing, roots=roots, growth=growth)

    @cached_property
    def lanes(self) -> LanePlan | None:
        """The lanes of the graph, and which of them are here."""
        return self.part or find_lanes(self.graph.plan)

    def cut(self) -> list[str]:
        """Outputs of which this rank has a batch more to come than others; see `LastCut`.

        Raises GraphError where passes are kept apart: they would be cut to each other in this pass alone.
        """
        if (lanes := self.lanes) is None or self.even == "allow":
            return []
        if self.part is not None and self.part.makes:
            return []
        for name, count in self.start.delivered.items():
            step = lanes.step(name)
            if self.align and count % step:
                fit = [
                    world for world in range(1, lanes.count + 1) if lanes.count % world == count % world == 0
                ]
                raise GraphError(
                    f"the state has {count:,} batches of {name!r}, the last of them in the midst of a step of"
                    f" {step} ranks, and align=True keeps passes apart: go on with a number of ranks that"
                    f" divides it: {', '.join(map(str, fit))}"
                )
        return [name for name, count in self.start.delivered.items() if lanes.has_more(name, count)]

    def delivered(self) -> dict[str, int]:
        """Blocks of each output that an earlier run has delivered: of those that this rank has a part in.

        With lanes a state counts the batches of all ranks, of which these are this rank's, whatever it had.
        """
        lanes, since = self.lanes, self.start.delivered
        if lanes is None:
            return dict(since)
        return {name: lanes.of_rank(name, count) for name, count in since.items()}

    def grown(self, run: Run | None) -> Mapping[str, Any] | None:
        """What a state keeps of data that grow."""
        if run is None:
            return self.start.growing
        with run.monitor.run_lock:
            found = grown(run.compiled.segments, self.start.growing, run.growth.arrivals)
        if found is None:
            return None
        chunks = {node: counts.state() for node, counts in run.growth.chunk_counts.items()}
        return {**found, "anchor": run.growth.anchor, "chunks": chunks}

    def write(self, delivered: Mapping[str, int], run: Run | None = None) -> State:
        """The state after so many blocks of each output; there may be arrays in it.

        Args:
            delivered: by output.
            run: what delivered them; None: it has not begun.
        """
        lanes, since = self.lanes, self.start.delivered
        standing = self.start.standing
        if run is not None:
            standing = None if run.standing is None else run.standing.value(delivered)
        if lanes is not None:
            delivered = {name: lanes.of_all(name, own, since[name]) for name, own in delivered.items()}
        members = [] if run is None else run.compiled.members
        world = {
            **self.world.document(),
            "data": data_of(members, self.start.world),
            "roots": (self.start.world or {}).get("roots", {}) if run is None else run.roots,
            **({} if self.remote is None else self.remote.stood.seen()),
            "reached": {} if run is None else reached(run),
        }
        state = write_state(self.graph, self, Start(delivered, world, standing, self.grown(run)))
        return state if lanes is None else {**state, "lanes": lanes.count}


def reached(run: Run) -> dict[str, Any]:
    """How far into its passes each output is: see `check_epochs`."""
    found = {}
    for name, channel in run.compiled.outputs.items():
        if (boundaries := channel.boundaries) is not None:
            found[name] = {"epoch": boundaries.epoch, "draining": boundaries.draining}
    return found


def check_aligned(graph: Graph) -> None:
    """Raise GraphError for a graph that has no passes to keep apart."""
    for placed in graph.nodes():
        if placed.stage.growing:
            raise GraphError(
                f"align=True keeps passes apart, and {placed.name!r} follows files as they come: its stream"
                " is one pass without an end; leave align out"
            )
