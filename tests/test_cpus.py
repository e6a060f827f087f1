from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowload.cpus import affinity, usable_cpus
from flowload.errors import GraphError


class Machine:
    """A false /proc and /sys/fs/cgroup."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, cpus: int = 64) -> None:
        self.root = root
        monkeypatch.setattr("flowload.cpus.affinity", lambda: cpus)
        self.write("proc/self/cgroup", "")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def cpus(self, **environ: str) -> int:
        return usable_cpus(environ=environ, cgroups=self.root / "cg", proc=self.root / "proc")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_without_cgroups_affinity_counts(machine: Machine) -> None:
    assert machine.cpus() == 64


def test_without_proc_affinity_counts(machine: Machine) -> None:
    (machine.root / "proc/self/cgroup").unlink()
    assert machine.cpus() == 64


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("max 100000\n", 64),
        ("200000 100000\n", 2),
        ("250000 100000\n", 3),
        ("10000 100000\n", 1),
        ("100000000 100000\n", 64),
        ("0 100000\n", 1),
        ("200000 0\n", 64),
        ("garbage\n", 64),
        ("", 64),
    ],
)
def test_version_2(machine: Machine, text: str, cpus: int) -> None:
    machine.write("proc/self/cgroup", "0::/job\n")
    machine.write("cg/job/cpu.max", text)
    assert machine.cpus() == cpus


def test_version_2_takes_the_tightest_of_the_parents(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/pod/container\n")
    machine.write("cg/pod/cpu.max", "300000 100000")
    machine.write("cg/pod/container/cpu.max", "800000 100000")
    assert machine.cpus() == 3


def test_version_2_in_a_container_whose_path_is_hidden(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/../../host/pod\n")
    machine.write("cg/cpu.max", "150000 100000")
    assert machine.cpus() == 2


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 64), ("400000", 4), ("350000", 4), ("1000", 1)])
@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1(machine: Machine, quota: str, cpus: int, mount: str) -> None:
    machine.write("proc/self/cgroup", "4:memory:/job\n3:cpu,cpuacct:/job\n2:cpuset:/\n")
    machine.write(f"cg/{mount}/job/cpu.cfs_quota_us", quota + "\n")
    machine.write(f"cg/{mount}/job/cpu.cfs_period_us", "100000\n")
    assert machine.cpus() == cpus


def test_version_1_in_a_container_whose_path_is_hidden(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "3:cpu,cpuacct:/docker/0123\n")
    machine.write("cg/cpu,cpuacct/cpu.cfs_quota_us", "500000")
    machine.write("cg/cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert machine.cpus() == 5


def test_the_environment_overrides(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/job\n")
    machine.write("cg/job/cpu.max", "200000 100000")
    assert machine.cpus(FLOWLOAD_CPUS=" 7 ") == 7
    assert machine.cpus(FLOWLOAD_CPUS="") == 2


@pytest.mark.parametrize("told", ["0", "-1", "two", "1.5", "²"])
def test_a_bad_override_is_an_error(machine: Machine, told: str) -> None:
    with pytest.raises(GraphError, match=r"FLOWLOAD_CPUS is .*; wanted a number from 1"):
        machine.cpus(FLOWLOAD_CPUS=told)


def test_affinity_is_asked_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", None, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5}, raising=False)
    assert affinity() == 3


def test_affinity_asks_newer_pythons_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert affinity() == 5


def test_affinity_falls_back_to_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", None, raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert affinity() == 1


def test_here_it_is_a_number_that_the_scheduler_allows() -> None:
    assert 1 <= usable_cpus(environ={}) <= affinity()
