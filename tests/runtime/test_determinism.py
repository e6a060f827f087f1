"""One stream, bit for bit: for any number of workers and CPUs, on both faces, however calls are delayed."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.abc.operators import Block, Call, Mark
from flowload.graph import Graph
from flowload.testing import run_plain
from tests.runtime.reading import FACES, Face
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
    Modulo,
    Yields,
    flat,
    in_turn,
    ints,
    origin,
    plus,
    rebatch,
    step,
)
from tests.threads import give_way

SIZES = [7, 1, 4, 9, 2, 3, 8, 5, 6, 1]


class Weather:
    """Delays calls at random: never by much, and never the same calls in two runs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def blow(self) -> None:
        if self.random.random() < 0.3:
            give_way(self.random.randrange(50))

    async def blow_async(self) -> None:
        for _ in range(self.random.randrange(4)):
            await anyio.lowlevel.checkpoint()


class Stirs(Folds):
    """Exchanges each number with one that it holds; cares about marks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[int] = []

    def push(self, block: Ints, call: Call) -> Iterator[Ints]:
        out = []
        for value, place in zip(
            block.values.tolist(), call.rng().integers(0, self.size, len(block)), strict=True
        ):
            if len(self.kept) < self.size:
                self.kept.append(value)
            else:
                out.append(self.kept[place])
                self.kept[place] = value
        if out:
            yield ints(out)

    def mark(self, mark: Mark, call: Call) -> Iterator[Ints]:
        yield from self.flush(call)

    def flush(self, call: Call) -> Iterator[Ints]:
        if self.kept:
            order = call.rng().permutation(len(self.kept))
            made, self.kept = [self.kept[k] for k in order], []
            yield ints(made)

    @property
    def held(self) -> int:
        return len(self.kept)


def drawn(weather: Weather, workers: int) -> Graph:
    """Source, maps of both kinds, folds with chance, in one line."""

    def blocks(epoch: int) -> Iterator[Ints]:
        start = 0
        for size in SIZES * 3:
            weather.blow()
            yield ints(range(start, start + size))
            start += size

    def thins(block: Ints, call: Call) -> Ints | None:
        weather.blow()
        keep = call.rng().random(len(block)) < 0.8
        call.drop(int((~keep).sum()), "thinned")
        return block.select(keep) if keep.any() else None

    async def noise(block: Ints, call: Call) -> Ints:
        await weather.blow_async()
        return Ints(block.values * 1000 + call.rng(call.number, 1).integers(0, 1000, len(block)))

    def noise_2(block: Ints, call: Call) -> Ints:
        weather.blow()
        return Ints(block.values * 1000 + call.rng().integers(0, 1000, len(block)))

    return (
        origin(Yields(blocks))
        >> step(lambda: Does(thins), lambda: Stirs(10), workers=workers)
        >> step(lambda: Does(noise_2), workers=workers)
        >> step(lambda: DoesAsync(noise), workers=workers)
        >> rebatch(4)
    )


def joined(weather: Weather, workers: int) -> Graph:
    """The same, parted, treated differently, and joined again."""

    def shakes(block: Ints, call: Call) -> Ints:
        weather.blow()
        return block.select(call.rng().permutation(len(block)))

    ports = ("a", "b", "c")
    split = drawn(weather, workers) >> step(lambda: Modulo(ports), ports=ports)
    branches = [
        split["a"] >> step(lambda: Does(shakes), workers=workers),
        split["b"] >> rebatch(3),
        split["c"] >> plus(1, workers=workers) >> step(lambda: Stirs(5)),
    ]
    return branches >> in_turn() >> step(lambda: Does(shakes), workers=1) >> rebatch(6)


def digest(blocks: Iterable[Any]) -> str:
    """Every number and every border."""
    word = hashlib.blake2b(digest_size=16)
    for block in blocks:
        word.update(np.array([len(block), *block.values], np.int64).tobytes())
    return word.hexdigest()


@cache
def wanted(seed: int) -> str:
    return digest(joined(Weather(0), 1).iterate(seed=seed, epochs=2, cpus=1))


@pytest.mark.hammer
@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_one_hash(face: Face, workers: int, cpus: int) -> None:
    graph = joined(Weather(100 * workers + cpus), workers)
    assert digest(face.read(graph, seed=3, epochs=2, cpus=cpus)) == wanted(3)


@pytest.mark.slow
def test_another_seed_is_another_stream(face: Face) -> None:
    assert digest(face.read(joined(Weather(1), 2), seed=4, epochs=2)) == wanted(4) != wanted(3)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_slow_twin_gives_the_same(face: Face, workers: int) -> None:
    twin = run_plain(drawn(Weather(0), 1), seed=3, epochs=2)
    assert len(twin) > 50
    assert digest(face.read(drawn(Weather(workers), workers), seed=3, epochs=2)) == digest(twin)


def test_the_slow_twin_gives_the_same_for_every_part(face: Face) -> None:
    def parts() -> Graph:
        return drawn(Weather(5), 2) >> step(lambda: Modulo(("a", "b")), ports=("a", "b"))

    for port in ("a", "b"):
        twin = run_plain(parts(), seed=3, output=port)
        other = {"a": "b", "b": "a"}[port]
        assert digest(face.read(parts().drop(other), seed=3)) == digest(twin)


def test_which_maps_share_a_hop_changes_nothing(face: Face) -> None:
    def some(block: Ints, call: Call) -> Ints | None:
        if call.rng().random() < 0.5:
            call.drop(len(block), "half")
            return None
        return block

    def line(workers: tuple[int, int, int]) -> Graph:
        first, second, third = (step(lambda: Does(some), workers=n) for n in workers)
        return drawn(Weather(0), 1) >> first >> second >> third

    together, apart = line((2, 2, 2)), line((2, 3, 2))
    assert digest(face.read(together)) == digest(face.read(apart)) == digest(run_plain(line((1, 1, 1))))


# ---- random lines against plain Python


def cut(values: list[int], size: int) -> list[list[int]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


Steps = list[tuple[str, int]]
steps = st.lists(
    st.tuples(st.sampled_from(["plus", "rebatch", "odd", "twice"]), st.integers(1, 9)), max_size=6
)


def odd(block: Ints, call: Call) -> Ints | None:
    keep = block.values % 2 == 1
    call.drop(int((~keep).sum()), "even")
    return block.select(keep) if keep.any() else None


def twice(block: Ints, call: Call) -> list[Block]:
    call.opened(2 * len(block))
    return [block, block]


def as_graph(sizes: list[int], line: Steps, workers: int) -> Graph:
    def blocks(_: int) -> Iterator[Ints]:
        ends = list(itertools.accumulate(sizes, initial=0))
        return (ints(range(a, b)) for a, b in itertools.pairwise(ends))

    graph = origin(Yields(blocks))
    for word, number in line:
        if word == "plus":
            graph = graph >> plus(number, workers=workers)
        elif word == "rebatch":
            graph = graph >> rebatch(number)
        elif word == "odd":
            graph = graph >> step(lambda: Does(odd), workers=workers)
        else:
            graph = graph >> step(lambda: Folds(twice))
    return graph


def as_lists(sizes: list[int], line: Steps) -> list[list[int]]:
    """What the same line does, in plain Python."""
    numbers = iter(range(sum(sizes)))
    blocks = [list(itertools.islice(numbers, size)) for size in sizes]
    for word, number in line:
        if word == "plus":
            blocks = [[value + number for value in block] for block in blocks]
        elif word == "rebatch":
            blocks = cut([value for block in blocks for value in block], number)
        elif word == "odd":
            blocks = [kept for block in blocks if (kept := [value for value in block if value % 2])]
        else:
            blocks = [block for block in blocks for _ in range(2)]
    return blocks


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), max_size=12),
    line=steps,
    workers=st.integers(1, 4),
    which=st.integers(0, 2),
)
def test_random_lines_do_what_plain_python_does(
    sizes: list[int], line: Steps, workers: int, which: int
) -> None:
    got = FACES[which].read(as_graph(sizes, line, workers), cpus=2)
    assert [flat([block]) for block in got] == as_lists(sizes, line)
