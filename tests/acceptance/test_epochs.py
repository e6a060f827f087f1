"""Rates, counts and epochs: over 1/rate uses of a game each of its positions comes exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.lines import chess, dropped, is_balanced
from tests.acceptance.oracle import Digest, digests, frames, multiset
from tests.runtime.reading import Face


def times(counter: Counter[Digest], factor: int) -> Counter[Digest]:
    """So many of each."""
    return Counter({digest: factor * count for digest, count in counter.items()})


@pytest.mark.parametrize(("pool", "reservoir"), [(1, 1), (7, 100), (10**6, 10**5)])
@pytest.mark.parametrize(("rate", "epochs", "uses"), [(0.25, 4, 1), (0.3, 10, 3), (1 / 3, 3, 1), (1.0, 2, 2)])
def test_every_position_comes_once_in_one_over_rate_epochs(
    sample: list[Path],
    sample_frames: Counter[Digest],
    rate: float,
    epochs: int,
    uses: int,
    pool: int,
    reservoir: int,
) -> None:
    graph = chess(sample, rate=rate, pool=pool, reservoir=reservoir, size=1000)
    with graph.iterate(seed=5, epochs=epochs) as run:
        assert multiset(run) == times(sample_frames, uses)
        stats = run.stats()
    assert is_balanced(stats)
    unsampled = sample_frames.total() * (epochs - uses)
    assert dropped(stats) == ({"unpack": {"not sampled": unsampled}} if unsampled else {})


def test_each_epoch_takes_a_quarter_of_each_game(sample: list[Path]) -> None:
    graph = chess(sample, rate=0.25, pool=1, reservoir=1, size=1)
    games = [game for path in sample for game in frames(path)]
    with graph.iterate(epochs=4) as run:
        found = [digest for batch in run for digest in digests(batch)]
    at = 0
    for _ in range(4):
        for game in games:
            taken = found[at:][: len(game) // 4]
            at += len(taken)
            assert is_in_order(taken, game)
            if at < len(found) and len(game) % 4 and is_in_order([*taken, found[at]], game):
                at += 1
    assert at == len(found)


def is_in_order(some: list[Digest], game: list[Digest]) -> bool:
    """Whether these are frames of a game, in its order."""
    rest = iter(game)
    return all(digest in rest for digest in some)


@pytest.mark.parametrize("count", [1, 7, 10**4])
def test_a_count_takes_so_many_different_positions_of_each_game(sample: list[Path], count: int) -> None:
    games = [game for path in sample for game in frames(path)]
    with chess(sample, count=count, pool=1, reservoir=1, size=100).iterate(seed=2) as run:
        found = [digest for batch in run for digest in digests(batch)]
        assert is_balanced(run.stats())
    assert len(found) == sum(min(count, len(game)) for game in games)
    for game in games:
        taken, found = found[: min(count, len(game))], found[min(count, len(game)) :]
        assert is_in_order(taken, game)


def test_without_end_it_goes_on_until_it_is_left(
    sample: list[Path], sample_frames: Counter[Digest], face: Face
) -> None:
    seen = 0
    enough = 3 * sample_frames.total()

    def see(batch: dict[str, object], _: object) -> bool:
        nonlocal seen
        seen += len(batch["planes"])  # type: ignore[arg-type]
        return seen < enough

    face.use(chess(sample, size=256), see, epochs=None)
    assert enough <= seen < enough + 256
