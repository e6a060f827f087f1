"""Every word that we ship passes the exam that we ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.formats.games.cache import Games
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.recordings.recording import recording
from flowload.graph import Graph
from flowload.sample import sample_path
from flowload.testing import check_stage

CHESS, NEURAL = str(sample_path("chess")), str(sample_path("neural"))


def rows() -> Graph:
    return fl.rows({"x": np.arange(300), "y": np.arange(600).reshape(300, 2)})


def molecules(**how: Any) -> Graph:
    return fl.rows(PackedMolecules(sample_path("molecules"), **{"num_atoms": 26, **how}))


def blocks() -> Iterator[dict[str, Any]]:
    return ({"x": np.full(3, i)} for i in range(9))


async def twice(batch: dict[str, Any]) -> dict[str, Any]:
    return {"z": batch["x"] * 2}


class InPairs:
    """Every second batch, behind the one that it waited for."""

    def __init__(self) -> None:
        self.waiting: list[fl.Batch] = []

    def push(self, block: fl.Batch, _call: Any) -> list[fl.Batch]:
        self.waiting.append(block)
        return self.flush(_call) if len(self.waiting) == 2 else []

    def flush(self, _call: Any) -> list[fl.Batch]:
        made, self.waiting = self.waiting, []
        return made


def chunks() -> Graph:
    return fl.discover(CHESS) >> fl.read("lc0")


#: The words that a drawing has, and the drawing; streams that join are the run's business.
DRAWINGS: dict[str, Callable[[], Graph]] = {
    "discover": lambda: fl.discover(CHESS),
    "read": chunks,
    "shuffle_pool, unpack, reservoir": lambda: (
        chunks() >> fl.shuffle_pool(50) >> fl.unpack(0.1) >> fl.reservoir(100) >> fl.batch(16, layout="bits")
    ),
    "rows": rows,
    "shuffle": lambda: rows() >> fl.shuffle() >> fl.batch(7),
    "shard": lambda: rows() >> fl.shard(1, 3) >> fl.batch(7),
    "split": lambda: rows() >> fl.split(train=0.8, valid=0.2),
    "split by lists": lambda: rows() >> fl.split(train=[1, 2, 3], valid=[7, 8]),
    "split by game": lambda: (
        fl.rows(Games(sample_path("games"))) >> fl.split(train=0.8, valid=0.2, by="game")
    ),
    "tee": lambda: rows() >> fl.batch(8) >> fl.tee("a", "b"),
    "drop": lambda: (rows() >> fl.split(train=0.8, valid=0.2)).drop("valid") >> fl.batch(8),
    "map": lambda: rows() >> fl.batch(8) >> fl.map(lambda batch: {"z": batch["x"] * 2}),
    "map async": lambda: rows() >> fl.batch(8) >> fl.map(twice),
    "map random": lambda: (
        rows() >> fl.batch(8) >> fl.map(lambda batch, rng: {"z": batch["x"] * rng.random()}, random=True)
    ),
    "filter": lambda: rows() >> fl.batch(8) >> fl.filter(lambda batch: batch["x"] % 2 == 0) >> fl.batch(5),
    "fold": lambda: rows() >> fl.batch(8) >> fl.fold(InPairs),
    "source": lambda: fl.source(blocks, samples=False) >> fl.batch(4),
    "source of samples": lambda: fl.source(blocks, samples=True) >> fl.batch(4),
    "bucket": lambda: molecules(pairs="real", cutoff=5.0) >> fl.shuffle() >> fl.bucket(64) >> fl.batch(16),
    "bucket shuffled": lambda: (
        molecules(num_atoms=(15, 26)) >> fl.shuffle() >> fl.bucket(64, shuffle_batches=True) >> fl.batch(16)
    ),
    "batch by budget": lambda: (
        molecules(num_atoms=(15, 26), pairs="real", cutoff=3.0, edges=4000)
        >> fl.shuffle()
        >> fl.shard(1, 3)
        >> fl.batch(atoms=300)
    ),
    "to_device": lambda: rows() >> fl.batch(8) >> fl.to_device("cpu"),
    "windows": lambda: fl.windows(NEURAL, 512, count=3),
    "windows in order": lambda: fl.windows(NEURAL, 512, order="sequential"),
    "sample_within": lambda: (
        fl.windows(NEURAL, 512, count=2) >> fl.sample_within(64, steps=8, neurons=4, graph=NEURAL)
    ),
    "windows as samples": lambda: (
        fl.rows(recording(NEURAL, 64)) >> fl.shard(0, 40) >> fl.shuffle() >> fl.batch(8)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", DRAWINGS)
def test_our_own_stages_pass(words: str) -> None:
    assert check_stage(DRAWINGS[words]())


def test_no_word_is_left_out() -> None:
    joins = {"merge", "mix"}
    others = {"best_slots", "load", "load_state", "outputs", "pipeline", "place", "epoch_plan", "read_range"}
    others |= {"on_preempt", "replay", "save_state", "watch"}
    shipped = {word for word in fl.__all__ if word.islower()} - joins - others
    tried = {placed.stage.word for make in DRAWINGS.values() for placed in make().nodes()}
    made_of_others = {"windows"}  # a drawing of several
    assert shipped - tried - made_of_others <= set()
