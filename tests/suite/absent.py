"""Libraries that this environment lacks: what needs one is skipped, with its name.

A Python for which torch can only be had with gigabytes of another device's code is tried without it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import pytest

__all__ = ["Absent", "lacked"]

#: What a test may lack: torch, which flowload needs but imports late, and the libraries of extras.
MAY_LACK = (
    "jax",
    "lmdb",
    "obstore",
    "pandas",
    "playwright",
    "pyarrow",
    "pygraphviz",
    "tiledb",
    "torch",
    "trio",
)
TOLD = re.compile(r"No module named '(\w+)|(\w+) is not installed; try: pip install")


def lacked() -> set[str]:
    """Those that are not installed here."""
    return {name for name in MAY_LACK if find_spec(name) is None}


class Absent:
    """Skips modules that import what is absent, and tests that fail when they have asked for it."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.collecting = False
        self.asked: set[str] = set()  #: since the test began
        sys.meta_path.append(self)

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Asked last by the import system, in any thread."""
        if fullname in self.names:
            self.asked.add(fullname)
            if self.collecting:
                pytest.skip(f"{fullname} is not installed here", allow_module_level=True)
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """While modules are imported."""
        self.collecting = True
        try:
            return (yield)
        finally:
            self.collecting = False

    def pytest_runtest_logstart(self) -> None:
        """A test begins."""
        self.asked.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Where a test, or a process of its own, wanted it."""
        report = yield
        said = f"{report.longreprtext}\n{report.capstdout}\n{report.capstderr}\n{report.caplog}"
        found = {first or second for first, second in TOLD.findall(said)} | self.asked
        if report.failed and (wanted := found & self.names):
            why = f"{', '.join(sorted(wanted))}: not installed here"
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.reportinfo()[1] or 0, why)
        return report
