"""The end of an output is an ordinary one once for each reader; reading on is an error."""

from __future__ import annotations

from flowload.errors import ClosedRun

__all__ = ["Ended"]


class Ended:
    """Which readers have been told that an output has ended.

    The first end is an ordinary one (`StopIteration`); whoever asks again would take silence for an empty
    epoch. Several threads or tasks may read one output: each is told once.
    """

    def __init__(self) -> None:
        self._told: dict[str, set[int]] = {}

    def once(self, output: str, reader: int) -> None:
        """Tell a reader, by the number of its thread or task; ClosedRun when it was told before."""
        told = self._told.setdefault(output, set())
        if reader in told:
            raise _spent(output)
        told.add(reader)

    def check(self, output: str) -> None:
        """Check that a new loop may begin. Raises ClosedRun when the output has ended."""
        if output in self._told:
            raise _spent(output)


def _spent(output: str) -> ClosedRun:
    return ClosedRun(
        f"this run has ended: {output!r} has given all of its batches, and a run is read once; for another"
        " pass open another run, graph.iterate(seed=..., first_epoch=e) for pass e, or ask for n passes in"
        " one, graph.iterate(epochs=n)"
    )
