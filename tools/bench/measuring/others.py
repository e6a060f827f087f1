"""Other loaders on the same work, each in a module that is imported only where its package is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from .loader import Batches, Loader, watched

__all__ = ["OURS", "Rival", "best_of", "rivals_of"]

OURS = (
    "our kernel"  #: in the name of a rival that has one of our kernels inside: it shows what the loader costs
)

Start = Callable[[Any, Any], AbstractContextManager[Batches]]


class Rival(NamedTuple):
    """A loader, and where its code is: a function of corpus and settings that opens batches."""

    name: str
    needs: str  #: the package
    module: str
    function: str


def rivals_of(
    known: Sequence[Rival], package: str, corpus: Any, settings: Any
) -> tuple[list[Loader], dict[str, str]]:
    """Those that can be measured here, and why the others cannot.

    Args:
        known: all of them.
        package: where their modules are.
        corpus: the data, as their functions take it.
        settings: what is asked for.
    """
    found, absent = [], {}
    for rival in known:
        try:
            module = importlib.import_module(f".{rival.module}", package)
        except ModuleNotFoundError as error:
            absent[rival.name] = f"{rival.needs} is not installed ({error.name})"
            continue
        found.append(watched(rival.name, "rival", started(getattr(module, rival.function), corpus, settings)))
    return found, absent


def started(start: Start, corpus: Any, settings: Any) -> Callable[[], AbstractContextManager[Batches]]:
    """Ready to start."""

    @contextmanager
    def begin() -> Iterator[Batches]:
        with start(corpus, settings) as batches:
            yield batches

    return begin


def best_of(known: Sequence[Rival]) -> list[str]:
    """Names of those whose work is their own: the best of them, in whatever mode, is who we compare with."""
    return [rival.name for rival in known if OURS not in rival.name]
