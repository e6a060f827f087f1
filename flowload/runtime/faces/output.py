"""One named output of a run, for synchronous code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from flowload.graph.inspect.length import Length
from flowload.tracebacks import shortened

__all__ = ["Output"]


class Outputs(Protocol):
    """What an output asks of its run: `Batches`."""

    def begin(self, output: str) -> None:
        """A loop over it begins."""

    def length(self, output: str) -> Length:
        """How many batches the output gives; see `Countable.__len__`."""

    def epoch_of(self, output: str) -> int:
        """Number of the pass that the output's last batch is of."""

    def next(self, output: str) -> Any:
        """The output's next batch. Raises StopIteration at its end."""

    def close(self) -> None:
        """End the run."""


class Output:
    """One named output of a run; `len` of it is that of `Batches`."""

    def __init__(self, batches: Outputs, name: str) -> None:
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
