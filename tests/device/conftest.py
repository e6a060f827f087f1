"""Simulated cards for tests."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from flowload.runtime.memory.mapping import release_late
from flowload.stages.device import cuda, find_card, page_lock, under_way
from tests.device.simulated.cards import Cards
from tests.device.simulated.patches import install

__all__ = ["Install"]

Install = Callable[..., Cards]


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes torch see simulated cards: `cards(count=2, mode="late")`; no page-lock may be left of them."""
    made: list[Cards] = []
    monkeypatch.delenv("LOCAL_RANK", raising=False)

    def make(*args: object, **options: object) -> Cards:
        forget()
        if made and made[-1].locked:
            gc.collect()  # what is left of failures: it is unlocked where it was locked
        made.append(install(Cards(*args, **options), monkeypatch))  # type: ignore[arg-type]  # as given
        return made[-1]

    yield make
    forget()
    under_way.Underway().finish()  # as the next run does with what a capture left
    if any(each.locked for each in made):
        gc.collect()  # takes a third of a second
        release_late()
    for each in made:
        each.synchronize()
        assert not each.locked, "memory stays page-locked"


def forget() -> None:
    """What the process knows of cards."""
    if hasattr(cuda.copy_stream, "cache_clear"):  # a test may have put another in its place
        cuda.copy_stream.cache_clear()
    page_lock.TOLD.clear()
    find_card.SETTLED.clear()
