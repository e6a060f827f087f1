"""The state of a run: because a stream is a function of (data, parameters, seed), its place says it all.

A run that goes on from a state makes the stream again and lets go of what an earlier run has delivered.
It is exact for every graph that does not grow; the way there costs what it cost the first time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from operator import index
from types import FunctionType

from flowload.abc.operators import State
from flowload.errors import GraphError
from flowload.graph import Graph, Stage
from flowload.graph.inspect.plain import Plain, plain

__all__ = ["digest", "read_state", "write_state"]

FORM = 1  #: of the state
NUMBERED = 2  #: of one that earlier versions must not take: it begins at another pass, or is aligned
KEYED = ("format", "graph", "seed", "first_epoch", "align")  #: what a state and its run have in common
FREE = ("workers", "on_error", "max_errors", "prefetch")  #: parameters that may change between two runs


def write_state(
    graph: Graph, *, seed: int, delivered: Mapping[str, int], first_epoch: int = 0, align: bool = False
) -> State:
    """JSON values from which `iterate(state=...)` goes on. Raises GraphError for a growing source."""
    check_order(graph)
    state: dict[str, object] = {
        "flowload": FORM,
        "graph": digest(graph),
        "seed": seed,
        "delivered": dict(delivered),
    }
    if first_epoch or align:
        state |= {"flowload": NUMBERED, "first_epoch": first_epoch, "align": align}
    return state


def read_state(
    graph: Graph, state: State, *, seed: int, first_epoch: int = 0, align: bool = False
) -> dict[str, int]:
    """Blocks of each output that were delivered. Raises GraphError for a state that does not fit."""
    check_order(graph)
    try:
        form, drawn, sown = state["flowload"], state["graph"], state["seed"]
        delivered = {str(name): index(blocks) for name, blocks in state["delivered"].items()}
        passes = (state["first_epoch"], state["align"]) if form == NUMBERED else (0, False)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(f"this is not the state of a run: {state!r}") from error
    found = dict(zip(KEYED, (FORM if form == NUMBERED else form, drawn, sown, *passes), strict=True))
    wanted = dict(zip(KEYED, (FORM, digest(graph), seed, first_epoch, align), strict=True))
    for what in KEYED:
        if found[what] != wanted[what]:
            raise GraphError(
                f"the state is of another {what}: found {found[what]!r}, wanted {wanted[what]!r}"
            )
    if set(delivered) != {end.name for end in graph.plan.ends} or min(delivered.values()) < 0:
        raise GraphError(f"the state does not fit the graph's outputs: {delivered!r}")
    return delivered


def check_order(graph: Graph) -> None:
    """Raise GraphError for a graph whose stream depends on more than data, parameters and seed."""
    for placed in graph.nodes():
        if placed.stage.growing:
            raise GraphError(
                f"{placed.name!r} follows files as they come, so the order of this run depends on time;"
                " it has no state to go on from"
            )


def digest(graph: Graph) -> str:
    """A short word for a drawing: names, wiring and parameters; the same in every process."""
    rows = [[placed.name, placed.stage.word, placed.inputs, _plain(placed.stage)] for placed in graph.nodes()]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def _plain(stage: Stage) -> dict[str, Plain]:
    """Parameters as JSON; workers and error policy do not change the stream.

    Of a function only the name: the line of a lambda says nothing about the stream.
    """
    return {
        name: value.__qualname__ if isinstance(value, FunctionType) else plain(value)
        for name, value in vars(stage).items()
        if name not in FREE
    }
