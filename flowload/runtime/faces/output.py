"""One named output of a run, for synchronous code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowload.tracebacks import shortened

if TYPE_CHECKING:
    from .blocking import Batches

__all__ = ["Output"]


class Output:
    """One named output of a run; `len` of it is that of `Batches`."""

    def __init__(self, batches: Batches, name: str) -> None:
        self._batches = batches
        self._name = name

    def __iter__(self) -> Iterator[Any]:
        self._batches.begin(self._name)
        return self

    def __len__(self) -> int:
        return self._batches.length(self._name).exact()

    def __length_hint__(self) -> int:
        return self._batches.length(self._name).blocks

    def __bool__(self) -> bool:
        return True  # whatever its length

    @property
    def epoch(self) -> int:
        """See `Batches.epoch`."""
        return self._batches.epoch_of(self._name)

    def __next__(self) -> Any:
        try:
            return self._batches.next(self._name)
        except KeyboardInterrupt:  # its traceback would keep the run alive
            self._batches.close()
            raise
        except Exception as error:
            shortened(error)
            raise
