"""What the parts of a state cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowload.observe.state_cost import StageCost, StateCost

from .columns import without_arrays

if TYPE_CHECKING:  # it is built of segments, which save by modules of this room
    from .standing import Standing

__all__ = ["cost_of"]


def cost_of(standing: Standing, delivered: Mapping[str, int]) -> StateCost:
    """Of the state that a run gives now."""
    value, snapshots = standing.value(delivered), standing.snapshots
    stages = {name: of_stage(own["state"]) for name, own in members_of(value) if "state" in own}
    why = value.get("lacks") or standing.why
    return StateCost(
        stages=stages,
        begins_anew=why,
        seconds=snapshots.spent,
        longest=snapshots.longest,
        cut=sum(snapshots.seconds),
        again=None if why else standing.again(delivered),
    )


def members_of(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a state has of operators, by name; of those of a lane with its number behind."""
    yield from value.get("members", {}).items()
    for group in value.get("shared", {}).values():
        yield from group["members"].items()
    for lane, group in value.get("lanes", {}).items():
        yield from ((f"{name} {lane}", own) for name, own in group["members"].items())


def of_stage(state: Mapping[str, Any]) -> StageCost:
    """Of what one operator says of itself."""
    sizes: list[int] = []
    without_arrays(state, lambda data: sizes.append(len(data)))
    origin = state.get("origin")
    if not isinstance(origin, np.ndarray) or "rows" in state or "records" in state:
        return StageCost(nbytes=sum(sizes))
    chunks, inflates = to_inflate(origin)
    payload = len(origin) * int(state.get("stride", 0))
    return StageCost(
        nbytes=sum(sizes), records=len(origin), chunks=chunks, inflates=inflates, payload=payload
    )


def to_inflate(origin: NDArray[np.void]) -> tuple[int, int]:
    """How many chunks references are to, and about how many records these have.

    Of a chunk of n records of which k are named, the last is about n k / (k + 1).
    """
    if not len(origin):
        return 0, 0
    key = origin["source"].astype(np.int64) << 32 | origin["chunk"]
    order = np.argsort(key, kind="stable")
    firsts = np.flatnonzero(np.diff(key[order], prepend=-1))
    last = np.maximum.reduceat(origin["record"][order], firsts).astype(np.float64) + 1
    named = np.diff(np.append(firsts, len(order)))
    return len(firsts), int(np.maximum(last * (named + 1) / named, named).sum())
