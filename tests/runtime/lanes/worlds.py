"""Streams of ranks that share lanes, put together as the stream of all, and what lanes are meant to give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import flowload as fl
from flowload.formats.games.cache import Games
from flowload.formats.molecules.packed import PackedMolecules
from flowload.sample import sample_path
from tests.runtime.ranks import run_ranks

__all__ = ["DRAWINGS", "LANES", "WORLDS", "digest", "going_on", "interleaved", "stream", "whole"]

LANES = 12
WORLDS = (1, 2, 3, 4, 6, 12)

Draw = Callable[[fl.Graph, int], fl.Graph]  #: of a shard, and by how much sizes of a whole stream are divided


def chess(shard: fl.Graph, share: int) -> fl.Graph:
    games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> shard >> fl.shuffle_pool(24 // share)
    return games >> fl.unpack() >> fl.reservoir(240 // share) >> fl.batch(16, layout="bits")


def sampled(shard: fl.Graph, share: int) -> fl.Graph:
    """With a device behind, and the rest dropped."""
    games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> shard >> fl.shuffle_pool(36 // share)
    batches = games >> fl.unpack(rate=0.5) >> fl.reservoir(120 // share)
    return batches >> fl.batch(8, layout="bits", drop_last=True) >> fl.to_device("cpu")


def games(shard: fl.Graph, share: int, packed: Path) -> fl.Graph:
    rows = fl.rows(Games(str(sample_path("games")), packed, "bits")) >> fl.shuffle() >> shard
    return rows >> fl.batch(500) >> fl.to_device("cpu")


def molecules(shard: fl.Graph, share: int) -> fl.Graph:
    rows = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=None)) >> fl.shuffle() >> shard
    return rows >> fl.bucket(40) >> fl.batch(4, on_error="skip") >> fl.to_device("cpu")


def budget(shard: fl.Graph, share: int) -> fl.Graph:
    rows = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=(9, 18, 26))) >> fl.shuffle()
    return rows >> shard >> fl.batch(atoms=60)


def bucketed(shard: fl.Graph, share: int) -> fl.Graph:
    """A budget, by which each lane cuts rows of its own."""
    rows = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=(9, 18, 26))) >> fl.shuffle()
    return rows >> shard >> fl.bucket(40) >> fl.batch(atoms=27)


def noisy(shard: fl.Graph, share: int) -> fl.Graph:
    """A function that draws, of every batch of every lane."""

    def noise(batch: Any, rng: np.random.Generator) -> Any:
        return {"x": batch["x"] + rng.random(len(batch["x"]))}

    rows = fl.rows({"x": np.arange(1000.0)}) >> fl.shuffle() >> shard
    return rows >> fl.batch(7) >> fl.map(noise, random=True) >> fl.to_device("cpu")


def branches(shard: fl.Graph, share: int) -> fl.Graph:
    """A split, a function and a mix in every lane."""
    rows = fl.rows({"x": np.arange(3000)}) >> fl.shuffle() >> shard >> fl.split(few=0.3, many=0.7)
    few = rows["few"] >> fl.batch(5) >> fl.map(lambda batch: {"x": -batch["x"]})
    return [few, rows["many"] >> fl.batch(5)] >> fl.mix(1, 2) >> fl.batch(8)


DRAWINGS: dict[str, Draw] = {
    "chess": chess,
    "sampled": sampled,
    "molecules": molecules,
    "budget": budget,
    "bucketed": bucketed,
    "noisy": noisy,
    "branches": branches,
}


def digest(batch: Any) -> str:
    """A short word for a batch."""
    found = hashlib.blake2b(digest_size=8)
    for key in sorted(batch):
        found.update(np.ascontiguousarray(np.asarray(batch[key])).tobytes())
    return found.hexdigest()


def stream(draw: Draw, world: int, *, lanes: int = LANES, **order: Any) -> list[str]:
    """The batches of all ranks in their order; all ranks end in the same step."""
    found = run_ranks(
        lambda rank: draw(fl.shard(rank, world, lanes=lanes), 1),
        world,
        lambda run: [digest(batch) for batch in run],
        **order,
    )
    assert all(stats.finished for _, stats in found)
    ranks = [batches for batches, _ in found]
    assert len({len(rank) for rank in ranks}) == 1, [len(rank) for rank in ranks]
    return [batch for step in zip(*ranks, strict=True) for batch in step]


def whole(draw: Draw, lanes: int = LANES, **order: Any) -> list[list[str]]:
    """What each lane is meant to give: the graph with a shard of as many ranks as there are lanes."""
    found = []
    for lane in range(lanes):
        with draw(fl.shard(lane, lanes), lanes).iterate(even="allow", **order) as batches:
            found.append([digest(batch) for batch in batches])
    return found


def interleaved(lanes: list[list[str]]) -> Iterator[str]:
    """Batch b is batch b // V of lane b % V."""
    for step in zip_longest(*lanes):
        if None in step:
            return
        yield from step


def going_on(
    draw: Draw, worlds: list[tuple[int, int | None]], **order: Any
) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Runs of several worlds, each from the state of the one before: batches by their number, and the states.

    Args:
        draw: the graph.
        worlds: how many ranks, and how many steps; None: to the end.
        order: of all runs.
    """
    found: dict[int, str] = {}
    states: list[dict[str, Any]] = []
    state: Any = None
    for world, steps in worlds:
        since = 0 if state is None else state["delivered"]["out"]
        given = []
        for rank in range(world):
            graph = draw(fl.shard(rank, world, lanes=LANES), 1)
            number = next(b for b in range(since, since + world) if b % world == rank)
            with graph.iterate(state=state, **order) as batches:
                for batch in batches if steps is None else (next(batches) for _ in range(steps)):
                    assert number not in found, "no sample twice"
                    found[number] = digest(batch)
                    number += world
                given.append(json.loads(json.dumps(batches.state_dict())))
        assert [each["delivered"] for each in given] == [given[0]["delivered"]] * world
        state = given[-1]
        states.append(state)
    return found, states
