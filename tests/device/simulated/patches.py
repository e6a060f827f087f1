"""Puts simulated cards where torch has its own: `torch.cuda`, and copies to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .cards import Cards, Event, Stream
from .tensors import CardTensor, copied

__all__ = ["Driver", "install"]


class Driver:
    """What `torch.cuda.cudart()` gives."""

    def __init__(self, cards: Cards) -> None:
        self.cards = cards

    def cudaHostRegister(self, start: int, nbytes: int, flags: int) -> int:  # noqa: N802 - CUDA's name
        return self.cards.lock_pages(start, nbytes)

    def cudaHostUnregister(self, start: int) -> int:  # noqa: N802 - CUDA's name
        return self.cards.unlock_pages(start)


def number(device: Any, cards: Cards) -> int:
    """The card that a caller of torch means."""
    if device is None:
        return cards.current
    if isinstance(device, int):
        return device
    index: int | None = torch.device(device).index
    return cards.current if index is None else index


def install(cards: Cards, patch: pytest.MonkeyPatch) -> Cards:
    """Make torch see these cards, until the patch is undone."""
    real: Any = torch.Tensor.to

    def to(
        self: torch.Tensor, target: Any = None, *args: Any, non_blocking: bool = False, **more: Any
    ) -> Any:
        card = torch.device(target) if isinstance(target, str | torch.device) else None
        if isinstance(self, CardTensor) or card is None or card.type != "cuda":
            return real(self, target, *args, non_blocking=non_blocking, **more)
        return copied(cards, self, card, wait=not non_blocking)

    def stream(given: Stream) -> Any:
        return cards.using(given.card, given)

    patches: dict[str, Any] = {
        "is_available": lambda: cards.count > 0,
        "is_initialized": lambda: cards.initialised,
        "device_count": lambda: cards.count,
        "current_device": lambda: cards.current,
        "set_device": lambda device: setattr(cards, "current", number(device, cards)),
        "get_device_name": lambda device=None: f"simulated {number(device, cards)}",
        "device": lambda device: cards.using(number(device, cards)),
        "stream": stream,
        "Stream": lambda device=None, **_: cards.new_stream(number(device, cards)),
        "current_stream": lambda device=None: cards.stream_of(number(device, cards)),
        "Event": lambda **_: Event(cards),
        "cudart": lambda: Driver(cards),
        "synchronize": lambda device=None: cards.synchronize(),
        "is_current_stream_capturing": lambda: bool(cards.capture) and cards.forbidden(),
    }
    for name, value in patches.items():
        patch.setattr(torch.cuda, name, value)
    patch.setattr(torch.Tensor, "to", to)
    return cards
