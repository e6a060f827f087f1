"""Which stages of a graph every lane has for itself, where lanes begin, and where they become one stream.

A lane is a fixed share of a stream (see `fl.shard`): what it gives depends on the number of lanes alone. A
rank of a world of W has the lanes rank, rank + W, rank + 2 W ..., and takes their batches in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flowload.abc.operators import Setting
from flowload.errors import GraphError
from flowload.graph.node import Share
from flowload.graph.plan import Origin, Placed, Plan

__all__ = ["Join", "LanePlan", "find_lanes", "full_size"]


class Join(NamedTuple):
    """Where lanes come together."""

    within: str | None  #: the node whose last operator all lanes share; None: behind a port
    port: Origin  #: what lanes write: of that node, or of the node before
    across: bool  #: each block has samples of all lanes; else they are blocks in turn


@dataclass(frozen=True, kw_only=True)
class LanePlan:
    """The lanes of a plan, as far as this rank has them.

    Args:
        count: lanes of all ranks, V.
        rank: this one's number.
        world: ranks.
        shards: the nodes where lanes begin.
        own: nodes that every lane has for itself, but for the last operator of one that they join within.
        joins: where they end, in the order of the flow.
        behind: nodes and outputs that a join leads to, and it.
    """

    count: int
    rank: int
    world: int
    shards: frozenset[str]
    own: frozenset[str]
    joins: tuple[Join, ...] = ()
    behind: Mapping[str, Join] = field(default_factory=dict)

    @property
    def here(self) -> tuple[int, ...]:
        """The lanes that this rank has."""
        return tuple(range(self.rank, self.count, self.world))

    def setting(self, placed: Placed, setting: Setting, lane: int | None = None) -> Setting:
        """What the stage of a node is told of lanes, besides."""
        join = self.behind.get(placed.name)
        if join is None and placed.name not in self.own | self.shards:
            return setting
        together = len(self.here) if join is not None and not join.across else 1
        first = self.here[0] if lane is None else lane
        return replace(setting, lanes=self.count, lane=first, here=self.here, round=together)

    def settings(self, placed: Placed, setting: Setting) -> list[Setting]:
        """A setting for each lane that has this node for itself; else the one that there is."""
        if placed.name not in self.own:
            return [self.setting(placed, setting)]
        if self.within(placed.name) is not None:  # it is asked once: it knows how many lanes it has
            return [self.setting(placed, setting)]
        share = replace(setting, cpus=max(1, -(-setting.cpus // len(self.here))))  # lanes share the threads
        return [self.setting(placed, share, lane) for lane in self.here]

    def within(self, node: str) -> Join | None:
        """The join before the last operator of a node."""
        return next((join for join in self.joins if join.within == node), None)

    def times(self, output: str) -> tuple[int, int]:
        """How many times the samples, and the batches, of one lane an output of this rank has."""
        join = self.behind.get(end_of(output))
        if join is None:
            return 1, 1
        return len(self.here), 1 if join.across else len(self.here)

    # --- counting: batches of an output that all ranks have had, and those of this rank among them ---------

    def step(self, output: str) -> int:
        """Batches of all ranks while each takes one; 1 where a batch has samples of every lane."""
        join = self.behind.get(end_of(output))
        return 1 if join is None or join.across else self.world

    def of_rank(self, output: str, delivered: int) -> int:
        """How many of the first batches of the stream are this rank's."""
        step = self.step(output)
        return delivered if step == 1 else len(range(self.rank, delivered, step))

    def of_all(self, output: str, own: int, since: int) -> int:
        """How many batches all ranks have had when this one has had `own`, and all began after `since`."""
        return since + (own - self.of_rank(output, since)) * self.step(output)

    def rounds(self, output: str, delivered: int) -> int:
        """How many rounds, of one block of every lane, are whole in the first batches of the stream."""
        join = self.behind.get(end_of(output))
        return delivered if join is None or join.across else delivered // self.count

    def has_more(self, output: str, since: int) -> bool:
        """Whether this rank has a batch more to come than others, if all go on behind so many batches."""
        return self.of_rank(output, since) < -(-since // self.step(output))


def end_of(output: str) -> str:
    """The key of an output among the names of nodes, which have no blank."""
    return f"output {output}"


def find_lanes(plan: Plan) -> LanePlan | None:
    """The lanes of a plan; None: it has none. Raises GraphError for lanes that cannot be shared or joined."""
    shares = {placed.name: placed.stage.share() for placed in plan.nodes}
    shards = {name: share for name, share in shares.items() if share is not None and share.lanes is not None}
    across = [placed for placed in plan.nodes if placed.stage.across]
    if not shards:
        for placed in across:
            raise GraphError(
                f"{placed.name!r} takes samples across lanes, and there are none: put fl.shard(lanes=...)"
                f" before it (declared at {placed.node.where})"
            )
        return None
    first, *others = shards.values()
    if any(other != first for other in others):
        raise GraphError(
            f"the shards of one graph have different lanes or ranks: {sorted(set(shards.values()))}"
        )
    return Reading(plan, first, frozenset(shards)).plan()


class Reading:
    """Follows the lanes of a plan from where they begin to where they end."""

    def __init__(self, plan: Plan, share: Share, shards: frozenset[str]) -> None:
        self.drawn = plan
        self.share = share
        self.shards = shards
        self.own = self.laned()
        self.joins: list[Join] = []
        self.behind: dict[str, Join] = {}

    def plan(self) -> LanePlan:
        """Where lanes begin, where they come together, and what is behind. Raises GraphError."""
        for placed in self.drawn.nodes:
            if placed.stage.across:
                self.join_across(placed)
        self.join_ends()
        self.refuse_mixed()
        assert self.share.lanes is not None  # noqa: S101 - else nobody would read
        return LanePlan(
            count=self.share.lanes,
            rank=self.share.rank,
            world=self.share.world,
            shards=self.shards,
            own=frozenset(self.own),
            joins=tuple(self.joins),
            behind=self.behind,
        )

    def laned(self) -> set[str]:
        """Nodes behind a shard, and whatever else flows to them."""
        nodes = self.drawn.nodes
        before = reached(reversed(nodes), self.shards, up=True)
        behind = reached(nodes, self.shards)
        for name in sorted(self.shards):
            if behind.intersection(origin.node for origin in self.drawn[name].inputs):
                raise GraphError(f"{name!r} is behind another shard: lanes are dealt once{self.where(name)}")
        beside = reached(reversed(nodes), frozenset(behind), up=True)
        return (behind | beside) - before - self.shards

    def join_across(self, placed: Placed) -> None:
        """Lanes end within a stage whose blocks have samples of all."""
        if placed.name not in self.own:
            where = f"(declared at {placed.node.where})"
            raise GraphError(f"{placed.name!r} takes samples across lanes; no shard is before it {where}")
        join = Join(placed.name, Origin(placed.name, "out"), across=True)
        self.joins.append(join)
        self.behind[placed.name] = join
        for name in reached(self.drawn.nodes, frozenset({placed.name})) - {placed.name}:
            self.own.discard(name)
            self.behind[name] = join
        for end in self.drawn.ends:
            if end.node in self.behind:
                self.behind[end_of(end.name)] = join

    def join_ends(self) -> None:
        """Lanes that come to an output end as early before it as it makes no difference."""
        for end in self.drawn.ends:
            if end.node in self.shards:
                self.need_batches(Origin(end.node, end.port), end.name)
            if end.node not in self.own or self.behind.get(end.node) is not None:
                continue
            port, shared = Origin(end.node, end.port), []
            how = self.joins_at(port)
            while how == "before":
                shared.append(port.node)
                (port,) = self.drawn[port.node].inputs
                how = self.joins_at(port)
            join = Join(port.node if how == "within" else None, port, across=False)
            self.need_batches(port, end.name)
            self.joins.append(join)
            for name in shared:
                self.own.discard(name)
                self.behind[name] = join
            if join.within is not None:
                self.behind[join.within] = join
            self.behind[end_of(end.name)] = join

    def joins_at(self, port: Origin) -> str:
        """Where lanes may come together, of all that is behind this port's node, and it."""
        placed = self.drawn[port.node]
        known = self.own | self.shards
        if (
            port.node in self.shards
            or port.port != "out"
            or [o.node in known for o in placed.inputs] != [True]
        ):
            return "behind"
        return placed.stage.joins(placed.setting())

    def need_batches(self, port: Origin, output: str) -> None:
        """Raise GraphError unless each lane cuts its stream into batches, of which one is taken in turn."""
        placed = self.drawn[port.node]
        if not any(stage.cuts for stage in (placed.stage, *placed.upstream)):
            raise GraphError(
                f"lanes give whole batches in turn, and there is no batch() between the shard and the output"
                f" {output!r}: put one there (declared at {placed.node.where})"
            )

    def refuse_mixed(self) -> None:
        """Raise GraphError where a stage of a lane reads what lanes do not have, or no longer."""
        for placed in self.drawn.nodes:
            known = [origin.node in self.own | self.shards for origin in placed.inputs]
            wanted = placed.name in self.own
            if (wanted and not all(known)) or (not wanted and self.crosses(placed)):
                raise GraphError(
                    f"{placed.name!r} reads lanes and a stream that is not divided into lanes: put"
                    f" fl.shard(lanes=...) into both{self.where(placed.name)}"
                )

    def crosses(self, placed: Placed) -> bool:
        """Whether a node that all lanes share reads a lane otherwise than by a join."""
        at = [join.port for join in self.joins]
        return len(placed.inputs) > 1 and any(o.node in self.own and o not in at for o in placed.inputs)

    def where(self, name: str) -> str:
        """The declaration of a node, for a message."""
        return f" (declared at {self.drawn[name].node.where})"


def full_size(plan: Plan, node: str) -> int | None:
    """Samples of a full block that a node gives; None where its blocks may have any size."""
    placed = plan[node]
    while placed.stage.alike and len(placed.inputs) == 1:
        placed = plan[placed.inputs[0].node]
    size = getattr(placed.stage, "size", None)
    return size if placed.stage.cuts and isinstance(size, int) else None


def reached(nodes: Iterable[Placed], start: frozenset[str], *, up: bool = False) -> set[str]:
    """Nodes that can be reached along the flow (or against it), start included; nodes come in that order."""
    found = set(start)
    for placed in nodes:
        before = [origin.node for origin in placed.inputs]
        if up and placed.name in found:
            found.update(before)
        elif not up and found.intersection(before):
            found.add(placed.name)
    return found
