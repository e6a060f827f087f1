"""The card, or the CPU that plays it in a dry run: its clock, its memory, its streams."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

__all__ = ["Card"]

CYCLES = 50_000_000  #: of the trial that tells how many a millisecond has


@dataclass(frozen=True)
class Card:
    """A device; on the CPU whatever only a card has is nothing, and takes no time."""

    device: torch.device

    @property
    def real(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    @property
    def name(self) -> str:
        """What its maker calls it."""
        return torch.cuda.get_device_name(self.device) if self.real else "the CPU (a dry run)"

    def wait(self) -> None:
        """Until all that was queued is done."""
        if self.real:
            torch.cuda.synchronize(self.device)

    @cached_property
    def cycles(self) -> float:
        """Of a millisecond of `busy`."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(CYCLES)  # noqa: SLF001 - torch has no other kernel that takes a given time
        begin.record()
        torch.cuda._sleep(CYCLES)  # noqa: SLF001
        end.record()
        self.wait()
        return CYCLES / max(float(begin.elapsed_time(end)), 1e-3)

    def busy(self, milliseconds: float) -> None:
        """A kernel that takes so long, in the current stream."""
        if self.real and milliseconds:
            torch.cuda._sleep(int(milliseconds * self.cycles))  # noqa: SLF001

    def side_stream(self) -> Any:
        """A stream beside the default one; None on the CPU."""
        return torch.cuda.Stream(self.device) if self.real else None

    def within(self, stream: Any) -> AbstractContextManager[Any]:
        """Work is queued in this stream; None: in the current one."""
        return nullcontext() if stream is None else torch.cuda.stream(stream)

    # --- memory -------------------------------------------------------------------------------------

    @property
    def reserved(self) -> int:
        """Bytes that torch has taken from the card."""
        return torch.cuda.memory_reserved(self.device) if self.real else 0

    def forget_peaks(self) -> None:
        """Give back what nobody uses, and measure peaks from here on."""
        gc.collect()
        if self.real:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peaks(self) -> tuple[int, int]:
        """Bytes in use, and bytes reserved, at most."""
        if not self.real:
            return 0, 0
        return torch.cuda.max_memory_allocated(self.device), torch.cuda.max_memory_reserved(self.device)
