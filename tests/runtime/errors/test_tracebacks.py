"""The traceback of an error leads from the reader to the user's own code, without the run's frames."""

from __future__ import annotations

import statistics
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.errors import UserCodeError
from flowload.tracebacks import VARIABLE
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Does,
    Ints,
    Yields,
    numbers,
    origin,
    step,
)

from .traps import PLACES, Trap, one_worker


def frames_of(error: BaseException) -> list[str]:
    """Modules of the frames of a traceback, the innermost last."""
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]


@pytest.mark.parametrize("place", ["fl_map", "fl_map_async", "generator", "async_generator", "lazy_push"])
def test_a_traceback_leads_from_the_reader_to_the_users_own_code(face: Face, place: str) -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        face.read(PLACES[place](Trap(ValueError, calls=12)))
    names = frames_of(caught.value)
    assert names[-1] == Trap.__module__  # where the user code of these graphs lies
    assert not [name for name in names if name.startswith("flowload.")]


def test_whoever_asks_gets_all_frames(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "full")
    with pytest.raises(ValueError, match="mine") as caught:
        face.read(PLACES["fl_map"](Trap(ValueError, calls=12)))
    names = frames_of(caught.value)
    assert names[-1] == Trap.__module__
    assert "flowload.stages.user.map" in names
    assert [name for name in names if name.startswith("flowload.runtime.tasks.")]


def test_another_word_than_full_is_told_and_is_short(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, "ful")
    with pytest.raises(ValueError, match="mine") as caught:
        PLACES["fl_map"](Trap(ValueError, calls=0)).peek()
    assert not [name for name in frames_of(caught.value) if name.startswith("flowload.")]
    assert "FLOWLOAD_TRACEBACKS is 'ful'; wanted full or short" in caplog.text


def test_what_a_stage_says_in_its_own_words_comes_from_one_line(face: Face) -> None:
    unlike = [{"x": np.zeros(4)}, {"z": np.zeros(4)}]
    with pytest.raises(fl.FlowloadError, match="unlike samples") as caught:
        face.read(fl.source(lambda: iter(unlike)) >> fl.batch(8))
    ours = [name for name in frames_of(caught.value) if name.startswith("flowload.")]
    assert ours == ["flowload.stages.batches.arrays.collate"]


def test_a_mistake_of_ours_keeps_the_way_to_it(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.batches.arrays.collate.unlike", int)
    unlike = [{"x": np.zeros(4)}, {"z": np.zeros(4)}]
    graph = fl.source(lambda: iter(unlike)) >> fl.batch(8)
    with pytest.raises(TypeError, match="int") as caught:
        face.read(graph)
    assert frames_of(caught.value).count("flowload.stages.batches.arrays.collate") == 4


def test_a_library_that_fails_under_a_stage_keeps_the_stages_frames(face: Face) -> None:
    """Where no line of the user's was at work, the way there is all that is known."""
    text = [{"x": np.zeros(4)}]
    graph = fl.source(lambda: iter(text)) >> fl.batch(4) >> fl.map(statistics.mean)
    with pytest.raises(TypeError, match="convert type") as caught:
        face.read(graph)
    names = frames_of(caught.value)
    assert names[-1] == "statistics"
    assert "flowload.stages.user.map" in names


def test_a_cause_keeps_its_own_way(face: Face) -> None:
    """What the user chained is theirs: also where it began in a function of this package's."""

    def chains(batch: dict[str, Any]) -> dict[str, Any]:
        try:
            fl.batch(0)
        except fl.FlowloadError as error:
            raise KeyError("mine") from error
        return batch

    graph = fl.rows({"x": np.zeros(4)}) >> fl.batch(4) >> fl.map(chains)
    with pytest.raises(KeyError, match="mine") as caught:
        face.read(graph)
    cause = caught.value.__cause__
    assert cause is not None
    names = frames_of(cause)
    assert names[0] == __name__
    assert names[-1].startswith("flowload.")


@pytest.mark.slow
def test_a_script_shows_no_more_than_a_screen(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    shown = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    lines = shown.stderr.splitlines()
    assert lines[-2:] == ["KeyError: 'nope'", f"in stage 'map', declared at {script}:9"]
    assert 5 < len(lines) <= 15
    assert [line.split(", ")[0].strip() for line in lines if line.startswith("  File")] == (
        [f'File "{script}"'] * 4  # the module, its loop, and two functions
    )


SCRIPT = """import numpy as np
import flowload as fl

def mine(batch):
    return inner(batch)

def inner(batch):
    return {"y": batch["nope"]}
graph = fl.rows({"x": np.zeros(100)}) >> fl.batch(8) >> fl.map(mine)

def main():
    with graph.iterate() as batches:
        for batch in batches:
            pass
main()
"""


def test_the_original_of_a_wrapper_has_a_short_traceback_too(face: Face) -> None:
    with pytest.raises(UserCodeError) as caught:
        face.read(one_worker(Trap(StopIteration, calls=12)))
    assert caught.value.__cause__ is not None
    names = frames_of(caught.value.__cause__)
    assert names[-1] == Trap.__module__  # where the user code of these graphs lies
    assert not any(name.startswith("flowload.runtime") for name in names)


def test_what_the_run_itself_raises_keeps_its_frames(face: Face) -> None:
    with pytest.raises(fl.FlowloadError, match="a whole pass gave nothing") as caught:
        face.read(origin(Yields(lambda _: ())), epochs=None)
    names = frames_of(caught.value)
    assert names[-1] == "flowload.runtime.tasks.source_task"
    assert "flowload.runtime.run" in names


def test_an_error_that_is_its_own_cause_is_no_trap(face: Face) -> None:
    def turns(block: Ints, call: Call) -> Ints:
        error = ValueError("mine")
        raise error from error

    with pytest.raises(ValueError, match="mine"):
        face.read(numbers(3) >> step(lambda: Does(turns)))
