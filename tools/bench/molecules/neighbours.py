"""Neighbour lists under periodic boundaries: ours, matscipy's and ASE's, of the same crystals."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.kernels.molecules.images import fill_images, find_images
from tools.bench.measuring.markdown import table
from tools.bench.measuring.spread import Spread

from .settings import Settings

__all__ = ["CRYSTALS", "Crystals", "measure_neighbours", "neighbours_in_words"]

HEADINGS = ("neighbour lists", "pairs/s", "least - most", "flowload is x times")
OWN = "flowload"
CUTOFF = 5.0  #: Å

#: Gives what a contender is called with; calling that gives the pairs of all crystals.
Make = Callable[["Crystals"], Callable[[], int]]


class Crystals(NamedTuple):
    """Some crystals of as many atoms each: copper, every atom a little off its place."""

    places: NDArray[np.float32]  #: (crystals, atoms, 3)
    cells: NDArray[np.float64]  #: (crystals, 3, 3)

    @classmethod
    def made(cls, count: int, cells: int) -> Crystals:
        """So many crystals, of so many cubic cells of four atoms along each axis."""
        rng = np.random.default_rng(0)
        corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        four = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        places = 3.615 * (corners + four).reshape(1, -1, 3)
        shaken = places + rng.normal(size=(count, places.shape[1], 3), scale=0.1)
        return cls(shaken.astype(np.float32), np.tile(np.eye(3) * 3.615 * cells, (count, 1, 1)))


#: Small ones, as training sets have them, and a large one.
CRYSTALS: Mapping[str, tuple[int, int]] = {"64 x 32 atoms": (64, 2), "4,000 atoms": (1, 10)}


def ours(crystals: Crystals) -> Callable[[], int]:
    """All crystals as one batch."""
    count, atoms = crystals.places.shape[:2]
    flat, sizes = crystals.places.reshape(count, -1), np.full(count, atoms, np.int32)
    pbc, stop = np.ones((count, 3), bool), np.zeros(1, np.uint8)

    def call() -> int:
        found, pairs = find_images(flat, sizes, crystals.cells, pbc, (CUTOFF, False), stop)
        dst, src, shifts = (
            np.empty(pairs, np.int32),
            np.empty(pairs, np.int32),
            np.empty((pairs, 3), np.int32),
        )
        return fill_images(dst, src, shifts, found, sizes, atoms, stop)

    return call


def theirs(module: str, function: str) -> Make:
    """A library that takes one crystal at a time."""

    def make(crystals: Crystals) -> Callable[[], int]:
        listed: Any = getattr(importlib.import_module(module), function)
        atoms: Any = importlib.import_module("ase").Atoms
        each = [
            atoms(f"Cu{len(places)}", positions=places, cell=cell, pbc=True)
            for places, cell in zip(crystals.places, crystals.cells, strict=True)
        ]
        return lambda: sum(len(listed("ijS", one, CUTOFF)[0]) for one in each)

    return make


CONTENDERS: Mapping[str, Make] = {
    OWN: ours,
    "matscipy": theirs("matscipy.neighbours", "neighbour_list"),
    "ASE": theirs("ase.neighborlist", "neighbor_list"),
}


def measure_neighbours(settings: Settings) -> dict[str, dict[str, list[float]]]:
    """Pairs a second of each contender in each round, by crystals; who is not installed is left out.

    Raises ValueError where two do not find as many pairs.
    """
    return {name: measured(Crystals.made(*size), settings) for name, size in CRYSTALS.items()}


def measured(crystals: Crystals, settings: Settings) -> dict[str, list[float]]:
    """One kind of crystals, every contender in turn."""
    calls = {}
    for name, make in CONTENDERS.items():
        try:
            calls[name] = make(crystals)
        except ImportError:
            continue
    counts = {name: call() for name, call in calls.items()}  # the first call compiles, or imports
    if len(set(counts.values())) != 1:
        raise ValueError(f"pairs differ: {counts}")
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(settings.rounds):
        for name, call in calls.items():
            rates[name].append(rate(call, settings.seconds / 4))
    return rates


def rate(call: Callable[[], int], seconds: float) -> float:
    """Pairs a second of as many calls as take so long, at least one."""
    pairs, began = 0, perf_counter()
    while True:
        pairs += call()
        if (taken := perf_counter() - began) >= seconds:
            return pairs / taken


def neighbours_in_words(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The figures as people read them, in Markdown; ratios are taken round by round."""
    rows = []
    for crystals, rates in found.items():
        for name, each in rates.items():
            spread = Spread.of(each)
            times = Spread.of([mine / other for mine, other in zip(rates[OWN], each, strict=True)])
            rows.append(
                (
                    f"{name}, {crystals}",
                    f"{spread.median:,.0f}",
                    f"{spread.least:,.0f} - {spread.most:,.0f}",
                    f"{times.median:.2f}",
                )
            )
    return table(HEADINGS, rows)
