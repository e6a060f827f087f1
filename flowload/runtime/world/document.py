"""What a state keeps of the world that its stream was made in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowload.abc.operators import State
from flowload.abc.powers import Fingerprinted
from flowload.errors import GraphError
from flowload.files.fingerprint import Fingerprint
from flowload.files.regular import refused
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.graph.plan import Placed
from flowload.runtime.tasks.call import Member

from .remember import python, remember, settled
from .user_code import is_users

__all__ = ["World", "data_of"]

VERSION = 1  #: of the document


class World:
    """Stages, user code and ranks as they are when a run is asked for; written when a state is.

    What user code holds is looked at now, before its first call: later it may have counted something.
    """

    def __init__(self, graph: Graph, order: RunOrder) -> None:
        self.stages = {placed.name: stage_of(placed) for placed in graph.nodes()}
        self.run = order.setting()
        self.even = order.even
        self.written: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON values, but for the data, which only a run knows."""
        if self.written is None:
            self.written = {
                "version": VERSION,
                "python": python(),
                "even": self.even,
                "stages": {name: flat(stage) for name, stage in self.stages.items()},
            }
        return {**self.written, "epochs": self.run.epochs, "first_epoch": self.run.first_epoch}


def stage_of(placed: Placed) -> dict[str, Any]:
    """One stage: what its stream depends on."""
    stage = placed.stage
    found = {
        "word": stage.word,
        "inputs": [list(origin) for origin in placed.inputs],
        "version": stage.stream_version,
        "parameters": {name: remember(value) for name, value in stage.remembered().items()},
    }
    if stage.growing:
        found["growing"] = True
    if is_users(type(stage).__module__):
        found["class"] = remember(type(stage))
    if (share := shared(stage)) is not None:
        found["share"] = share
    return found


def shared(stage: Any) -> dict[str, Any] | None:
    """Which part of the stream it lets pass."""
    try:
        share = stage.share()
    except GraphError:  # the run will say so
        return None
    if share is None or share.lanes is not None:  # with lanes, the stream is the same for any rank and world
        return None
    return {"rank": share.rank, "world": share.world}


def flat(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage as JSON: each parameter by itself, so that the one that differs can be named."""
    parts = {name: settled(value) for name, value in stage["parameters"].items()}
    return {**{key: settled(value) for key, value in stage.items()}, "parameters": parts}


def data_of(members: Iterable[Member], saved: State | None = None) -> dict[str, Fingerprint]:
    """Fingerprints of the data by node, as far as its operators have looked at them.

    Args:
        members: operators of a run.
        saved: the world of the state that it went on from: what was not looked at yet is as it was then.
    """
    known: dict[str, Fingerprint] = dict((saved or {}).get("data") or {})
    for member in members:
        if isinstance(member.operator, Fingerprinted):
            found = fingerprint_of(member)
            if found is not None:
                known[member.node] = found
    return known


def fingerprint_of(member: Member) -> Fingerprint | None:
    """The data of one operator. Raises DataError for what cannot be read any more."""
    operator = member.operator
    assert isinstance(operator, Fingerprinted)  # noqa: S101 - asked by the caller
    with member:
        try:
            return operator.fingerprint()
        except OSError as error:
            raise refused(error, str(error.filename)) from error
