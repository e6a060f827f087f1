"""In a real notebook kernel: a graph shows its notation, a run its picture, which goes on while it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.picture.notebook import bundle_of
from tests.picture.graphs import thirty, three

ROOT = Path(__file__).parents[2]
GRAPH = (
    "import flowload as fl\ngraph = fl.source(lambda: iter(range(400)), samples=True) >> fl.batch(4)\ngraph"
)
RUN = """
import threading
with graph.iterate(epochs=None) as batches:
    display(batches)
    for number, _ in enumerate(batches):
        if number > 40:
            break
[t.name for t in threading.enumerate() if t.name == "flowload-notebook"]
"""

#: A run is left when it was drawn four times: once where it is shown, twice while it goes on, and once more,
#: since what is drawn is sent afterwards, by the same thread.
COUNTED = """
import threading
import flowload.picture.notebook as notebook
notebook.TICK, told, drawn = 0.02, notebook.told, threading.Semaphore(0)

def counted(*args):
    made = told(*args)
    drawn.release()
    return made

notebook.told = counted
"""


def test_a_graph_and_a_run_are_svg_and_words() -> None:
    for graph in (three(), thirty()):
        bundle = graph._repr_mimebundle_()
        assert bundle == bundle_of(graph)
        assert bundle["image/svg+xml"].startswith("<svg")
        assert bundle["text/plain"] == repr(graph)
    part = fl.batch(4)
    assert "batch" in part._repr_mimebundle_()["image/svg+xml"]
    batches: Any = three().iterate(epochs=None)
    assert batches._repr_mimebundle_()["text/plain"] == "a run that has not begun"
    with batches:
        for _ in range(3):
            next(batches)
        assert f"{batches.stats().delivered} samples" in batches._repr_mimebundle_()["text/plain"]
    assert "The run was left" in batches._repr_mimebundle_()["image/svg+xml"]
    with pytest.raises(NotImplementedError):
        batches._ipython_display_()


@pytest.mark.slow
def test_in_a_kernel_the_picture_goes_on_while_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", os.devnull + "-no-such")
    cells = [
        GRAPH,
        COUNTED,
        RUN.replace("number > 40", "number > 40 and all(drawn.acquire(timeout=60) for _ in range(4))"),
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    seen: list[Any] = []

    base: Any = nbclient.NotebookClient

    class Client(base):  # type: ignore[misc]
        def process_message(self, message: Any, *rest: Any) -> Any:
            seen.append(message["header"]["msg_type"])
            return super().process_message(message, *rest)

    Client(book, timeout=120, kernel_name="python3").execute()
    shown = book.cells[0].outputs[0]["data"]
    assert shown["image/svg+xml"].startswith("<svg")
    last = book.cells[2].outputs[0]["data"]
    assert last["image/svg+xml"].startswith("<svg")
    assert "samples in" in last["text/plain"]
    assert seen.count("update_display_data") >= 2
