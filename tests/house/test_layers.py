"""The law about imports is in force: it passes as the project is, and breaks where it should."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to do wrong in."""
    shutil.copytree(
        ROOT / "flowload", tmp_path / "flowload", ignore=shutil.ignore_patterns("__pycache__", "sample")
    )
    (tmp_path / "flowload" / "sample").mkdir()
    (tmp_path / "flowload" / "sample" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_everyone_imports_only_what_lies_below(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("graph/build.py", "import flowload.cli", "who may import whom BROKEN"),
        ("runtime/run.py", "import flowload.stages.batches.batch", "who may import whom BROKEN"),
        ("runtime/run.py", "def late():\n    import torch", "torch stays at the rim BROKEN"),
        ("stray.py", "", "stray"),
    ],
)
def test_who_imports_what_lies_above_is_caught(tree: Path, file: str, line: str, contract: str) -> None:
    with (tree / "flowload" / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint(tree)
    assert done.returncode != 0
    assert contract in done.stdout


#: A line in a file that has no business there, and the contract that it breaks.
INTRUSIONS = {
    "stages/files/seen.py": ("flowload.stages.chunks.pool", "the inside of chunks is their own"),
    "formats/rows/npy.py": (
        "flowload.formats.hdf5.file",
        "HDF5 files are read by their rows, by recordings and by molecules in one",
    ),
    "formats/rows/runs.py": (
        "flowload.formats.zarr.chunks.grid",
        "zarr chunks are read by zarr arrays, and in part by recordings",
    ),
    "formats/rows/lmdb.py": (
        "flowload.formats.containers.tar",
        "containers are read by the formats in them",
    ),
    "formats/games/table.py": (
        "flowload.formats.molecules.convert.units",
        "molecules are converted by the command line, and known in their units",
    ),
    "adapters/engine.py": ("flowload.runtime.run", "the inside of a run is the runtime's own"),
    "runtime/run.py": (
        "flowload.runtime.threads.timing",
        "where blocking work goes is known to who gives it",
    ),
    "runtime/order.py": ("flowload.runtime.memory.mapping", "leases are made where runs are opened"),
    "stages/rows/indices.py": ("flowload.kernels._jit", "one JIT policy, for kernels alone"),
    "stages/rows/shuffle.py": (
        "flowload.stages.batches.arrays.written",
        "the inside of a stage's room is its own",
    ),
    "stages/rows/rows.py": ("flowload.stages.device.cuda", "the inside of a device's stage is its own"),
    "stages/wiring/mix.py": ("flowload.stages.files.glob", "how files are found is the sources' own"),
    "stages/wiring/tee.py": ("flowload.stages.windows.csr", "how windows are cut is their own"),
}


@pytest.mark.slow
def test_who_imports_the_inside_of_another_package_is_caught(tree: Path) -> None:
    for file, (module, _) in INTRUSIONS.items():
        with (tree / "flowload" / file).open("a") as source:
            source.write(f"\nimport {module}\n")
    told = lint(tree).stdout
    assert [law for _, law in INTRUSIONS.values() if f"{law} BROKEN" not in told] == []
