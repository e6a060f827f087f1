"""The stages of the chess pipeline take the exam on real games, one by one and all together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.abc.operators import Block
from flowload.blocks import Batch
from flowload.graph import Graph
from flowload.stages.chunks.shuffle_pool import shuffle_pool
from flowload.stages.wiring.shard import shard
from flowload.testing import check_resume, check_stage, run_plain
from flowload.testing.content import difference

STAGES: dict[str, Callable[[], Graph]] = {
    "shuffle_pool": lambda: shuffle_pool(5),
    "shard": lambda: shard(1, 2),
    "split": lambda: fl.split(train=0.5, valid=0.5),
    "unpack": lambda: fl.unpack(rate=0.1),
    "unpack count": lambda: fl.unpack(count=3),
    "reservoir": lambda: fl.reservoir(50),
    "batch tensors": lambda: fl.batch(32, layout="tensors"),
    "batch tuple": lambda: fl.batch(32, layout="tuple", drop_last=True),
    "batch bits": lambda: fl.batch(7, layout="bits"),
    "tee": lambda: fl.tee(2),
}


@pytest.fixture(scope="module")
def chunks(sample_tar: Path) -> list[Block]:
    return run_plain(fl.discover(str(sample_tar)) >> fl.read("lc0"))


@pytest.fixture(scope="module")
def frames(sample_tar: Path) -> list[Block]:
    head = fl.discover(str(sample_tar)) >> fl.read("lc0")
    return run_plain(head >> fl.unpack(count=8))


def material(name: str, chunks: list[Block], frames: list[Block]) -> list[Block]:
    return frames if name.partition(" ")[0] in ("reservoir", "batch", "tee") else chunks


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_keeps_what_it_promises(name: str, chunks: list[Block], frames: list[Block]) -> None:
    assert check_stage(STAGES[name](), material(name, chunks, frames))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_resumes_exactly(name: str, chunks: list[Block], frames: list[Block]) -> None:
    blocks = material(name, chunks, frames)
    assert check_resume(STAGES[name](), blocks) == len(blocks) + 2


def whole(path: Path) -> Graph:
    return (
        fl.discover(str(path))
        >> fl.read("lc0")
        >> shuffle_pool(6)
        >> fl.unpack(rate=0.1)
        >> fl.reservoir(100)
        >> fl.batch(16, layout="bits")
        >> fl.to_device("cpu")
    )


@pytest.mark.slow
def test_the_whole_pipeline_keeps_what_its_stages_promise(sample_tar: Path) -> None:
    assert check_stage(whole(sample_tar), seeds=(3,))


@pytest.mark.slow
def test_the_whole_pipeline_resumes_exactly(sample_tar: Path) -> None:
    assert check_resume(whole(sample_tar), epochs=2) > 3


@pytest.mark.parametrize("cpus", [1, 3])
def test_a_run_gives_what_its_slow_twin_gives(sample_tar: Path, cpus: int) -> None:
    graph = whole(sample_tar)
    wanted = [block.deliver() for block in run_plain(graph, seed=5, epochs=2) if isinstance(block, Batch)]
    with graph.iterate(seed=5, epochs=2, cpus=cpus) as batches:
        found: list[Any] = list(batches)
    assert difference(wanted, found) == ""
