"""What a run does so that all ranks of a training end in the same step: it agrees, watches or refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flowload.abc.stage import Share
from flowload.errors import GraphError
from flowload.graph import Graph, Plan
from flowload.graph.engine import RunOrder
from flowload.graph.inspect.even import Risk, find_risks, from_environment, shares_of

__all__ = ["Joined", "Prepared", "Ranks"]

log = logging.getLogger("flowload")

WAYS_OUT = (
    "put what leaves samples out before shard(), or run where there is a torch process group of all ranks:"
    ' then they agree at every step. Or say even="allow", for a run whose ranks may differ'
)


class Joined(NamedTuple):
    """A graph whose ranks agree while they run."""

    graph: Graph
    leave: Callable[[], None]  #: the run did not even begin: tell the others


class Prepared(NamedTuple):
    """The plan that is run, and the nodes where no sample may be left out."""

    plan: Plan
    guards: Mapping[str, str] = {}  #: by node: why nothing may be left out there
    leave: Callable[[], None] = lambda: None


class Ranks:
    """Knows of other ranks by the environment alone, and has no way to talk to them."""

    def __init__(self) -> None:
        self.told: set[str] = set()  # graphs that were warned about

    @property
    def others(self) -> bool:
        """Whether `prepare` may wait for other ranks."""
        return False

    def world(self) -> int:
        """Ranks that there seem to be."""
        return from_environment("WORLD_SIZE", 1)

    def join(self, graph: Graph, outputs: Sequence[str], share: Share) -> Joined | str:  # noqa: ARG002
        """Let the ranks agree about these outputs; else why they cannot. Waits for them."""
        return "there is no torch process group"

    def prepare(self, graph: Graph, order: RunOrder) -> Prepared:
        """What to run. Raises GraphError for a graph whose ranks may differ, and cannot agree."""
        plan = graph.plan
        if order.even == "allow":
            return Prepared(plan)
        shares = shares_of(plan)
        if not shares and self.world() > 1:
            self.warn(graph)
        if order.epochs is None or not any(share.world > 1 for share in shares.values()):
            return Prepared(plan)  # a stream that never ends does not end unevenly
        risks = find_risks(plan, lambda placed: placed.setting(order.setting()))
        if not risks:
            return Prepared(plan)
        return self.together(graph, shares, risks)

    def together(
        self, graph: Graph, shares: Mapping[str, Share], risks: Mapping[str, Sequence[Risk]]
    ) -> Prepared:
        """Agree; or refuse what is known to differ, and watch the rest."""
        unlike = sorted({(share.rank, share.world) for share in shares.values() if share.world > 1})
        joined: Joined | str = f"the shards are of several worlds: {unlike}"
        if len(unlike) == 1:
            joined = self.join(graph, list(risks), next(s for s in shares.values() if s.world > 1))
        if isinstance(joined, Joined):
            return Prepared(joined.graph.plan, leave=joined.leave)
        found = {risk.node: risk for output in risks.values() for risk in output}
        for risk in found.values():
            if risk.known:
                raise GraphError(told(risk, joined, "is"))
        return Prepared(graph.plan, {risk.node: told(risk, joined, "has") for risk in found.values()})

    def warn(self, graph: Graph) -> None:
        """Say once that every rank reads everything."""
        if graph.signature not in self.told:
            self.told.add(graph.signature)
            log.warning(
                "there are %d ranks, and the graph has no fl.shard(): every rank gets all of the data; put"
                " fl.shard() behind the records or chunks are read from, or say even='allow'",
                self.world(),
            )


def told(risk: Risk, why_alone: str, how: str) -> str:
    """Why ranks cannot stay equal, and what to do."""
    what = f"is behind shard(), and {risk.why}" if how == "is" else "has left samples out behind shard()"
    return (
        f"{risk.node!r} {what}: ranks would end in different steps, and whoever waits for the others in a"
        f" collective operation waits for ever; {why_alone} (declared at {risk.where}). The way out:"
        f" {WAYS_OUT}"
    )
