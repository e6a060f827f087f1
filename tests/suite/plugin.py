"""How the suite runs: on every CPU, a share of the hammers, with Ctrl-C as in a terminal, leaving nothing."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from flowload.cpus import usable_cpus

from .absent import Absent, lacked
from .leftovers import Leftovers
from .selection import find_addresses, of_share, quick, share_of, superfluous
from .warm import end_all

HAMMERS = "1/8"  #: of the hammers, what a plain run hammers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this suite."""
    parser.addoption(
        "--hammers", default=HAMMERS, metavar="SHARE", help=f"hammers to run: all, or as 2/5 [{HAMMERS}]"
    )
    parser.addoption(
        "--fuzz", type=int, metavar="N", help="damaged inputs for each parser in tests/fuzz [150]"
    )
    parser.addini(
        "left_patience", "seconds for what is on its way out: children that were killed", default="10"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before anything runs, in the user's process and in each of xdist's."""
    gc.disable()  # until all is collected, see below
    hear_ctrl_c()
    keep_bytecode()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's idle threads spin, on CPUs that others want
    if share_of(config.getoption("--hammers")) == (1, 1):
        settings.load_profile("hammers")  # see tests/conftest.py
    if missing := lacked():
        config.pluginmanager.register(Absent(missing))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Leftovers())


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """End the interpreters that tests begin from, before anybody looks for what tests have left."""
    end_all()


def hear_ctrl_c() -> None:
    """SIGINT does what it does in a terminal, here and in what tests start.

    A shell's background job ignores it, and every child inherits that: a test that interrupts a child would
    wait in vain.
    """
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):  # of nohup: kept here, but children have their own again
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, stay)


def stay(_number: int, _frame: object) -> None:
    """Go on, as one who ignores a signal: what is handled is not inherited, what is ignored is."""


def keep_bytecode() -> None:
    """Modules are compiled once, not in each of the hundreds of processes that tests start.

    Many containers set PYTHONDONTWRITEBYTECODE: `import flowload` takes four times as long there.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than CPUs for folders; none for single files, which end before a worker has begun.

    Tests wait for children, disks and one another's threads: with as many workers as CPUs, which were two,
    these idled for more than a quarter of the time (531 s for 760 s of CPU); with three for a sixth; four
    never left them idle.
    """
    paths = [Path(str(arg).split("::", 1)[0]) for arg in config.args]
    return usable_cpus() + 2 if any(path.is_dir() for path in paths) else 0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No search for garbage while tests are collected, nor ever in what they and their libraries consist of.

    There are a million and a half of such objects, and no garbage: to look through them again and again took
    half of the time of collecting (7 of 13.5 s of CPU, in each worker), and a second of every `gc.collect()`.
    """
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the quick, keep a share of the hammers, refuse names that no other process knows."""
    if unstable := find_addresses(item.nodeid for item in items):
        raise pytest.UsageError("names of tests must not hold addresses: " + "; ".join(unstable))
    for item in superfluous(items):
        item.add_marker("hammer")
    for item in quick(items):
        item.add_marker("quick")
    share = share_of(config.getoption("--hammers"))
    out = [item for item in items if any(item.iter_markers("hammer")) and not of_share(item.nodeid, share)]
    if out:
        config.hook.pytest_deselected(items=out)
        gone = set(map(id, out))
        items[:] = [item for item in items if id(item) not in gone]
