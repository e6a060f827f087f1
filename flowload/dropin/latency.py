"""How long chunks and training steps took: for scripts that have `ChunkLatencyStats`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

__all__ = ["ChunkLatencyStats"]


def mean_ms(seconds: list[float]) -> float:
    """Mean in milliseconds; 0 where nothing was recorded."""
    return 1000 * sum(seconds) / len(seconds) if seconds else 0.0


@dataclass
class ChunkLatencyStats:
    """Durations that a training loop records; summaries are in milliseconds, and 0 where there are none.

    A run of a graph measures the same by itself: `batches.stats().chunk_wait` has first, mean, p50, p95 and
    longest of the waits for windows, and `stages["read_windows"]` the reading.

    Examples:
        >>> stats = ChunkLatencyStats()
        >>> stats.record_chunk_get(0.012)
        >>> stats.chunk_get_mean_ms
        12.0
    """

    chunk_get_times: list[float] = field(default_factory=list)  #: seconds that `get_next_chunk` took
    batch_forward_times: list[float] = field(default_factory=list)  #: seconds
    batch_backward_times: list[float] = field(default_factory=list)  #: seconds
    batch_step_times: list[float] = field(default_factory=list)  #: seconds of the optimiser

    def record_chunk_get(self, seconds: float) -> None:
        """A chunk was waited for."""
        self.chunk_get_times.append(seconds)

    def record_batch_times(self, forward: float, backward: float, step: float) -> None:
        """A batch was trained on: seconds of the three parts."""
        self.batch_forward_times.append(forward)
        self.batch_backward_times.append(backward)
        self.batch_step_times.append(step)

    @property
    def chunk_get_mean_ms(self) -> float:
        """Mean wait for a chunk."""
        return mean_ms(self.chunk_get_times)

    @property
    def chunk_get_max_ms(self) -> float:
        """Longest wait for a chunk: as a rule the first."""
        return 1000 * max(self.chunk_get_times, default=0.0)

    @property
    def chunk_get_min_ms(self) -> float:
        """Shortest wait for a chunk."""
        return 1000 * min(self.chunk_get_times, default=0.0)

    @property
    def batch_forward_mean_ms(self) -> float:
        """Mean of the forward passes."""
        return mean_ms(self.batch_forward_times)

    @property
    def batch_backward_mean_ms(self) -> float:
        """Mean of the backward passes."""
        return mean_ms(self.batch_backward_times)

    @property
    def batch_step_mean_ms(self) -> float:
        """Mean of the optimiser's steps."""
        return mean_ms(self.batch_step_times)

    def get_summary(self) -> dict[str, float]:
        """All of them by name, with `num_chunks` and `num_batches_sampled`."""
        times: tuple[str, ...] = ("chunk_get_mean", "chunk_get_max", "chunk_get_min")
        times += ("batch_forward_mean", "batch_backward_mean", "batch_step_mean")
        summary: dict[str, float] = {f"{name}_ms": getattr(self, f"{name}_ms") for name in times}
        counts = {"num_chunks": self.chunk_get_times, "num_batches_sampled": self.batch_forward_times}
        return {**summary, **{name: float(len(values)) for name, values in counts.items()}}

    def print_summary(self) -> None:
        """Write the summary to standard output."""
        lines = [
            f"chunks: {len(self.chunk_get_times)}; waits in ms: mean {self.chunk_get_mean_ms:.1f},"
            f" shortest {self.chunk_get_min_ms:.1f}, longest {self.chunk_get_max_ms:.1f}"
        ]
        if self.batch_forward_times:
            lines.append(
                f"batches: {len(self.batch_forward_times)} timed; means in ms: forward"
                f" {self.batch_forward_mean_ms:.2f}, backward {self.batch_backward_mean_ms:.2f}, step"
                f" {self.batch_step_mean_ms:.2f}"
            )
        sys.stdout.write("".join(f"{line}\n" for line in lines))
