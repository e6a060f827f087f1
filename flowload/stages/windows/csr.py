"""A graph of neurons in compressed rows: who listens to whom."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.errors import DataError, NoDataError
from flowload.files.arrays import read_array
from flowload.kernels.rows.neighbours import check_csr, with_neighbours

__all__ = ["CSR"]

WANTED = "a folder with indptr.npy and indices.npy"


class CSR:
    """Neighbours of row i: `indices[indptr[i] : indptr[i + 1]]`. Checked when it is made; read-only.

    Args:
        indptr: (n + 1,) integers.
        indices: rows from 0 below n.

    Raises DataError that names the row where it is wrong.
    """

    def __init__(self, indptr: Any, indices: Any) -> None:
        self.indptr = as_integers(indptr, "indptr", np.int64)
        self.indices = as_integers(indices, "indices", np.int32)
        if len(self.indptr) < 2:
            raise NoDataError("no rows", where="CSR", found=f"{len(self.indptr)} entries of indptr")
        wrong = check_csr(self.indptr, self.indices)
        if wrong == -2:
            found = f"{self.indptr[0]} and {self.indptr[-1]}"
            wanted = f"0 and {len(self.indices)}, the length of indices"
            raise DataError("indptr does not fit", where="CSR: its ends", found=found, wanted=wanted)
        if wrong >= 0:
            begin, end = self.indptr[wrong : wrong + 2].tolist()
            found = f"indices[{begin}:{end}] = {self.indices[begin:end][:8].tolist()}"
            wanted = f"rows from 0 below {len(self)}"
            raise DataError("wrong neighbours", where=f"CSR: row {wrong}", found=found, wanted=wanted)

    @classmethod
    def of(cls, graph: CSR | str | PathLike[str] | tuple[Any, Any] | Any) -> CSR:
        """A graph, a folder with `indptr.npy` and `indices.npy`, a pair of arrays, or a scipy CSR matrix."""
        if isinstance(graph, CSR):
            return graph
        if isinstance(graph, str | PathLike):
            return cls.load(Path(graph))
        if isinstance(graph, tuple) and len(graph) == 2:
            return cls(*graph)
        if hasattr(graph, "indptr") and hasattr(graph, "indices"):
            check_matrix(graph)
            return cls(graph.indptr, graph.indices)
        raise DataError(
            "no graph",
            where="CSR",
            found=repr(graph),
            wanted="a folder with indptr.npy and indices.npy, (indptr, indices), or a CSR matrix",
        )

    @classmethod
    def load(cls, folder: Path) -> CSR:
        """From `indptr.npy` and `indices.npy`. Raises NoDataError and DataError that name the file."""
        if folder.is_file():
            raise NoDataError("no graph", where=str(folder), found="a file", wanted=WANTED)
        arrays = []
        for name in ("indptr", "indices"):
            path = folder / f"{name}.npy"
            try:
                arrays.append(read_array(path))
            except NoDataError:
                raise NoDataError("no graph", where=str(path), wanted=WANTED) from None
        try:
            return cls(*arrays)
        except DataError as error:
            where = f"{folder}: {error.where}"
            raise type(error)(error.reason, where=where, found=error.found, wanted=error.wanted) from error

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __repr__(self) -> str:
        return f"CSR({len(self):,} rows, {len(self.indices):,} neighbours)"

    def closure(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows and their neighbours, sorted, each once."""
        out = np.empty(len(self), np.int64)
        count = with_neighbours(out, np.zeros(len(self), np.uint8), rows, self.indptr, self.indices)
        return out[:count].copy()

    def need(self) -> Need:
        """The kernel that `closure` calls."""
        numbers = np.empty(2, np.int64)
        return with_neighbours, (numbers, np.empty(2, np.uint8), numbers, self.indptr, self.indices)


def check_matrix(graph: Any) -> None:
    """Raise DataError for a matrix whose `indptr` counts no rows (CSC, BSR), or that is not square."""
    form = getattr(graph, "format", "csr")
    if form != "csr":
        raise DataError(
            "no graph", where="CSR", found=f"a matrix in {str(form).upper()}", wanted="one in CSR: .tocsr()"
        )
    shape = tuple(getattr(graph, "shape", ()))
    if len(shape) == 2 and shape[0] != shape[1]:
        found = f"a matrix of shape {list(shape)}"
        raise DataError("no graph", where="CSR", found=found, wanted="a row and a column for each neuron")


def as_integers(array: Any, name: str, dtype: type[np.signedinteger[Any]]) -> NDArray[Any]:
    """A read-only copy of a list of whole numbers. Raises DataError for anything else."""
    found = np.asarray(array)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DataError(
            f"bad {name}",
            where="CSR",
            found=f"{found.dtype}{list(found.shape)}",
            wanted="a list of whole numbers",
        )
    if len(found) and (found.min() < 0 or found.max() > np.iinfo(dtype).max):
        raise DataError(
            f"bad {name}",
            where="CSR",
            found=f"{found.min()} to {found.max()}",
            wanted="numbers from 0 that fit",
        )
    own = found.astype(dtype)
    own.flags.writeable = False
    return own
