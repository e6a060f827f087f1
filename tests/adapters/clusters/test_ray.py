"""Ray: actors make lanes, trainers of Ray Train shard, Ray Data reads; on a cluster of this machine alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest

import flowload as fl
from flowload.errors import GraphError, MissingExtra

JOB = Path(__file__).parents[1] / "children" / "ray_job.py"
ROOT = Path(__file__).parents[3]

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@cache
def alone() -> tuple[str, ...]:
    """What gives a process a network of its own, which has itself alone; nothing where that is refused."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return ()
    own = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    if subprocess.run(own, check=False, capture_output=True).returncode:
        return ()
    return ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def run(tmp_path: Path, *job: str) -> dict[str, Any]:
    """What a job says; nothing of Ray is left behind it."""
    out = tmp_path / "found.json"
    do(str(JOB), str(out), *job)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def do(*script: str) -> str:
    """What a script prints that has a cluster; nothing of that is left behind it."""
    before = shared_memory()
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:  # sockets' names must be short
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_JOB_FOLDER": folder, "RAY_TMPDIR": folder}
        environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "HOME": folder}
        asked = subprocess.run(
            [*alone(), sys.executable, *script],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=600,
        )
        assert asked.returncode == 0, asked.stderr[-4000:]
        own = [each for each in psutil.process_iter() if folder in " ".join(command(each))]
        psutil.wait_procs(own, timeout=120)
        assert [each for each in own if lives(each)] == []
    names_go(before)
    return asked.stdout


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has asked how it ended does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def names_go(before: set[str]) -> None:
    """Nothing is left in shared memory; those of other tests' clusters go soon."""
    end = monotonic() + 60
    while left := shared_memory() - before:
        assert monotonic() < end, left
        sleep(0.05)


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def shared_memory() -> set[str]:
    return {each.name for each in Path("/dev/shm").iterdir() if "plasma" in each.name}


@pytest.mark.hammer  # twelve seconds of CPU, as each test with a cluster
@needs_ray
def test_two_actors_one_of_them_killed(tmp_path: Path) -> None:
    found = run(tmp_path, "quick")
    assert found["exact"]
    assert found["replaced"] == 1
    assert found["lanes"] == 4
    assert found["store"] <= 2 << 20
    assert found["stages"] == sorted(
        ["discover", "read", "shard", "shuffle_pool", "unpack", "reservoir", "batch"]
    )


@needs_ray
@pytest.mark.hammer
def test_any_number_of_actors(tmp_path: Path) -> None:
    found = run(tmp_path, "many")
    notes = " ".join(found.pop("error"))
    assert "in stage 'mine'" in notes
    assert "Ray actor 0 of 1" in notes
    assert found.pop("cluster") == 4
    assert found == dict.fromkeys(found, True)


@needs_ray
@pytest.mark.hammer
def test_states_go_there_and_back(tmp_path: Path) -> None:
    assert run(tmp_path, "states") == {"exact": True, "lanes": [4] * 8}


@needs_ray
@pytest.mark.hammer
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills(seed: int, tmp_path: Path) -> None:
    found = run(tmp_path, "kills", str(seed))
    assert found["exact"]
    assert found["killed"] == 10
    assert found["replaced"] >= 9  # one may have had nothing to give any more
    assert found["store"] <= 2 << 20


@needs_ray
@pytest.mark.hammer
@pytest.mark.parametrize("workers", ["2", "cluster"])
def test_a_node_dies_and_another_comes(workers: str, tmp_path: Path) -> None:
    found = run(tmp_path, "nodes", workers)
    assert found == {"exact": True, "workers": [2, 1, 2]}


@needs_ray
@pytest.mark.hammer
def test_a_node_dies_and_there_is_another(tmp_path: Path) -> None:
    found = run(tmp_path, "moved")
    assert found["exact"]
    assert found["replaced"] >= 1


@needs_ray
@pytest.mark.hammer
def test_trainers_of_ray_go_on_from_its_checkpoints(tmp_path: Path) -> None:
    found = run(tmp_path, "trainers")
    assert found["exact"]
    assert found["batches"] > 10


@needs_ray
@pytest.mark.hammer
def test_ray_data_reads_each_row_once(tmp_path: Path) -> None:
    assert run(tmp_path, "dataset")["rows"] == list(range(1000))


@needs_ray
@pytest.mark.hammer
def test_the_script_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/howto/ray.md").read_text()
    script = tmp_path / "lanes.py"
    script.write_text(page.partition('title="lanes.py"\n')[2].partition("```")[0])
    assert do(str(script)).splitlines()[-1].startswith("True ")


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    graph = fl.rows({"x": np.arange(96)}) >> fl.shuffle() >> fl.batch(4)
    with pytest.raises(MissingExtra, match=r"flowload\[ray\]"):
        graph.on_ray(workers=2)
    with pytest.raises(MissingExtra, match=r"flowload\[ray\]"):
        graph.as_ray_datasource()


def test_what_makes_no_sense_is_refused() -> None:
    graph = fl.rows({"x": np.arange(96)}) >> fl.shuffle() >> fl.batch(4)
    with pytest.raises(GraphError, match="placement is 'far'"):
        graph.on_ray(placement="far")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="cpus is 0"):
        graph.on_ray(cpus=0)
    with pytest.raises(GraphError, match="bytes_ahead is 0"):
        graph.on_ray(bytes_ahead=0)
    with pytest.raises(GraphError, match="lanes is 8, and the graph has 4"):
        (fl.rows(96) >> fl.shard(lanes=4) >> fl.batch(4)).on_ray(lanes=8)
    both = [fl.rows(10), fl.rows(20)] >> fl.merge() >> fl.batch(4)
    with pytest.raises(GraphError, match="2 places where they might begin"):
        both.on_ray()


@pytest.mark.slow
def test_nothing_of_ray_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, flowload; assert not [name for name in sys.modules if 'ray' in name.split('.')]"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=100)
