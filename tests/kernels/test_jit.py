from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from flowload.kernels import _jit, _parts
from flowload.kernels._jit import kernel

MODULE = """
import flowload.kernels._jit as jit

@jit.kernel
def double(x: int) -> int:
    return 2 * x

if __name__ == "__main__":
    print(double(21), sum(double.stats.cache_hits.values()), double._cache._impl.locator.get_cache_path())
"""


def test_kernel_is_a_numba_function_under_the_policy() -> None:
    @kernel
    def halve(x: float, y: float) -> float:
        return x / y

    assert isinstance(halve, Dispatcher)
    assert halve.targetoptions["nogil"]
    assert np.isinf(halve(1.0, 0.0))


def test_kernel_compiles_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(dispatcher: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(Dispatcher, "enable_caching", no_folder)

    @kernel
    def double(x: int) -> int:
        return 2 * x

    assert double(21) == 42


def test_without_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)

    def double(x: int) -> int:
        return 2 * x

    assert kernel(double) is double


def test_cache_is_named_after_all_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("x = 1")
    first = _jit.digest_of(tmp_path)
    (tmp_path / "two.py").write_text("y = 1")
    second = _jit.digest_of(tmp_path)
    (tmp_path / "two.py").write_text("y = 2")
    third = _jit.digest_of(tmp_path)
    assert len({first, second, third}) == 3
    assert all(index_name(stamp, monkeypatch).count(stamp) == 1 for stamp in (first, second))


def index_name(stamp: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file name of a kernel's cache under a stamp."""
    monkeypatch.setattr(_jit, "STAMP", stamp)

    def double(x: int) -> int:
        return 2 * x

    compiled: Any = kernel(double)
    assert compiled.__qualname__ == double.__qualname__ == "index_name.<locals>.double"
    return str(compiled._cache._impl.filename_base)


@pytest.mark.slow
def test_cache_of_a_package_that_cannot_be_written_goes_to_the_user(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "mine.py").write_text(MODULE)
    (package / "__pycache__").write_text("a file, so that not even the superuser can make the folder")
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": root}
    command = [sys.executable, "-B", str(package / "mine.py")]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert [run[:2] for run in runs] == [["42", "0"], ["42", "1"]]
    assert Path(runs[1][2]).is_relative_to(tmp_path)
    assert not Path(runs[1][2]).is_relative_to(package)


def test_what_a_kernel_calls_is_compiled_once_as_its_part_whatever_its_literals() -> None:
    @kernel
    def after(x: int) -> int:
        return x + 1

    @kernel
    def thrice(x: int) -> int:
        return after(0) + after(7) + after(x)

    known: Any = after
    assert thrice(1) == 1 + 8 + 2
    assert not known.overloads, "an entry from Python that nobody asked for"
    assert len(known.part.overloads) == 1
    assert after(1) == 2


RAISING = """
import flowload.kernels._jit as jit

@jit.kernel
def positive(x: int) -> int:
    if x < 0:
        raise ValueError("below 0", x)
    return x

@jit.kernel
def twice(x: int) -> int:
    return 2 * positive(x)

if __name__ == "__main__":
    assert twice(3) == 6
    try:
        twice(-1)
    except ValueError as error:
        print(error.args, sum(twice.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_a_part_is_no_machine_code_of_its_own_and_raises_all_the_same(tmp_path: Path) -> None:
    assert _parts.PartCompiler is _parts.LinkedCompiler, "numba has become another: see kernels/_parts.py"
    module = tmp_path / "raising.py"
    module.write_text(RAISING)
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for hits in (0, 1):  # compiled, and loaded
        done = subprocess.run([sys.executable, module], capture_output=True, text=True, env=env, check=True)
        assert done.stdout.strip() == f"('below 0', -1) {hits}"
