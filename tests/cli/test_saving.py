"""`flowload run --save-state` and `--resume`: whole states, the newest of which goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import flowload as fl
from flowload.cli import main
from flowload.cli.saving import KEPT, newest_state
from flowload.errors import DataError, NoDataError
from flowload.runtime.state.columns import to_values
from flowload.runtime.state.file import states_in
from tests.cli.told import told
from tests.suite.warm import start_warm

Write = Callable[..., str]
Capture = pytest.CaptureFixture[str]

ROWS = """
    import numpy as np

    @fl.pipeline
    def rows(*, k: int = 0):
        rows = fl.rows({"x": np.arange(100)}) >> fl.shuffle() >> fl.batch(10)
        return rows >> fl.map(lambda b: {"x": b["x"] + k}, workers=1)
"""


def test_a_run_goes_on_where_another_was_stopped(write: Write, tmp_path: Path, capsys: Capture) -> None:
    file, states = write(ROWS), tmp_path / "states"
    status, out, _ = told(capsys, file, "--batches", "4", "--save-state", str(states))
    assert (status, "4 batches" in out) == (0, True)
    assert [number for number, _ in states_in(states)] == [4]
    status, out, _ = told(capsys, file, "--resume", str(states), "--save-state", str(states))
    assert (status, "6 batches" in out) == (0, True)
    assert newest_state(states)["delivered"] == {"out": 10}
    for place in (states / "step-000000000004.state", tmp_path / "state.json"):  # of a script, and as text
        if place.suffix == ".json":
            place.write_text(json.dumps(to_values(fl.load_state(states / "step-000000000004.state"))))
        status, out, _ = told(capsys, file, "--resume", str(place))
        assert (status, "6 batches" in out) == (0, True)
    status, _, err = told(capsys, file, "--resume", str(states), "-v", "--k", "3")
    assert status == 2
    assert "fn.k was 0, is 3" in err
    assert told(capsys, file, "--resume", str(states), "--k", "3", "--on-change", "accept")[0] in (0, 1)


def test_a_few_states_stay_and_what_is_half_written_is_none(
    write: Write, tmp_path: Path, capsys: Capture
) -> None:
    file = write(ROWS)
    for batches in range(1, KEPT + 3):
        told(capsys, file, "--batches", str(batches), "--save-state", str(tmp_path / "states"))
    assert [number for number, _ in states_in(tmp_path / "states")] == [3, 4, 5]
    (tmp_path / "states" / "step-000000000009.state").write_bytes(b"flowload state\n")
    (tmp_path / "states" / "notes.txt").write_text("")
    assert newest_state(tmp_path / "states")["delivered"] == {"out": 5}


def test_a_folder_without_a_state_is_named(write: Write, tmp_path: Path, capsys: Capture) -> None:
    with pytest.raises(NoDataError, match="no state"):
        newest_state(tmp_path / "nowhere")
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(DataError, match="no state"):
        newest_state(tmp_path / "state.json")
    status, _, err = told(capsys, write(ROWS), "--resume", str(tmp_path / "nowhere"))
    assert status == 2
    assert "--resume" in err


@pytest.mark.slow
def test_sigterm_saves_and_leaves(write: Write, tmp_path: Path) -> None:
    file, states = write(ROWS), tmp_path / "states"
    command = ["-m", "flowload", "run", file, "--epochs", "inf", "--plain"]
    with start_warm(*command, "--save-state", str(states), "--every", "0.01") as run:
        assert run.stdout is not None
        run.stdout.readline()  # it runs
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=100)
    assert run.returncode == 143, err
    state = newest_state(states)
    assert state["delivered"]["out"] > 0


def test_a_capsule_of_a_pipeline_file_is_replayed(write: Write, tmp_path: Path, capsys: Capture) -> None:
    file = write(ROWS.replace("lambda b", "lambda b, rng"))
    status, _, _ = told(capsys, file, "--capsules", str(tmp_path / "capsules"))
    assert status == 1
    capsule = min((tmp_path / "capsules").iterdir())
    told_by_it = json.loads(capsule.read_text())
    assert told_by_it["pipeline"] == {"path": file, "options": {}}
    assert main(["replay", str(capsule)]) == 1
    captured = capsys.readouterr()
    assert "of 'map': failure" in captured.out
    assert "rng" in captured.err
    Path(file).write_text(Path(file).read_text().replace("lambda b, rng", "lambda b"))
    assert main(["replay", str(capsule)]) == 0
    assert "it did not fail again: 10 samples, alone" in capsys.readouterr().out
    assert main(["replay", file]) == 2
