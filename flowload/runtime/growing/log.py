"""What a state says of data that grow: in which order sources told it, and when folds were idle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowload.abc.growing import Retelling
from flowload.abc.powers import Idling
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.segment import Segment

from .arrivals import Arrivals

__all__ = ["check_grows", "grown", "repeat"]


def check_grows(graph: Graph) -> None:
    """Raise GraphError for a graph whose stream depends on more than data, parameters, seed and this log."""
    for placed in graph.nodes():
        if placed.stage.growing and not placed.stage.retells:
            raise GraphError(
                f"{placed.name!r} follows files as they come, so the order of this run depends on time,"
                " and it does not tell it again; it has no state to go on from"
            )


def grown(
    segments: Iterable[Segment], saved: Mapping[str, Any] | None, arrivals: Arrivals | None = None
) -> dict[str, Any] | None:
    """The log of a run; None where nothing grows.

    Args:
        segments: of the run; none: it has not begun.
        arrivals: knows what comes next, if anybody has asked.
        saved: the log of the state that it went on from, which holds as long as nothing was told anew.
    """
    segments = list(segments)
    if not segments:
        return None if saved is None else dict(saved)
    # Folds first: what they were fed was told before.
    idled = {name: segment.idle_log.state() for name, segment in idling(segments)}
    told = {
        member.node: source.told(() if arrivals is None else arrivals.beyond_of(source))
        for member, source in sources(segments)
    }
    return {"idled": idled, "told": told} if told else None


def repeat(segments: Iterable[Segment], saved: Mapping[str, Any], *, accept: bool) -> None:
    """Have an opened run repeat what a log says. Raises GraphError for one that does not fit."""
    segments = list(segments)
    try:
        for member, source in sources(segments):
            source.retell(saved["told"][member.node], accept=accept)
        for name, segment in idling(segments):
            segment.idle_log.replay(saved["idled"][name])
    except (KeyError, TypeError, ValueError) as error:
        raise GraphError(f"the state does not say how its data grew: {error!r}") from error


def sources(segments: Iterable[Segment]) -> Iterator[tuple[Member, Retelling]]:
    """Operators that tell again."""
    for segment in segments:
        for member in segment.members:
            if isinstance(member.operator, Retelling):
                yield member, member.operator


def idling(segments: Iterable[Segment]) -> Iterator[tuple[str, Segment]]:
    """Chains of folds that may be idle, by the names of those that can."""
    for segment in segments:
        names = [member.name for member in segment.members if isinstance(member.operator, Idling)]
        if names:
            yield " > ".join(names), segment
