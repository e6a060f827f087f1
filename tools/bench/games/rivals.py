"""The same batches by other loaders, from uint8 files: as tutorials have it, and as a careful user has it.

Processes make new memory, which is copied to the reader anyway; threads use theirs again (a ring). What is
marked "our kernel" is no rival, but shows what the loader itself costs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from .corpus import Corpus
from .loaders import Batches, Loader, watched
from .settings import Settings

__all__ = ["RIVALS", "Rival", "rivals"]

Start = Callable[[Corpus, Settings], AbstractContextManager[Batches]]


class Rival(NamedTuple):
    """A loader, and where its code is."""

    name: str
    needs: str  #: the package
    module: str
    function: str


RIVALS = (
    Rival("DataLoader, by sample", "torch", "rival_torch", "open_samples"),
    Rival("DataLoader, __getitems__", "torch", "rival_torch", "open_fetched"),
    Rival("DataLoader, gather in workers", "torch", "rival_torch", "open_workers"),
    Rival("DataLoader, gather in torch's threads", "torch", "rival_torch", "open_threads"),
    Rival("threads and a queue, ring", "numpy", "rival_threads", "open_threads"),
    Rival("SPDL, gather in threads, ring", "spdl", "rival_spdl", "open_pipeline"),
    Rival("Grain, gather in threads, ring", "grain", "rival_grain", "open_dataset"),
    Rival("SPDL, our kernel, ring", "spdl", "rival_spdl", "open_pipeline_kernel"),
    Rival("Grain, our kernel, ring", "grain", "rival_grain", "open_dataset_kernel"),
)


def rivals(corpus: Corpus, settings: Settings) -> tuple[list[Loader], dict[str, str]]:
    """Those that can be measured here, and why the others cannot."""
    found, absent = [], {}
    for rival in RIVALS:
        try:
            module = importlib.import_module(f".{rival.module}", __package__)
        except ModuleNotFoundError as error:
            absent[rival.name] = f"{rival.needs} is not installed ({error.name})"
            continue
        found.append(watched(rival.name, "rival", started(getattr(module, rival.function), corpus, settings)))
    return found, absent


def started(
    start: Start, corpus: Corpus, settings: Settings
) -> Callable[[], AbstractContextManager[Batches]]:
    """Ready to start."""

    @contextmanager
    def begin() -> Iterator[Batches]:
        with start(corpus, settings) as batches:
            yield batches

    return begin
