"""Where the lanes of a graph leave the processes that make them, for the one that takes them.

That is where they come together: what is behind makes of each block one, and what comes there is as small
as it gets, such as packed records that are not encoded yet. References are of no use elsewhere: where batches
are cut of rows by reference, lanes leave behind the stage that reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowload.abc.operators import Setting
from flowload.abc.stage import Stage
from flowload.blocks import Chunks, Files, Rows
from flowload.errors import GraphError
from flowload.graph.plan import Placed, Plan

from .lanes import Join, LanePlan, end_of, find_lanes, reached

__all__ = ["CutLanes", "cut_lanes"]

REFERENCES = Rows, Chunks, Files


@dataclass(frozen=True, kw_only=True)
class CutLanes(LanePlan):
    """The lanes of a graph in one of the processes between which it is cut.

    Args:
        node: where the lanes come together.
        inside: they leave before its last operator; else behind it.
        makes: this process makes lanes, and nothing behind the cut; else it takes them.
        before: all nodes but those behind the cut.
        hidden: stages behind it, of which one that makes lanes is told nothing.
    """

    node: str
    inside: bool
    makes: bool
    before: frozenset[str]
    hidden: tuple[Stage, ...] = ()

    def has(self, placed: Placed) -> bool:
        """Whether a node, or a part of it, is in this process."""
        return (placed.name in self.before) if self.makes else placed.name not in self.before - {self.node}

    def setting(self, placed: Placed, setting: Setting, lane: int | None = None) -> Setting:
        """See `LanePlan`. Blocks that leave are single ones, each of which is known by its place."""
        found = super().setting(placed, setting, lane)
        if not self.makes:
            return found
        seen = tuple(stage for stage in found.downstream if not any(stage is each for each in self.hidden))
        return replace(found, bundles=False, downstream=seen)

    def made(self, number: int, workers: int) -> CutLanes:
        """For one of several processes that make the lanes here: rank and world are of all of them.

        It counts blocks of its lanes, also where a batch will have samples of all.
        """
        within = None if self.inside else self.node
        ours = {
            join: join._replace(within=within if join.within else None, across=False) for join in self.joins
        }
        return replace(
            self,
            rank=self.rank + self.world * number,
            world=self.world * workers,
            makes=True,
            joins=tuple(ours.values()),
            behind={
                name: ours[join]
                for name, join in self.behind.items()
                if name not in self.before or not self.inside
            },
        )

    def taken(self) -> CutLanes:
        """For the process that takes them: of lanes it has what lies between the cut and their join alone."""
        ours = {join: join if self.inside else join._replace(within=None) for join in self.joins}
        return replace(
            self,
            own=frozenset({self.node}),
            shards=frozenset(),
            joins=tuple(ours.values()),
            behind={name: ours[join] for name, join in self.behind.items()},
        )


def cut_lanes(plan: Plan, cut: str | None = None) -> CutLanes:
    """Where lanes leave; `taken` and `made` of it are what each process has.

    Args:
        plan: of the graph.
        cut: the name of the node that lanes leave behind; None: see above.

    Raises GraphError for a graph without lanes, and for one that cannot be cut there.
    """
    lanes = find_lanes(plan)
    if lanes is None:
        raise GraphError("lanes are made elsewhere, and the graph has none: put fl.shard(lanes=24) into it")
    join = only_join(plan, lanes)
    placed = plan[join.port.node]
    by_reference = any(issubclass(kind, REFERENCES) for kind in placed.incoming)
    inside = join.within is not None and cut is None and not by_reference
    if cut is not None and cut != placed.name:
        raise GraphError(
            f"cut is {cut!r}; lanes come together at {placed.name!r}, and leave before its last step, or"
            f" behind it with cut={placed.name!r}"
        )
    if join.across and not inside:
        way = (
            "these are rows by reference, which are of no use elsewhere: leave across_lanes=True out, so that"
            " a batch has samples of one lane, or read this graph in one process, with iterate()"
            if by_reference
            else f"cut={cut!r} has them leave behind it: leave cut= out"
        )
        raise GraphError(
            f"{placed.name!r} makes batches of samples of all lanes, which leave before it, and {way}"
        )
    behind = reached(plan.nodes, frozenset({placed.name})) - {placed.name}
    before = {each.name for each in plan.nodes} - behind  # and what is dropped on the way there
    hidden = tuple(each.stage for each in plan.nodes if each.name not in before)
    return CutLanes(
        **{name: getattr(lanes, name) for name in vars(lanes)},
        node=placed.name,
        inside=inside,
        makes=False,
        before=frozenset(before),
        hidden=hidden,
    )


def only_join(plan: Plan, lanes: LanePlan) -> Join:
    """Where lanes come together. Raises GraphError where they do so several times, or not all do."""
    ends = [end.name for end in plan.ends]
    if len(lanes.joins) != 1 or len(ends) != 1:
        others = ", ".join(map(repr, ends[1:]))
        raise GraphError(
            f"lanes are made elsewhere for graphs with one output, and this one has {', '.join(ends)}: drop"
            f" the others, as with graph.drop({others}), and read those in this process or in other runs"
        )
    (join,) = lanes.joins
    if join.port.port != "out":
        raise GraphError(
            f"lanes come together at the port {join.port.port!r} of {join.port.node!r}, and the last stage of"
            f" lanes that are made elsewhere has one output: put {join.port.node!r} before fl.batch()"
        )
    assert lanes.behind[end_of(ends[0])] is join  # noqa: S101 - the only one
    return join
