"""Torch: the place in a stream as a `Stateful`, for `torch.distributed.checkpoint`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch.distributed as dist

from flowload.abc.operators import State
from flowload.errors import GraphError
from flowload.runtime.state.gather import gathered

from .torch_checkpoint import Stated, place

__all__ = ["StreamState", "state_of_all_ranks"]

ALL = "stream_of_all_ranks"  #: the key of a state with lanes, which is that of all ranks


def state_of_all_ranks(source: Stated) -> State:
    """The state of a run with where the lanes of all ranks stand; every rank calls it, and each gets it.

    `state_dict()` of one rank has its own lanes: another number of ranks would make the others again. Behind
    `fl.save_state(dir, state_of_all_ranks(batches))`, called by all and written by one, it goes on at once.
    Without a process group, or without lanes, it is `source.state_dict()`.

    Args:
        source: a run (`graph.iterate()`) or a data set (`graph.as_torch_dataset()`).

    Raises GraphError where ranks are behind different steps.

    Examples:
        >>> graph = fl.rows({"x": np.arange(24)}) >> fl.shard(0, 1, lanes=4) >> fl.batch(2)
        >>> with graph.iterate() as batches:
        ...     first = next(batches)
        ...     state = state_of_all_ranks(batches)
        >>> sorted(state["standing"]["lanes"])
        ['0', '1', '2', '3']
    """
    state = source.state_dict()
    if "lanes" not in (state or ()) or not (dist.is_available() and dist.is_initialized()):
        return state
    states: list[State] = [state] * dist.get_world_size()
    dist.all_gather_object(states, state)
    return gathered(states)


class StreamState:
    """What `torch.distributed.checkpoint` saves of a stream and loads: one text, under one key a rank.

    A state has other keys as a run goes on, and that checkpoint wants to know all of them before it loads; so
    it is kept as text. As many ranks must load as have saved; with `fl.shard(lanes=...)` any number may,
    where it is loaded with a run (that need not have begun), which knows of its lanes.

    Args:
        source: a run (`graph.iterate()`) or a data set (`graph.as_torch_dataset()`); None: to load alone.

    ```python
    dcp.save({"model": model.state_dict(), "data": StreamState(batches)}, checkpoint_id="run")
    dcp.load({"model": weights, "data": (stream := StreamState())}, checkpoint_id="run")
    ```

    Examples:
        >>> graph = fl.rows({"x": np.arange(8)}) >> fl.batch(2)
        >>> with graph.iterate() as batches:
        ...     _ = next(batches)
        ...     saved = StreamState(batches).state_dict()
        >>> stream = StreamState()
        >>> stream.load_state_dict(saved)
        >>> with graph.iterate(state=stream.state) as batches:
        ...     print(sum(1 for _ in batches))
        3
    """

    def __init__(self, source: Stated | None = None) -> None:
        self.source = source
        self.state: State | None = None  #: that was loaded, for `iterate(state=...)`

    @property
    def key(self) -> str:
        """This rank's."""
        return f"stream_of_rank_{place()[0]}"

    def state_dict(self) -> dict[str, Any]:
        """The state as text."""
        state = self.state if self.source is None else state_of_all_ranks(self.source)
        return {ALL if "lanes" in (state or ()) else self.key: json.dumps(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what was loaded; a data set goes on there. Raises GraphError for anything else."""
        try:
            self.state = json.loads(state[ALL if ALL in state else self.key])
        except (KeyError, TypeError, ValueError) as error:
            raise GraphError(f"this is not the state of a stream: {state!r:.100}") from error
        load = getattr(self.source, "load_state_dict", None)
        if load is not None:
            load(self.state)
