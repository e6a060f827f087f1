"""Ranks of a training on one page: each on a socket that only this user can open, the first one gathers."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.picture.web.peers import Neighbours, private_folder
from tests.picture.graphs import three
from tests.threads import none_left

ROOT = Path(__file__).parents[3]
CHILD = """
import sys, flowload as fl
graph = fl.source(lambda: iter(range(400)), samples=True) >> fl.batch(4)
with graph.iterate(epochs=None) as batches, fl.watch(batches, title="child") as page:
    for _ in range(7):
        next(batches)
    page.look()
    print(repr(page.url), flush=True)
    sys.stdin.readline()
"""


def environment(tmp_path: Path, rank: int, world: int = 2) -> dict[str, str]:
    return {
        "RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
        "MASTER_PORT": "29500", "TMPDIR": str(tmp_path), "TORCHELASTIC_RUN_ID": tmp_path.name,
    }  # fmt: skip


def fetch(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.fixture
def first_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    short = Path("/tmp", f"f{os.getpid()}-{tmp_path.name[-12:]}")
    short.mkdir()
    for name, value in environment(short, 0, world=3).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(short))
    return short


@pytest.mark.slow
def test_the_first_rank_shows_all_and_nothing_is_left(first_rank: Path) -> None:
    env = {**os.environ, **environment(first_rank, 1, world=3), "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "''"  # it has no page of its own
    folder = private_folder({**os.environ})
    assert folder is not None
    assert [path.name for path in folder.iterdir()] == ["1.sock"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with none_left(), three().iterate(epochs=None) as batches, fl.watch(batches, title="mine") as page:
        next(batches)
        page.look()
        assert page._neighbours is not None
        page._neighbours.look()
        graph, state = fetch(f"{page.url}graph"), fetch(f"{page.url}state?since=0,0")
        assert [run["label"] for run in graph["runs"]] == ["rank 0", "rank 1"]
        assert graph["notes"] == ["1 more ranks are on other machines."]
        assert not graph["compared"]
        moment = state["runs"][1]["moments"][-1]
        assert moment["top"]["samples"] == "28 samples"
        assert fetch(f"{page.url}stats.json?run=1")["delivered"] == 28
        child.stdin.write("\n")
        child.stdin.close()
        assert child.wait(30) == 0
        child.stdout.close()
        page._neighbours.look()
        page._neighbours.look()
        assert fetch(f"{page.url}state?since=0,0")["runs"][1]["moments"]
    assert not folder.exists()
    for left in sorted(first_rank.rglob("*"), reverse=True):
        left.rmdir()
    first_rank.rmdir()


def test_a_folder_that_others_can_enter_is_not_used(first_rank: Path) -> None:
    base = first_rank / f"flowload-{os.getuid()}"
    base.mkdir(mode=0o755)
    assert private_folder({**os.environ}) is None
    assert Neighbours.find() is None
    base.rmdir()
    base.symlink_to(first_rank)
    assert private_folder({**os.environ}) is None
    base.unlink()
    first_rank.rmdir()


@pytest.mark.parametrize("words", [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "x", "WORLD_SIZE": "2"}])
def test_who_is_alone_has_no_neighbours(words: dict[str, str]) -> None:
    assert Neighbours.find(words) is None
