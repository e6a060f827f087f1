"""Who is measured beside flowload, where it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from tools.bench.chess.corpus import Corpus
from tools.bench.measuring.cpu import cpu_seconds
from tools.bench.measuring.settings import Contender, Reading, Settings, Window, Work
from tools.bench.measuring.window import watch

from .craft import KERNELS, NUMPY, ChunkRef, Craft
from .order import Order

__all__ = ["rivals"]


class Open(Protocol):
    """Starts a rival; leaving stops it."""

    def __call__(self, order: Order, craft: Craft) -> AbstractContextManager[Iterator[Mapping[str, Any]]]: ...


class Rival(NamedTuple):
    """A loader, and where its code is."""

    name: str
    needs: str  #: the package
    module: str
    function: str
    crafts: tuple[Craft, ...] = (NUMPY, KERNELS)


RIVALS = (
    Rival("DataLoader, by sample", "torch", "torch_loader", "open_samples", (NUMPY,)),
    Rival("DataLoader, by batch", "torch", "torch_loader", "open_batches"),
    Rival("torchdata.nodes, threads, ring", "torchdata", "torchdata_nodes", "open_nodes"),
    Rival("SPDL, threads, ring", "spdl", "spdl_pipeline", "open_pipeline"),
    Rival("Grain, by record", "grain", "grain_dataset", "open_records", (NUMPY,)),
    Rival("Grain, by window, processes", "grain", "grain_dataset", "open_windows"),
    Rival("Grain, by window, threads, ring", "grain", "grain_dataset", "open_windows_in_threads"),
)


def rivals(corpus: Corpus, settings: Settings) -> tuple[list[Contender], dict[str, str]]:
    """Those that can be measured here, and why the others cannot."""
    if not corpus.plain:
        why = "their code knows version 6, input format 1 only, gzipped"
        return [], {rival.name: why for rival in RIVALS}
    order = Order(references(corpus), settings.batch, settings.reservoir, settings.cpus)
    found, absent = [], {}
    for rival in RIVALS:
        try:
            module = importlib.import_module(f".{rival.module}", __package__)
        except ModuleNotFoundError as error:
            absent[rival.name] = f"{rival.needs} is not installed ({error.name})"
            continue
        start: Open = getattr(module, rival.function)
        found += [contender(rival, start, order, craft) for craft in rival.crafts]
    return found, absent


def references(corpus: Corpus) -> tuple[ChunkRef, ...]:
    """The games."""
    chunks = corpus.chunks
    return tuple(
        ChunkRef(
            chunks.sources[row["source"]].path,
            int(row["offset"]),
            int(row["size"]),
            max(1, int(row["inflated"])),
        )
        for row in chunks.table
    )


def contender(rival: Rival, start: Open, order: Order, craft: Craft) -> Contender:
    """A rival, started anew for every measurement."""

    def measure(window: Window) -> Reading:
        with start(order, craft) as batches:
            seen = watch(batches, window, lambda: {"cpu": cpu_seconds()})
        return Reading(seen.frames / seen.seconds, cores=seen.gain("cpu") / seen.seconds)

    return Contender(name=f"{rival.name}, {craft.name}", group="rival", work=Work(), measure=measure)
