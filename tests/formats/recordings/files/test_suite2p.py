"""suite2p's folders, whose traces lie neuron by neuron, against numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from tests.formats.recordings.files.reading import check_windows, windows_of

ROIS, FRAMES = 11, 60


def plane(folder: Path, rois: int = ROIS, seed: int = 0) -> dict[str, Any]:
    """As suite2p writes a plane, with pickles that nobody may load."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    made = {name: rng.normal(size=(rois, FRAMES)).astype(np.float32) for name in ("F", "Fneu", "spks")}
    made["iscell"] = np.stack([rng.integers(0, 2, rois), rng.random(rois)], 1).astype(np.float64)
    made["iscell"][3, 0] = 1
    for name, data in made.items():
        np.save(folder / f"{name}.npy", data)
    for name in ("stat", "ops"):
        np.save(folder / f"{name}.npy", np.array({"a": 1}), allow_pickle=True)
    return made


@pytest.mark.parametrize("trace", ["F", "Fneu", "spks"])
def test_traces_are_turned(tmp_path: Path, trace: str) -> None:
    made = plane(tmp_path / "plane0")
    check_windows(tmp_path / "plane0", made[trace].T, trace)
    check_windows(tmp_path / "plane0", made[trace].T[:, [7, 2]], trace, neurons=[7, 2])


def test_only_cells(tmp_path: Path) -> None:
    made = plane(tmp_path / "plane0")
    cells = made["iscell"][:, 0] > 0
    assert 0 < cells.sum() < ROIS
    check_windows(tmp_path / "plane0", made["F"][cells].T, "F/cells")
    check_windows(tmp_path / "plane0", made["F"][cells].T[:, 1:3], "F/cells", neurons=slice(1, 3))


def test_several_traces_and_planes(tmp_path: Path) -> None:
    first, second = plane(tmp_path / "s" / "plane0"), plane(tmp_path / "s" / "plane1", 4, 1)
    check_windows(tmp_path / "s", first["spks"].T, "plane0/spks")
    check_windows(tmp_path / "s", second["F"].T, "plane1/F")
    select = {"x": {"array": "plane0/F"}, "y": {"array": "plane1/spks/cells"}}
    for window in windows_of(tmp_path / "s", select):
        rows = slice(int(window["start"]), int(window["start"]) + 16)
        np.testing.assert_array_equal(window["x"], first["F"].T[rows])
        np.testing.assert_array_equal(window["y"], second["spks"][second["iscell"][:, 0] > 0].T[rows])


def test_which_trace_is_asked(tmp_path: Path) -> None:
    plane(tmp_path / "p")
    known = "'F', 'F/cells', 'Fneu', 'Fneu/cells', 'spks', 'spks/cells'"
    with pytest.raises(NoDataError, match=f"which array; found 6 arrays; wanted .*{known}"):
        windows_of(tmp_path / "p")
    with pytest.raises(NoDataError, match=f"no such array; found 'dFF'; wanted one of {known}"):
        windows_of(tmp_path / "p", {"x": {"array": "dFF"}})


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "spks",
            np.zeros((ROIS, FRAMES - 1)),
            r"spks.npy: other traces; found \[11, 59\]; wanted \[11, 6",
        ),
        ("F", np.zeros(FRAMES), r"F.npy: array of another kind; found float64\[60\]; wanted numbers\[N, T\]"),
        ("iscell", np.ones((3, 2)), r"iscell.npy: other ROIs; found 3; wanted the 11 of the traces"),
        ("iscell", np.zeros((ROIS, 2)), r"iscell.npy: no cells; found none of 11 ROIs"),
        ("iscell", np.zeros(ROIS), r"iscell.npy: array of another kind"),
    ],
)
def test_folders_that_are_wrong(tmp_path: Path, name: str, data: Any, message: str) -> None:
    plane(tmp_path / "p")
    np.save(tmp_path / "p" / f"{name}.npy", data)
    with pytest.raises(DataError, match=message):
        windows_of(tmp_path / "p", {"x": {"array": "F/cells"}})


def test_a_real_folder(shared_neural: Path) -> None:
    folder = shared_neural / "pynapple_suite2p"
    cells = np.load(folder / "iscell.npy")[:, 0] > 0
    for trace in ("F", "spks"):
        check_windows(folder, np.load(folder / f"{trace}.npy").T, trace)
        check_windows(folder, np.load(folder / f"{trace}.npy").T[:, cells], f"{trace}/cells")
