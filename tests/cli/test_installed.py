"""What somebody has who installs the wheel, in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.suite.warm import run_warm

pytest.importorskip("hatchling", reason="the wheel is built by hatchling")
pytest.importorskip("hatch_vcs", reason="its version comes from git")

ROOT = Path(__file__).parents[2]
BUILD = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the unpacked wheel, as pip unpacks it; what it depends on is this Python's own."""
    folder = tmp_path_factory.mktemp("installed")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    take_kernels_along(folder / "site")
    return folder / "site"


def take_kernels_along(site: Path) -> None:
    """What was compiled of the clone's kernels is code of the same ones here: it takes ten seconds to make.

    numba takes code from a cache for a file of the same size and time.
    """
    for module in (ROOT / "flowload" / "kernels").rglob("*.py"):
        there = site / module.relative_to(ROOT)
        if there.read_bytes() == module.read_bytes():
            shutil.copystat(module, there)
    for cached in (ROOT / "flowload" / "kernels").rglob("*.nb[ci]"):
        there = site / cached.relative_to(ROOT)
        there.parent.mkdir(exist_ok=True)
        shutil.copy(cached, there)


def flowload(
    installed: Path, where: Path, *words: str, expect: int = 0, more: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", **more}
    command = [sys.executable, "-m", "flowload", *words]
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done


@pytest.mark.hammer  # nine processes; `.ci/package` makes and tries the wheel of every commit
def test_the_wheel_runs_writes_and_draws_pipelines(installed: Path, tmp_path: Path) -> None:
    assert sorted(path.stem for path in (installed / "flowload" / "pipelines").iterdir()) == [
        "chess",
        "games",
        "molecules",
        "neural",
    ]
    assert (installed / "flowload" / "picture" / "page" / "page.html").is_file()
    shutil.copytree(installed / "flowload" / "sample" / "chess", tmp_path / "games")
    tars = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "games").glob("*.tar"))
    assert len(tars) == 2
    short = ("--batches", "1", "--batch-size", "64", "--device", "cpu", "--plain")
    shown = flowload(installed, tmp_path, "show", "chess").stdout
    assert "discover" in shown
    # Expanded by a shell: both files are read.
    told = flowload(installed, tmp_path, "run", "chess", "--data", *tars, *short).stdout
    assert "read" in told
    refused = flowload(installed, tmp_path, "run", "chess", "--pool", "3", tars[0], *short, expect=2)
    assert "unexpected extra argument" in refused.stderr
    flowload(installed, tmp_path, "new", "mine.py", "--like", "neural")
    again = flowload(installed, tmp_path, "new", "mine.py", expect=2)
    assert "is there already" in again.stderr
    flowload(installed, tmp_path, "graph", "mine.py", "-o", "x.svg", "--batches", "1", "--device", "cpu")
    assert "<svg" in (tmp_path / "x.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("flowload run ", ["chess", "games", "molecules", "neural"]),
        ("flowload run chess --layout ", ["bits", "tensors", "tuple"]),
        ("flowload run chess --batch", ["--batch-size", "--batches"]),
        ("flowload gr", ["graph"]),
        ("flowload new --like ne", ["neural"]),
    ],
)
def test_a_shell_completes_names_options_and_values(line: str, wanted: list[str], tmp_path: Path) -> None:
    words = str(len(line.split()) - (not line.endswith(" ")))
    asked = {"COMP_WORDS": line, "COMP_CWORD": words, "_FLOWLOAD_COMPLETE": "bash_complete"}
    done = run_warm("-m", "flowload", more=asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [
        value for kind, _, value in (item.partition(",") for item in done.stdout.split()) if kind == "plain"
    ]
    assert sorted(found) == wanted
