"""suite2p's folders: fluorescence and spikes, which lie there neuron by neuron, as recordings over time.

`F.npy`, `Fneu.npy` and `spks.npy` are `(N, T)`, a row an ROI; windows have them as `(T, N)`. `iscell.npy`,
`(N, 2)`, says which ROIs are cells: an array named `F/cells` has only those. `stat.npy` and `ops.npy` are
pickles, and never read. A folder with `plane0`, `plane1`, ... has arrays such as `plane0/F`.

Source: MouseLand/suite2p, "Outputs" of its documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.arrays import map_array, read_array
from flowload.files.guard import Guard
from flowload.formats.recordings.boxes import Box, BoxSeries
from flowload.formats.recordings.series import Options
from flowload.kernels.rows.take import native

from .local import local_folder, no_array, which_array
from .mapped import MappedBoxes, check_numbers, mapped_series

__all__ = ["Suite2pKind"]

TRACES = ("F", "Fneu", "spks", "F_chan2", "Fneu_chan2")
BESIDE = ("iscell", "stat", "ops")  #: of which one at least lies beside the traces
CELLS = "/cells"


class Suite2pKind:
    """See `Kind`: a folder of one plane, or one with folders of planes."""

    name: ClassVar[str] = "suite2p"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        folder = local_folder(location)
        try:
            return folder is not None and bool(planes_in(folder))
        except OSError:
            return False

    def arrays(self, location: str, options: Options) -> Sequence[str]:  # noqa: ARG002 - local
        """See `Kind`."""
        found: list[str] = []
        for prefix, folder in planes_in(Path(location)).items():
            for trace in traces_in(folder):
                found.append(f"{prefix}{trace}")
                if (folder / "iscell.npy").exists():
                    found.append(f"{prefix}{trace}{CELLS}")
        return found

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> BoxSeries:  # noqa: ARG002 - it costs nothing to open
        """See `Kind`."""
        names = list(self.arrays(location, options))
        name = which_array(location, names) if array is None else array
        if name not in names:
            raise no_array(location, name, names)
        whole = name.removesuffix(CELLS)
        path = Path(location) / f"{whole}.npy"
        return open_traces(path, only_cells=name != whole)


def planes_in(folder: Path) -> dict[str, Path]:
    """Folders of planes by what their arrays' names begin with; none: this is nothing of suite2p's."""
    if is_plane(folder):
        return {"": folder}
    inner = [path for path in sorted(folder.glob("plane*")) if is_plane(path)]
    if is_plane(folder / "combined"):
        inner.append(folder / "combined")
    return {f"{path.name}/": path for path in inner}


def is_plane(folder: Path) -> bool:
    """Whether traces lie here with what suite2p leaves beside them."""
    return bool(traces_in(folder)) and any((folder / f"{name}.npy").exists() for name in BESIDE)


def traces_in(folder: Path) -> list[str]:
    """The traces that are there."""
    return [name for name in TRACES if (folder / f"{name}.npy").is_file()]


def cells_of(folder: Path, count: int) -> NDArray[np.int64]:
    """The ROIs, of so many, that are cells. Raises DataError."""
    path = folder / "iscell.npy"
    found = read_array(path)
    if found.ndim != 2 or found.shape[1] < 1 or found.dtype.kind not in "biuf":
        said = f"{found.dtype}{list(found.shape)}"
        raise DataError("array of another kind", where=str(path), found=said, wanted="numbers[N, 2]")
    if len(found) != count:
        raise DataError(
            "other ROIs", where=str(path), found=f"{len(found):,}", wanted=f"the {count:,} of the traces"
        )
    cells = np.flatnonzero(found[:, 0])
    if not len(cells):
        raise DataError("no cells", where=str(path), found=f"none of {count:,} ROIs", wanted="at least one")
    return cells


def open_traces(path: Path, *, only_cells: bool) -> BoxSeries:
    """A file of traces as a series over time. Raises DataError."""
    guard = Guard()
    try:
        array = map_array(path, guard)
        check_numbers(str(path), array.shape, array.dtype)
        if array.ndim != 2:
            found = f"{array.dtype}{list(array.shape)}"
            raise DataError("array of another kind", where=str(path), found=found, wanted="numbers[N, T]")
        cells = cells_of(path.parent, len(array)) if only_cells else None
        check_alike(path, array)
    except DataError:
        guard.close()
        raise
    boxes = MappedBoxes(array.T, guard, str(path)) if cells is None else Cells(array, cells, guard, str(path))
    route = f"memory map, (N, T) = {array.shape} turned to (T, N)"
    return mapped_series(str(path), boxes, native(array.dtype), route, [path])


def check_alike(path: Path, array: NDArray[Any]) -> None:
    """Raise DataError where traces beside these have another shape: one of them is of something else."""
    guard = Guard()
    try:
        for name in traces_in(path.parent):
            other = map_array(path.parent / f"{name}.npy", guard)
            if other.shape != array.shape:
                where, wanted = str(path.parent / f"{name}.npy"), f"{list(array.shape)}, as {path.name}"
                raise DataError("other traces", where=where, found=f"{list(other.shape)}", wanted=wanted)
    finally:
        guard.close()


class Cells(MappedBoxes):
    """Traces of some ROIs only."""

    def __init__(self, array: NDArray[Any], cells: NDArray[np.int64], guard: Guard, location: str) -> None:
        super().__init__(array.T, guard, location)
        self.cells = cells

    @property
    def shape(self) -> tuple[int, ...]:
        """See there."""
        return super().shape[0], len(self.cells)

    def some(self, array: NDArray[Any], box: Box) -> NDArray[Any]:
        """See there."""
        return array[box[0], self.cells[box[1]]]
