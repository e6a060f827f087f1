"""What the README and the page on Jupyter show works in the cells of a real kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .pages import ROOT, blocks_of

manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("ipykernel")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a kernel in a folder that looks like a clone."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "pipelines").symlink_to(ROOT / "pipelines")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started, client = manager.start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
    yield client
    client.stop_channels()
    started.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the client's libraries
@pytest.mark.parametrize(
    "page", ["docs/howto/jupyter.md", pytest.param("README.md", marks=pytest.mark.hammer)]
)
def test_cells_run(page: str, kernel: Any) -> None:
    cells = [block.code for block in blocks_of(ROOT / page) if block.language == "python"]
    assert cells
    for cell in cells:
        reply = kernel.execute_interactive(cell, timeout=120, output_hook=str)
        assert reply["content"]["status"] == "ok", "\n".join(reply["content"].get("traceback", ()))
