"""Torch: the place in a stream as a `Stateful`, for `torch.distributed.checkpoint`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowload.abc.operators import State
from flowload.errors import GraphError

from .torch_checkpoint import Stated, place

__all__ = ["StreamState"]

ALL = "stream_of_all_ranks"  #: the key of a state with lanes, which is that of all ranks


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
        state = self.state if self.source is None else self.source.state_dict()
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
