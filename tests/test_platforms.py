"""Systems other than this one, as far as this one can play them."""

from __future__ import annotations

import errno
import mmap
import subprocess
import sys

import numpy as np
import pytest

import flowload as fl
from flowload.platforms import advise, complaint
from flowload.runtime.memory import mapping as memory
from flowload.sample import sample_path


@pytest.mark.parametrize("module", ["flowload", "flowload.cli", "flowload.stages.device.to_device"])
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("sys.platform = 'win32'", "flowload runs on Linux and macOS; on Windows, run it in WSL 2"),
        ("sys.platform = 'cygwin'", "flowload runs on Linux and macOS; on Windows, run it in WSL 2"),
        ("sys.byteorder = 'big'", "flowload runs on little-endian machines"),
    ],
)
def test_where_it_does_not_run_the_import_says_so_in_one_line(module: str, change: str, line: str) -> None:
    # Without what Windows lacks, either: whatever is imported before the line must not need it.
    code = (
        f"import sys; {change}; sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        f"try: import {module}\nexcept ImportError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"ImportError {line}")
    assert done.stdout.count("\n") == 1
    assert not done.stderr


def test_here_it_runs() -> None:
    assert complaint() is None


class OldKernel:
    """One that was built without transparent huge pages."""

    def __init__(self) -> None:
        self.refused = 0

    def madvise(self, *advice: int) -> None:
        """In the place of a mapping's own."""
        self.refused += 1
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> OldKernel:
    old = OldKernel()
    patched = type("Mapping", (mmap.mmap,), {"madvise": lambda _, *advice: old.madvise(*advice)})
    monkeypatch.setattr(mmap, "mmap", patched)
    monkeypatch.setattr(memory.PinnedMap, "madvise", patched.madvise)  # type: ignore[attr-defined]
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 14, raising=False)
    return old


def test_advice_is_taken_or_not(kernel: OldKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    with mmap.mmap(-1, mmap.PAGESIZE) as mapping:
        assert not advise(mapping, "MADV_HUGEPAGE", 0, mmap.PAGESIZE)
        assert kernel.refused == 1
        assert not advise(mapping, "MADV_NO_SUCH_WORD", 0, mmap.PAGESIZE)
        assert kernel.refused == 1
    monkeypatch.undo()
    with mmap.mmap(-1, mmap.PAGESIZE) as mapping:
        assert advise(mapping, "MADV_NORMAL", 0, mmap.PAGESIZE)


@pytest.mark.slow
def test_runs_need_no_huge_pages(kernel: OldKernel) -> None:
    rows = fl.rows({"x": np.arange(200_000 * 16, dtype=np.float32).reshape(-1, 16)}) >> fl.batch(50_000)
    with rows.iterate() as run:  # leases of 3 MiB
        found = np.concatenate([batch["x"][:, 0].copy() for batch in run])
    assert (found == np.arange(0, 200_000 * 16, 16)).all()
    assert (leases := kernel.refused) > 0
    chess = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack(rate=0.5)
    with (chess >> fl.reservoir(2000) >> fl.batch(256)).iterate(seed=1) as run:  # a table that grows
        assert sum(len(batch["planes"]) for batch in run) > 1500
    assert kernel.refused > leases
