"""States of all ranks as one, for any number of ranks: each has those of its lanes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowload.abc.operators import State
from flowload.errors import GraphError

__all__ = ["gathered"]

OWN = "standing"  #: what ranks have each for themselves; all else is the same


def gathered(states: Iterable[State]) -> State:
    """The state of all ranks of a stream with `fl.shard(lanes=...)`, of what each of them has saved.

    Each rank's `state_dict()` has where its own lanes stand; another number of ranks goes on at once where it
    finds all of them in one state, and makes those again that are lacking.

    Args:
        states: of all ranks, taken behind the same step.

    Raises GraphError for none, for states without lanes, and for those of different steps.
    """
    first, *others = [*states] or [{}]
    if "lanes" not in first:
        raise GraphError("states are put together where a stream has lanes: fl.shard(lanes=...)")
    for other in others:
        for what in ("seed", "delivered", "lanes"):
            if other.get(what) != first[what]:
                raise GraphError(
                    f"states of different steps or runs: {what} is {first[what]!r}, and {other.get(what)!r}"
                )
    found = [state[OWN] for state in (first, *others) if OWN in state]
    standing: dict[str, Any] = {
        part: {key: own for each in found for key, own in each.get(part, {}).items()}
        for part in ("shared", "lanes")
    }
    # Which passes were over is the same for all; what one cannot say, it cannot say of the stream of all.
    for name in ("ends", "counted", "lacks"):
        for each in found:
            if name in each:
                standing.setdefault(name, each[name])
    if any("lacks" in each and not each.get("counted") for each in found):
        standing.pop("counted", None)
    return {**first, OWN: standing}
