"""The state of a run as a value: what it is of, what its readers have got, and where its stages stand.

Because a stream is a function of (data, parameters, seed), the first two say it all: a run could make its
stream again and let go of what was delivered. Where the stages stand spares it that; see `runtime.state`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from operator import index
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple

from flowload.abc.operators import State
from flowload.abc.stage import FREE
from flowload.errors import GraphError
from flowload.graph import Graph, Stage
from flowload.graph.engine import RunOrder
from flowload.graph.inspect.plain import Plain, plain
from flowload.runtime.growing.log import check_grows
from flowload.runtime.world.compare import check_world
from flowload.runtime.world.document import World

__all__ = ["Start", "digest", "read_state", "write_state"]

log = logging.getLogger("flowload")

FORM = 3  #: of the state
#: Of earlier versions: they know the drawing by a digest, and nothing of data and code. The second is of a
#: run that begins at another pass than the first, or is aligned.
PLAIN_FORM, NUMBERED_FORM = 1, 2
#: Parameters that those do not have; left out where they are not used.
LATER = MappingProxyType({"lanes": None, "across_lanes": False})
KEYED = ("seed", "first_epoch", "align")  #: what a state and its run have in common


class Start(NamedTuple):
    """Where a run begins."""

    delivered: Mapping[str, int]  #: blocks of each output that earlier runs have delivered
    world: Mapping[str, Any] | None = None  #: see `flowload.runtime.world`; None: not told
    standing: Mapping[str, Any] | None = None  #: see `flowload.runtime.state`; None: nobody knows
    growing: Mapping[str, Any] | None = None  #: see `flowload.runtime.growing`


def write_state(graph: Graph, order: RunOrder, start: Start) -> State:
    """What `iterate(state=...)` goes on from; there may be arrays in it.

    Args:
        graph: what runs.
        order: how.
        start: where a run that goes on from it begins.

    Raises GraphError for a growing source that does not tell what it told.
    """
    check_grows(graph)
    state: dict[str, Any] = {
        "flowload": FORM,
        **{name: getattr(order, name) for name in KEYED},
        "delivered": dict(start.delivered),
        "world": start.world,
    }
    parts = {"standing": start.standing, "growing": start.growing}
    return state | {name: part for name, part in parts.items() if part is not None}


def read_state(graph: Graph, order: RunOrder, world: World) -> Start:
    """Where a state goes on. Raises GraphError for one that is not of this graph, or of another world."""
    check_grows(graph)
    state: Any = order.state
    try:
        form = state["flowload"]
        sown = state["seed"]
        delivered = {str(name): index(blocks) for name, blocks in state["delivered"].items()}
        passes = (0, False) if form == PLAIN_FORM else (state["first_epoch"], state["align"])
        known: Any = state["world"] if form == FORM else state["graph"] if form in (1, 2) else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(f"this is not the state of a run: {state!r:.200}") from error
    if form not in (PLAIN_FORM, NUMBERED_FORM, FORM):
        raise GraphError(f"the state is of another format: found {form!r}, wanted {FORM} or an earlier one")
    found = dict(zip(KEYED, (sown, *passes), strict=True))
    for what in KEYED:
        if found[what] != (wanted := getattr(order, what)):
            raise GraphError(f"the state is of another {what}: found {found[what]!r}, wanted {wanted!r}")
    start = Start(delivered)
    if form == FORM:
        start = Start(delivered, known, state.get("standing"), state.get("growing"))
    if form != FORM:
        check_digest(graph, known, order.on_change)
    else:
        check_world(known, world.document(), order.on_change)
    if set(delivered) != {end.name for end in graph.plan.ends} or min(delivered.values()) < 0:
        raise GraphError(f"the state does not fit the graph's outputs: {delivered!r}")
    return start


def check_digest(graph: Graph, drawn: object, on_change: str) -> None:
    """A state of an earlier version has a digest of the drawing. Raises GraphError where that is another."""
    wanted = digest(graph)
    if drawn != wanted and on_change != "accept":
        raise GraphError(
            f"the state is of another graph: found {drawn!r}, wanted {wanted!r} (it was saved by a flowload"
            " before 0.5, which kept no more of its world than that; on_change='accept' goes on all the same)"
        )
    log.warning("the state is of a flowload before 0.5: whether data and code are the same is not known")


def digest(graph: Graph) -> str:
    """A short word for a drawing, as states before 0.5 have it: names, wiring and parameters."""
    rows = [[placed.name, placed.stage.word, placed.inputs, _plain(placed.stage)] for placed in graph.nodes()]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def _plain(stage: Stage) -> dict[str, Plain]:
    """Parameters as JSON; workers and error policy do not change the stream.

    Of a function only the name: the line of a lambda says nothing about the stream.
    """
    return {
        name: value.__qualname__ if isinstance(value, FunctionType) else plain(value)
        for name, value in vars(stage).items()
        if name not in FREE and not (name in LATER and value is LATER[name])
    }
