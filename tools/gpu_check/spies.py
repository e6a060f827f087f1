"""What is watched, and what is made worse, between flowload and the driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .card import Card

__all__ = ["PageLocks", "late_copies", "process_facts"]


class PageLocks:
    """Counts what the process has page-locked, by standing between it and the CUDA runtime."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.peak = 0  #: bytes
        self.lock = threading.Lock()

    @property
    def count(self) -> int:
        """Regions that are page-locked now."""
        return len(self.sizes)

    def forget_peak(self) -> None:
        """Measure it from here on."""
        self.peak = sum(self.sizes.values())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count what happens inside."""
        real: Any = torch.cuda.cudart
        torch.cuda.cudart = lambda: Runtime(real(), self)
        try:
            yield
        finally:
            torch.cuda.cudart = real

    def taken(self, start: int, nbytes: int) -> None:
        """A region was page-locked."""
        with self.lock:
            self.sizes[start] = nbytes
            self.peak = max(self.peak, sum(self.sizes.values()))

    def released(self, start: int) -> None:
        """It is no more."""
        with self.lock:
            self.sizes.pop(start, None)


class Runtime:
    """The CUDA runtime, of which two functions are watched."""

    def __init__(self, real: Any, locks: PageLocks) -> None:
        self.real = real
        self.locks = locks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def cudaHostRegister(self, start: int, nbytes: int, flags: int) -> Any:  # noqa: N802 - CUDA's name
        """See there."""
        code = self.real.cudaHostRegister(start, nbytes, flags)
        if not int(code):
            self.locks.taken(start, nbytes)
        return code

    def cudaHostUnregister(self, start: int) -> Any:  # noqa: N802
        """See there."""
        code = self.real.cudaHostUnregister(start)
        if not int(code):
            self.locks.released(start)
        return code


@contextmanager
def late_copies(card: Card, milliseconds: float) -> Iterator[None]:
    """Every copy to the card waits in its stream first: who does not wait for it reads what was there."""
    if not card.real or not milliseconds:
        yield
        return
    _ = card.cycles  # measured before anything is queued
    real_to, real_copy = torch.Tensor.to, torch.Tensor.copy_

    def to(tensor: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        if tensor.device.type == "cpu" and any(is_card(value) for value in (*args, *options.values())):
            card.busy(milliseconds)
        return real_to(tensor, *args, **options)

    def copy(tensor: torch.Tensor, source: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        if tensor.is_cuda and source.device.type == "cpu":
            card.busy(milliseconds)
        return real_copy(tensor, source, *args, **options)

    torch.Tensor.to, torch.Tensor.copy_ = to, copy  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.copy_ = real_to, real_copy  # type: ignore[method-assign]


def is_card(value: object) -> bool:
    """Whether an argument of `Tensor.to` names a card."""
    return isinstance(value, torch.device | str) and torch.device(value).type == "cuda"


def process_facts(*names: str) -> dict[str, str]:
    """Lines of this process's status, such as VmPin; nothing where the system has none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    return {name: told[name].strip() for name in names if name in told}
