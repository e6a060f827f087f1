"""Graphs of every kind over small data, for states taken anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import flowload as fl
from flowload.formats.games import Games
from flowload.formats.molecules import PackedMolecules
from flowload.sample import sample_path

__all__ = ["GRAPHS"]


def chess() -> fl.Graph:
    """A pool, a reservoir, and a drain at the end of each pass and of the stream."""
    chunks = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.shuffle_pool(7)
    return chunks >> fl.unpack(rate=0.5) >> fl.reservoir(300) >> fl.batch(256, layout="bits")


def parts() -> fl.Graph:
    """Two outputs of one source, with a pool each."""
    chunks = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.split(train=0.7, valid=0.3)
    train = chunks["train"] >> fl.shuffle_pool(5) >> fl.unpack() >> fl.reservoir(100)
    return fl.outputs(
        train=train >> fl.batch(512, layout="bits"),
        valid=chunks["valid"] >> fl.unpack() >> fl.batch(512, layout="bits"),
    )


def games() -> fl.Graph:
    """Positions of games, in bundles."""
    rows = fl.rows(Games(sample_path("games")), indices=np.arange(0, 40000, 13))
    return rows >> fl.shuffle() >> fl.batch(256)


def molecules() -> fl.Graph:
    """Rows of similar size."""
    rows = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.shuffle()
    return rows >> fl.bucket(96) >> fl.batch(48)


def neural() -> fl.Graph:
    """Several batches of a window that is read once."""
    return fl.windows(sample_path("neural"), 256) >> fl.sample_within(64, steps=4)


def joined() -> fl.Graph:
    """Split, mix, filter and map."""
    rows = fl.rows({"x": np.arange(300)}) >> fl.shuffle() >> fl.split(train=0.9, valid=0.1)
    own = rows.drop("valid") >> fl.batch(8)
    other = fl.rows({"x": np.arange(1000, 1200)}) >> fl.shuffle() >> fl.batch(4)
    mixed = [own, other] >> fl.mix(3, 1) >> fl.filter(lambda batch: batch["x"] % 7 != 0)
    return mixed >> fl.map(lambda batch: {"x": batch["x"] * 2}) >> fl.batch(32)


def both() -> fl.Graph:
    """Tee and merge, whose branches cut differently."""
    ways = fl.rows({"x": np.arange(300)}) >> fl.shuffle() >> fl.batch(16) >> fl.tee("a", "b")
    branches = [ways["a"] >> fl.map(lambda batch: {"x": batch["x"] * 2}), ways["b"] >> fl.batch(12)]
    return branches >> fl.merge() >> fl.batch(50)


def drawn() -> fl.Graph:
    """A bucket, and a map that draws numbers."""

    def noisy(batch: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"N": batch["N"], "noise": rng.random(len(batch["N"]))}

    rows = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.shuffle() >> fl.bucket(96)
    return rows >> fl.batch(48) >> fl.map(noisy, random=True)


GRAPHS: Mapping[str, Callable[[], fl.Graph]] = {
    each.__name__: each for each in (chess, parts, games, molecules, neural, joined, both, drawn)
}
