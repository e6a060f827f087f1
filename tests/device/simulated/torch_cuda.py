"""The rest of `torch.cuda` for simulated cards: what trainers ask, and batches do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from .cards import Cards, Event
from .patches import number
from .tensors import copied

__all__ = ["install_rest"]

TOTAL = 1 << 30  #: bytes of a card, as far as it tells
FACTORIES = "zeros", "empty", "randn", "arange"


class Timed(Event):
    """An event that can be asked how long something took: always as long."""

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds."""
        return 1.0


class Graph:
    """What `torch.cuda.CUDAGraph` is to whoever captures one."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        """Do once more what was captured."""
        self.replays += 1


def install_rest(cards: Cards, patch: pytest.MonkeyPatch) -> None:
    """Make torch answer for these cards, which are installed already, until the patch is undone."""

    @contextmanager
    def graph(_: Graph, capture_error_mode: str = "global") -> Iterator[None]:
        with cards.capturing(capture_error_mode):
            yield

    def limit(fraction: float, device: Any = None) -> None:
        card = cards.memory[number(device, cards)]
        card.limit = int(fraction * TOTAL) if fraction < 1 else None

    def let_go() -> None:
        for card in cards.memory:
            card.let_go()

    def memory(name: str) -> Callable[..., int]:
        return lambda device=None: getattr(cards.memory[number(device, cards)], name)

    patches: dict[str, Any] = {
        "Event": lambda **_: Timed(cards),
        "CUDAGraph": Graph,
        "graph": graph,
        "is_bf16_supported": lambda *_, **__: True,
        "_sleep": lambda cycles: cards.stream_of(cards.current).put(lambda: None),
        "memory_reserved": memory("reserved"),
        "max_memory_reserved": memory("peak_reserved"),
        "max_memory_allocated": memory("peak_allocated"),
        "reset_peak_memory_stats": lambda device=None: cards.memory[number(device, cards)].forget_peaks(),
        "empty_cache": let_go,
        "mem_get_info": lambda device=None: (TOTAL - memory("reserved")(device), TOTAL),
        "set_per_process_memory_fraction": limit,
    }
    for name, value in patches.items():
        patch.setattr(torch.cuda, name, value)
    patch.setattr(torch.accelerator, "is_available", lambda: True)
    patch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    patch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    patch.setattr(torch, "compile", lambda function: function)  # no compiler knows these cards
    for name in FACTORIES:
        patch.setattr(torch, name, made_by(cards, getattr(torch, name)))


def made_by(cards: Cards, real: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A maker of tensors that knows the cards; it page-locks nothing, for there is no driver to ask."""

    def make(*args: Any, device: Any = None, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        target = None if device is None else torch.device(device)
        if target is None or target.type != "cuda":
            return real(*args, device=device, **options)
        return copied(cards, real(*args, **options), target, wait=True)

    return make
