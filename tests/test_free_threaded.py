"""Python without its lock: importing flowload does not turn it on again."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

import pytest

from tools.bench.costs import maps

EVERYTHING = """
import importlib, pkgutil, sys, warnings
warnings.simplefilter("error", RuntimeWarning)  # "the GIL has been enabled to load module ..."
import flowload
for module in pkgutil.walk_packages(flowload.__path__, "flowload."):
    try:
        importlib.import_module(module.name)
    except flowload.FlowloadError as error:  # an extra that is not installed
        print(module.name, error, file=sys.stderr)
print(sys._is_gil_enabled())
"""


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has its lock")
def test_importing_all_of_it_leaves_the_lock_off() -> None:
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_the_bench_of_maps_says_whether_there_is_a_lock(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    assert maps.has_lock() is enabled
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert maps.has_lock()
