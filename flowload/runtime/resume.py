"""The state of a run: because a stream is a function of (data, parameters, seed), its place says it all.

A run that goes on from a state makes the stream again and lets go of what an earlier run has delivered.
It is exact for every graph that does not grow; the way there costs what it cost the first time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.protocols import State

__all__ = ["digest", "read_state", "write_state"]

FORM = 1  #: of the state


def write_state(graph: Graph, *, seed: int, delivered: Mapping[str, int]) -> State:
    """JSON values from which `iterate(state=...)` goes on. Raises GraphError for a growing source."""
    for placed in graph.nodes():
        if placed.stage.growing:
            raise GraphError(
                f"{placed.name!r} follows files as they come, so the order of this run depends on time;"
                " it has no state to go on from"
            )
    return {"flowload": FORM, "graph": digest(graph), "seed": seed, "delivered": dict(delivered)}


def read_state(graph: Graph, state: State, *, seed: int) -> dict[str, int]:
    """Blocks of each output that were delivered. Raises GraphError for a state that does not fit."""
    try:
        form, drawn, sown = state["flowload"], state["graph"], state["seed"]
        delivered = {str(name): int(blocks) for name, blocks in state["delivered"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(f"this is not the state of a run: {state!r}") from error
    wanted = {"format": FORM, "graph": digest(graph), "seed": seed}
    for what, found in {"format": form, "graph": drawn, "seed": sown}.items():
        if found != wanted[what]:
            raise GraphError(f"the state is of another {what}: found {found!r}, wanted {wanted[what]!r}")
    if set(delivered) != {end.name for end in graph.plan.ends} or min(delivered.values()) < 0:
        raise GraphError(f"the state does not fit the graph's outputs: {delivered!r}")
    return delivered


def digest(graph: Graph) -> str:
    """A short word for a drawing: names, wiring and plain parameters; the same in every process."""
    rows = [[placed.name, placed.stage.word, placed.inputs, _plain(placed.stage)] for placed in graph.nodes()]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def _plain(stage: Any) -> dict[str, Any]:
    """Parameters that say the same in every process; workers and error policy do not change the stream."""
    return {
        name: value
        for name, value in vars(stage).items()
        if name != "workers" and isinstance(value, str | int | float | bool | None)
    }
