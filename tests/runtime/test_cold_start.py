"""Kernels are compiled before a run begins, side by side; a run that is left then leaves nothing behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What is compiled, or loaded, by whole runs of pipelines, and is not named before they begin: but for the
#: kernel that looks at Python's lock, for which no run waits.
UNNAMED = """
import gc, json, sys
import flowload as fl
from flowload.formats.games.cache import Games
from flowload.kernels._jit import Kernel
from flowload.runtime.order import Order
from flowload.sample import sample_path

Games(sample_path("games")).open().close()  # packed by whoever comes first, with kernels of its own

def there():
    kernels = [each for each in gc.get_objects() if isinstance(each, Kernel) and each.__name__ != "glance"]
    return {(each.__name__, str(kinds)) for each in kernels for kinds in each.overloads}

found, seen = {}, set()
for name, options in json.loads(sys.argv[1]):
    graph = fl.load(f"pipelines/{name}.py", device="cpu", **options)
    seen |= there()  # drawing may call some
    run = Order(graph=graph).open()
    named = {(k.__name__, str(k.kinds(args))) for k, args in run.compiled.needs if isinstance(k, Kernel)}
    run.compiled.close()
    with graph.iterate(cpus=2) as batches:
        for _ in batches:
            pass
    used = there() - seen
    seen |= used
    found[f"{name} {options}"] = sorted(used - named)
print(json.dumps([found, len(seen)]))
"""
PIPELINES = [
    ["chess", {}],
    ["chess", {"layout": "tuple", "reservoir": 1000}],
    ["chess", {"layout": "bits", "rate": 0.1}],
    ["games", {"split": "train"}],
    ["molecules", {"split": "train"}],
    ["molecules", {"pairs": "real", "cutoff": 3.0, "bucket_size": 64}],
    ["molecules", {"layout": "masked", "num_atoms": 60}],
    ["neural", {"choose": 8}],
]

COMMAND = [sys.executable, "-m", "flowload.cli", "run"]

#: Three kernels, and no torch, which takes longer to import than these to compile.
WINDOWS = """
import flowload as fl
from flowload.sample import sample_path

@fl.pipeline
def windows() -> fl.Graph:
    data = sample_path("neural")
    return fl.window_starts(data, 512) >> fl.read_windows() >> fl.sample_within(64, 8, neurons=8, graph=data)
"""


def environ(tmp_path: Path, cpus: int = 2) -> dict[str, str]:
    """Where nothing is compiled yet."""
    told = {"NUMBA_CACHE_DIR": str(tmp_path), "FLOWLOAD_CPUS": str(cpus), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **told}


@pytest.mark.slow
def test_every_kernel_that_the_pipelines_call_is_named_beforehand() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNNAMED, json.dumps(PIPELINES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    found, seen = json.loads(done.stdout.splitlines()[-1])
    assert seen > 20
    assert {name: kernels for name, kernels in found.items() if kernels} == {}


@pytest.mark.slow
@pytest.mark.parametrize("cpus", [pytest.param(1, marks=pytest.mark.hammer), 2])
def test_all_is_compiled_and_told_before_the_first_stage_works(tmp_path: Path, cpus: int) -> None:
    (tmp_path / "windows.py").write_text(WINDOWS)
    words = [str(tmp_path / "windows.py"), "--batches", "1", "--plain"]
    runs = []
    for _ in range(2):
        done = subprocess.run(
            [*COMMAND, *words],
            env=environ(tmp_path, cpus),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        told = [line for line in done.stderr.splitlines() if "compiling" in line]
        runs.append([line.partition("compiling kernels for this machine, once: ")[2] for line in told])
    lines, again = runs
    assert lines[0] == "0 of 3"
    assert lines[-1] == "3 of 3"
    made = [path for path in tmp_path.rglob("*.nbc") if not path.name.startswith("glance")]
    assert len(made) == 3 + 1, "check_csr is called when the graph is drawn"
    assert not again


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_whoever_leaves_while_kernels_are_compiled_leaves_no_process(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    run = subprocess.Popen(
        [*COMMAND, "pipelines/chess.py", "--plain", "--device", "cpu"],
        env=environ(tmp_path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stderr is not None
        assert "compiling kernels for this machine, once: 0 of 10" in run.stderr.readline()
        while len(children := children_of(run.pid)) < 2:  # they are being started
            assert run.poll() is None, "it ended before there were two"
        watched = [os.pidfd_open(child) for child in children]
        run.send_signal(number)
        _, told = run.communicate()
        assert run.returncode == status
        if status > 0:
            assert "before it began" in told
            assert "Traceback" not in told
    for fd in watched:
        wait_for_end(fd)
        os.close(fd)


def children_of(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = entry.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def wait_for_end(fd: int) -> None:
    """Wait until a process, which need not be a child of this one, has ended."""
    assert select.select([fd], [], [], 60.0)[0], "a process that compiles was left behind"
